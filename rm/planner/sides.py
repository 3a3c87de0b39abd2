"""What one unit, a cluster or an accelerator, adds to everybody's temperature and to the power."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from rm.planner.heat import HeatModel
from rm.planner.mode_table import ModeTable
from rm.planner.packed import Packed

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]
Singles = NDArray[np.float32]
Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Side:
    """A unit with B sets of applications (an accelerator: one) and M choices.

    `rise` (rows, B, M) is kelvin by row of `heat.Reach`, infinite in a cluster's own row where the
    set is not served. `watts` (B, M) is what the unit takes, `peak_w` with training at its peak.
    `opp` (M,) is the operating point of a choice.
    """

    rise: Singles
    watts: Singles
    peak_w: Singles
    opp: Ints

    def watts_of(self, row: int, choice: int) -> float:
        """What the unit takes."""
        return float(self.watts[row if len(self.watts) > 1 else 0, choice])

    def at(self, sets: Ints) -> "Side":
        """Some of the sets."""
        if len(self.watts) == 1:
            return self
        return Side(self.rise[:, sets], self.watts[sets], self.peak_w[sets], self.opp)

    def undominated(self) -> "Side":
        """Without the choices that some other one is never worse than, in any set."""
        keys = np.concatenate([self.rise, self.peak_w[None]])
        no_worse = (keys[:, :, :, None] <= keys[:, :, None, :]).all(axis=0)
        same = (keys[:, :, :, None] == keys[:, :, None, :]).all(axis=0)
        earlier = np.triu(np.ones(no_worse.shape[1:], dtype=bool), k=1)
        kept = ~(no_worse & (~same | earlier)).any(axis=1).all(axis=0)
        return Side(
            self.rise[:, :, kept], self.watts[:, kept], self.peak_w[:, kept], self.opp[kept]
        )


class Leaks(NamedTuple):
    """Leakage relative to its reference: usually, and in powers at their peak."""

    usual: float
    peak: float


def without_training(heat: HeatModel, packed: Packed, x: int, leaks: Leaks) -> Side:
    """A cluster that only serves applications; its choices are its operating points."""
    watts = heat.watts[x]
    busy = packed.used > 0
    core_w = packed.hottest * watts.dynamic + leaks.usual * watts.leakage
    cores_w = packed.active * watts.dynamic + leaks.usual * packed.used * watts.leakage
    cores_w += watts.idle * (watts.cores - packed.used)
    shared_w = np.where(busy, watts.shared, watts.idle_shared)
    hottest_w = np.where(busy, core_w, watts.idle)
    extra_w = (leaks.peak - leaks.usual) * packed.used * watts.leakage
    points = np.arange(len(watts.dynamic))
    return _side(heat, x, packed.served, hottest_w, cores_w, shared_w, extra_w, points)


def with_training(
    heat: HeatModel, packed: Packed, x: int, table: ModeTable, modes: Ints, leaks: Leaks
) -> Side:
    """A cluster that trains too, in one of these modes of its, on cores that nobody else uses."""
    watts = heat.watts[x]
    opp, cores = table.opp[modes], table.cores[modes]
    used, dynamic_w, leak_w = packed.used[:, opp], watts.dynamic[opp], watts.leakage[opp]
    shared_w = watts.shared[opp]
    train_w = table.mean_w[modes] - shared_w + (leaks.usual - 1.0) * cores * leak_w
    cores_w = packed.active[:, opp] * dynamic_w + leaks.usual * used * leak_w + train_w
    cores_w += watts.idle * (watts.cores - used - cores)
    core_w = np.where(used > 0, packed.hottest[:, opp] * dynamic_w + leaks.usual * leak_w, 0.0)
    hottest_w = np.maximum(core_w, train_w / cores)
    fits = packed.served[:, opp] & (used + cores <= watts.cores)
    extra_w = table.peak_w[modes] - table.mean_w[modes]
    extra_w = extra_w + (leaks.peak - leaks.usual) * (used + cores) * leak_w
    return _side(heat, x, fits, hottest_w, cores_w, shared_w, extra_w, opp)


def accelerated(heat: HeatModel, table: ModeTable, modes: Ints) -> Side:
    """An accelerator that trains in one of these modes of its."""
    rise = heat.reach.units[:, table.unit[modes]] * table.mean_w[modes]
    return Side(
        rise[:, None, :].astype(np.float32),
        table.mean_w[None, modes].astype(np.float32),
        table.peak_w[None, modes].astype(np.float32),
        table.opp[modes],
    )


def _side(
    heat: HeatModel,
    x: int,
    possible: Flags,
    hottest_w: Floats,
    cores_w: Floats,
    shared_w: Floats,
    extra_w: Floats,
    opp: Ints,
) -> Side:
    reach = heat.reach
    total_w = (cores_w + shared_w).astype(np.float32)
    cores, shared = cores_w.astype(np.float32), np.asarray(shared_w, dtype=np.float32)
    units, common = reach.units[:, x].astype(np.float32), reach.shared.astype(np.float32)
    rise = units[:, None, None] * cores + common[:, None, None] * shared
    rise[x] += np.float32(reach.hot[x]) * hottest_w.astype(np.float32)
    rise[x][~possible] = np.inf
    return Side(rise, total_w, total_w + extra_w.astype(np.float32), opp)
