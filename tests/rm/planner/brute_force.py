"""Every plan one by one, in plain Python, for the tests alone: it knows nothing of the search."""

import itertools
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from rm.mapping.demand import MARGIN
from rm.planner.foreground import Needs
from rm.planner.heat import HeatModel
from rm.planner.mode_table import ModeTable


class Tried(NamedTuple):
    """One plan that serves the foreground; power at its peak has the leakage of the limit."""

    mode: int | None
    cluster: tuple[int, ...]
    opp_index: tuple[int, ...]
    temp_c: float
    power_w: float
    peak_w: float


def every(
    heat: HeatModel, asked: Needs, table: ModeTable, modes: Sequence[int | None], leak_c: float
) -> Iterator[Tried]:
    """All plans in some modes; temperatures with their own leakage, at most that of `leak_c`."""
    clusters = range(len(heat.watts))
    for cluster in itertools.product(clusters, repeat=asked.movable):
        for opps in itertools.product(
            *(range(asked.lowest[x], asked.highest[x] + 1) for x in clusters)
        ):
            cores = [_cores(asked, cluster, x, opps[x]) for x in clusters]
            for mode in modes if None not in cores else ():
                busy = [list(core or ()) for core in cores]
                x = -1 if mode is None else int(table.unit[mode])
                if mode is not None and x in clusters:
                    if opps[x] != table.opp[mode]:
                        continue
                    busy[x] += [-1.0] * int(table.cores[mode])
                if all(len(on) <= heat.watts[y].cores for y, on in enumerate(busy)):
                    temp_c, power_w, peak_w = _at(heat, table, mode, opps, busy, leak_c)
                    while temp_c < leak_c:
                        before = temp_c
                        temp_c, power_w, _ = _at(heat, table, mode, opps, busy, before)
                        if before - temp_c < 1e-6:
                            break
                    yield Tried(mode, cluster, opps, temp_c, power_w, peak_w)


def _cores(asked: Needs, cluster: Sequence[int], x: int, opp: int) -> list[float] | None:
    """The activity of every core in use, None where somebody is not served."""
    speed = asked.demand.served[x][:, opp] / (1.0 + MARGIN)
    cores: list[list[int]] = []
    for k in sorted((k for k, y in enumerate(cluster) if y == x), key=lambda k: float(speed[k])):
        if not cores or len(cores[-1]) >= int(speed[cores[-1][0]]):
            cores.append([])
        cores[-1].append(k)
    served = all(len(core) <= speed[k] for core in cores for k in core)
    return [float(asked.active[x][core, opp].mean()) for core in cores] if served else None


def _at(
    heat: HeatModel,
    table: ModeTable,
    mode: int | None,
    opps: Sequence[int],
    busy: Sequence[Sequence[float]],
    leak_c: float,
) -> tuple[float, float, float]:
    """Hottest place, power, and power at its peak; cores in training have activity -1."""
    leaks, reach = heat.leaks(leak_c), heat.reach
    watts, shared, heated = [0.0] * len(reach.base_c), 0.0, [*range(len(opps))]
    hot = [0.0] * len(reach.base_c)
    for x, (on, o, its) in enumerate(zip(busy, opps, heat.watts, strict=True)):
        training = (
            0.0
            if mode is None
            else (table.mean_w[mode] - its.shared[o]) / max(table.cores[mode], 1)
        )
        cores = [training - its.leakage[o] if a < 0.0 else a * its.dynamic[o] for a in on]
        cores = [w + leaks * its.leakage[o] for w in cores] + [its.idle] * (its.cores - len(on))
        watts[x], hot[x] = sum(cores), reach.hot[x] * max(cores)
        shared += its.shared[o] if on else its.idle_shared
    if mode is not None and table.unit[mode] >= len(opps):
        heated.append(int(table.unit[mode]))
        watts[heated[-1]] = table.mean_w[mode]
    temps = [
        reach.base_c[y] + reach.shared[y] * shared + reach.units[y] @ watts + hot[y] for y in heated
    ]
    extra_w = 0.0 if mode is None else table.peak_w[mode] - table.mean_w[mode]
    return float(max(temps)), sum(watts) + shared, sum(watts) + shared + float(extra_w)
