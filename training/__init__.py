"""Make policies: `imitation` turns demonstrations of an oracle into a network in an ONNX file."""
