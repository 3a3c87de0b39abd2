"""The protocol that every back end implements, and the checks on what goes in.

Checks belong to the caller of a back end (`load.LoadedPolicy`), so that no back end has its own.
"""

from typing import Protocol

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from npu_runtime.errors import BadInput, BadOutput

Rows = NDArray[np.float32]
"""A matrix of float32: rows of features, or rows of scores."""

_FLOAT32 = np.dtype(np.float32)
_INFINITY = float("inf")


class Capabilities(Struct, frozen=True, kw_only=True):
    """What a back end is and can do.

    `device` is where it was proved to run, never merely what was asked for. `max_batch` is the
    largest number of rows in one call (None: any). `dynamic_batch` says whether it takes fewer rows
    as they are; otherwise every call must have exactly `max_batch` rows.
    """

    name: str
    version: str
    device: str
    precision: str
    max_batch: int | None
    dynamic_batch: bool


class Backend(Protocol):
    """A network, loaded and ready.

    Rows have shape (B, F), scores (B, N), both float32. `input_shape` and `output_shape` are those
    of the network itself, None for a free dimension.
    """

    @property
    def capabilities(self) -> Capabilities:
        """What this back end is and can do."""
        ...

    @property
    def input_shape(self) -> tuple[int | None, ...]:
        """The shape of the network's only input."""
        ...

    @property
    def output_shape(self) -> tuple[int | None, ...]:
        """The shape of the network's only output."""
        ...

    def run(self, rows: Rows) -> Rows:
        """The scores of `rows`, which are checked already."""
        ...

    def warm_up(self, batch: int) -> None:
        """Do now what the first call with `batch` rows would otherwise do."""
        ...

    def close(self) -> None:
        """Free what the network holds; no call but this one may follow."""
        ...


def check_rows(rows: Rows, width: int) -> None:
    """Raise BadInput unless `rows` are float32, finite, `width` wide and at least one.

    It is called for every decision and costs about 0.5 us: one dot product is finite only if every
    value is. Only where it is not (large values overflow it as well) each value is looked at.
    """
    shape = rows.shape
    if rows.dtype != _FLOAT32:
        raise BadInput(f"rows.dtype must be float32 (got {rows.dtype})")
    if len(shape) != 2 or shape[1] != width or not shape[0]:
        raise BadInput(f"rows.shape must be (1 or more, {width}) (got {shape})")
    if not np.vdot(rows, rows) < _INFINITY:
        for row, column in np.argwhere(~np.isfinite(rows)):
            value = rows[row, column]
            raise BadInput(f"rows must be finite (got {value} in row {row}, feature {column})")


def check_scores(scores: Rows) -> None:
    """Raise BadOutput unless all `scores` are finite."""
    if not np.vdot(scores, scores) < _INFINITY:
        for row, column in np.argwhere(~np.isfinite(scores)):
            value = scores[row, column]
            raise BadOutput(f"scores must be finite (got {value} in row {row}, output {column})")


def score_range(scores: Rows) -> float:
    """What errors of scores are a share of: their range, or their size where they are all equal.

    >>> score_range(np.array([[1.0, 3.0]], np.float32)), score_range(np.zeros((2, 1), np.float32))
    (2.0, 1.0)
    """
    return float(np.ptp(scores)) or max(1.0, float(np.abs(scores).max()))
