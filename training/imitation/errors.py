"""What can go wrong in training although its input was sound."""


class TrainingFailed(RuntimeError):
    """The loss is no longer finite."""


class ExportFailed(RuntimeError):
    """The ONNX network does not compute what the trained network computes; nothing was written."""
