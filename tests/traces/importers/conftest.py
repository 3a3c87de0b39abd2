"""The folder of samples that the importers' tests share."""

from tests.traces.importers.samples import files

__all__ = ["files"]
