"""Run a policy network that travels as an ONNX file. This package knows no board.

`policy_file` reads and checks the file and what it says of itself, `load` opens it on a back end
and proves that the back end computes what the training computed, `backend` is the protocol that
every back end implements.
"""
