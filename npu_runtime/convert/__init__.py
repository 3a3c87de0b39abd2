"""Make of a policy what an accelerator takes: files of its own format, and the sidecar.

`target` names what can be made, `caffe` and `rknn` make it, `artifact_writer` puts it beside the
policy. Nothing here needs onnx, protobuf or a vendor's library in this process.
"""
