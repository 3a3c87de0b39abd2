"""What can go wrong in training although its input was sound."""


class TrainingFailed(RuntimeError):
    """The loss is no longer finite, or the process that trained a seed is gone."""


class ExportFailed(RuntimeError):
    """The ONNX network does not compute what the trained network computes; nothing was written."""
