"""Which modes come into question, and which of those are never worth a thought."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from rm.planner.mode_table import ModeTable

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]
Ints = NDArray[np.int64]


def effective_progress(table: ModeTable, memory_load: float, bandwidth: float) -> Floats:
    """Reference samples/s while others load the memory: traffic waits for theirs (at most)."""
    waits = 1.0 / (1.0 - memory_load) - 1.0
    sample_s = table.sample_s + waits * table.bytes_per_sample / bandwidth
    return table.progress_per_s * table.sample_s / sample_s


def undominated(table: ModeTable, allowed: Flags, keys: Sequence[Floats]) -> Ints:
    """The allowed modes, but of one place only those that no other one beats by all keys.

    Keys are better when less; of equal modes the first is kept.
    """
    places = int(np.count_nonzero(table.setting == table.setting[0]))
    shape = (len(table) // places, places)  # settings x places
    columns = [np.where(allowed, key, np.inf).reshape(shape) for key in keys]
    no_worse = np.ones((shape[0], *shape), dtype=bool)
    same = no_worse.copy()
    for column in columns:
        no_worse &= column[:, None] <= column[None]
        same &= column[:, None] == column[None]
    earlier = np.triu(np.ones((shape[0], shape[0]), dtype=bool), k=1)[:, :, None]
    beaten = (no_worse & (~same | earlier)).any(axis=0).ravel()
    kept = np.flatnonzero(allowed & ~beaten)
    on_cores = table.unit[kept] < table.clusters
    return np.concatenate([kept[on_cores], _of_accelerators(table, kept[~on_cores], keys)])


def _of_accelerators(table: ModeTable, modes: Ints, keys: Sequence[Floats]) -> Ints:
    """Those of the modes on accelerators that no other one on the same accelerator beats.

    Nobody else minds its operating point.
    """
    if modes.size < 2:
        return modes
    worst = np.ones((len(modes), len(modes)), dtype=bool)
    same = worst.copy()
    for key in (*keys, table.unit.astype(np.float64), -table.unit.astype(np.float64)):
        worst &= key[modes][:, None] <= key[modes]
        same &= key[modes][:, None] == key[modes]
    earlier = np.triu(np.ones(worst.shape, dtype=bool), k=1)
    return modes[~(worst & (~same | earlier)).any(axis=0)]
