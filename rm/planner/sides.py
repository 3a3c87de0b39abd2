"""What one unit, a cluster or an accelerator, adds to everybody's temperature and to the power."""

from dataclasses import dataclass

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
    set is not served. `watts` (B, M) is what the unit takes, `extra_w` what training takes more at
    its peak. All are without leakage: at its reference it adds `leaking` (rows, B, M) kelvin and
    `leakage_w` (B, M). `opp` (M,) is the operating point of a choice.
    """

    rise: Singles
    leaking: Singles
    watts: Singles
    leakage_w: Singles
    extra_w: Singles
    opp: Ints

    def warm(self, row: int, sets: Ints, leaks: float) -> Singles:
        """What some of the sets add to a row of the heat model, with so much leakage."""
        chosen = self._sets(sets)
        warm: Singles = self.rise[row, chosen] + np.float32(leaks) * self.leaking[row, chosen]
        return warm

    def takes(self, sets: Ints, leaks: float) -> Singles:
        """What some of the sets take, in watts."""
        chosen = self._sets(sets)
        takes: Singles = self.watts[chosen] + np.float32(leaks) * self.leakage_w[chosen]
        return takes

    def takes_at_peak(self, sets: Ints, leaks: float) -> Singles:
        """The same with training at its peak."""
        peak_w: Singles = self.takes(sets, leaks) + self.extra_w
        return peak_w

    def coolest(self, leaks: float) -> Singles:
        """What each set adds at least, (rows, B)."""
        least: Singles = (self.rise + np.float32(leaks) * self.leaking).min(axis=2)
        return least

    def undominated(self) -> "Side":
        """Without the choices that some other one is never worse than, in any set."""
        keys = np.concatenate([self.rise, self.leaking, self.watts[None], self.leakage_w[None]])
        no_worse = (keys[:, :, :, None] <= keys[:, :, None, :]).all(axis=(0, 1))
        same = (keys[:, :, :, None] == keys[:, :, None, :]).all(axis=(0, 1))
        earlier = np.triu(np.ones(no_worse.shape, dtype=bool), k=1)
        kept = ~(no_worse & (~same | earlier)).any(axis=0)
        return Side(
            self.rise[:, :, kept],
            self.leaking[:, :, kept],
            self.watts[:, kept],
            self.leakage_w[:, kept],
            self.extra_w[kept] if len(self.extra_w) > 1 else self.extra_w,
            self.opp[kept],
        )

    def _sets(self, sets: Ints) -> Ints | slice:
        return sets if len(self.watts) > 1 else slice(None)


def without_training(heat: HeatModel, packed: Packed, x: int) -> Side:
    """A cluster that only serves applications; its choices are its operating points."""
    watts = heat.watts[x]
    busy, dynamic_w, leakage_w = packed.used > 0, _single(watts.dynamic), _single(watts.leakage)
    idle, idle_shared = np.float32(watts.idle), np.float32(watts.idle_shared)
    return _side(
        heat,
        x,
        packed.served,
        hottest_w=np.where(busy, packed.hottest * dynamic_w, idle),
        hottest_leaks_w=busy * leakage_w,
        cores_w=packed.active * dynamic_w + idle * (watts.cores - packed.used),
        leakage_w=packed.used * leakage_w,
        shared_w=np.where(busy, _single(watts.shared), idle_shared),
        extra_w=np.zeros(1),
        opp=np.arange(len(watts.dynamic)),
    )


def with_training(heat: HeatModel, packed: Packed, x: int, table: ModeTable, modes: Ints) -> Side:
    """A cluster that trains too, in one of these modes of its, on cores that nobody else uses."""
    watts, opp, cores = heat.watts[x], table.opp[modes], table.cores[modes]
    there = packed.at(opp)
    dynamic_w, leakage_w = watts.dynamic[opp], watts.leakage[opp]
    train_w = table.mean_w[modes] - watts.shared[opp] - cores * leakage_w
    awake = there.used + cores.astype(np.float32)
    cores_w = there.active * _single(dynamic_w) + _single(train_w)
    cores_w += np.float32(watts.idle) * (watts.cores - awake)
    return _side(
        heat,
        x,
        there.served & (awake <= watts.cores),
        hottest_w=np.maximum(there.hottest * _single(dynamic_w), _single(train_w / cores)),
        hottest_leaks_w=leakage_w,
        cores_w=cores_w,
        leakage_w=awake * _single(leakage_w),
        shared_w=watts.shared[opp],
        extra_w=table.peak_w[modes] - table.mean_w[modes],
        opp=opp,
    )


def accelerated(heat: HeatModel, table: ModeTable, modes: Ints) -> Side:
    """An accelerator that trains in one of these modes of its; leakage is in its power."""
    rise = (heat.reach.units[:, table.unit[modes]] * table.mean_w[modes])[:, None, :]
    mean_w = table.mean_w[None, modes]
    extra_w = table.peak_w[modes] - table.mean_w[modes]
    none = np.zeros_like(rise, dtype=np.float32)
    return Side(
        rise.astype(np.float32),
        none,
        mean_w.astype(np.float32),
        none[0],
        extra_w.astype(np.float32),
        table.opp[modes],
    )


def _single(values: Floats | Singles) -> Singles:
    return values.astype(np.float32)


def _side(
    heat: HeatModel,
    x: int,
    possible: Flags,
    *,
    hottest_w: Singles,
    hottest_leaks_w: Singles | Floats,
    cores_w: Singles,
    leakage_w: Singles,
    shared_w: Singles | Floats,
    extra_w: Floats,
    opp: Ints,
) -> Side:
    reach, shared = heat.reach, _single(shared_w)
    units, common = _single(reach.units[:, x]), _single(reach.shared)
    hot = np.float32(reach.hot[x])
    rise = units[:, None, None] * cores_w + common[:, None, None] * shared
    rise[x] += hot * hottest_w
    np.copyto(rise[x], np.float32(np.inf), where=~possible)
    leaking = units[:, None, None] * leakage_w
    leaking[x] += hot * _single(hottest_leaks_w)
    return Side(rise, leaking, cores_w + shared, leakage_w, _single(extra_w), opp)
