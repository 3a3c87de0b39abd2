"""A capability as a file: JSON, as a job sends it to the daemon."""

from pathlib import Path

import msgspec

from platforms.atomic_file import replacing
from rm.planner.capability import Capability, Table

_DIGITS = 4
"""Significant ones: no table is known better, and the whole must fit into one message."""


def write_capability(path: Path, capability: Capability) -> int:
    """Write it, whole or not at all; gives its length in bytes."""
    content = msgspec.json.encode(rounded(capability)) + b"\n"
    with replacing(path) as building:
        building.write_bytes(content)
    return len(content)


def rounded(capability: Capability) -> Capability:
    """The same in as many digits as are written."""
    return msgspec.structs.replace(
        capability,
        sample_s=_table(capability.sample_s),
        peak_w=_table(capability.peak_w),
        mean_w=_table(capability.mean_w),
        bytes_per_sample=tuple(map(_rounded, capability.bytes_per_sample)),
    )


def _table(table: Table) -> Table:
    return tuple(tuple(map(_rounded, row)) for row in table)


def _rounded(value: float) -> float:
    """A number in four significant digits.

    >>> _rounded(0.000123456)
    0.0001235
    """
    return float(f"{value:.{_DIGITS}g}")
