"""How hot decisions are: at least, whatever the seats within clusters, and exactly, with seats."""

import itertools
from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from oracle.training.exact import Outcomes
from oracle.training.facts import Facts
from platforms.board import RUNAWAY_C

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

CLIMBS = 4
"""Times that a lower bound's leakage follows its temperature; each is still a lower bound."""

PASSES = 60
PRECISION_K = 1e-7


class Seated(NamedTuple):
    """The best seats of one decision: the core of every slot (x, g), and what comes of them."""

    core: tuple[tuple[int, ...], ...]
    peak_c: float
    power_w: float


class Warmth:
    """Temperatures of a board under one cooling setup, from what its cores take."""

    def __init__(self, facts: Facts) -> None:
        """Look the least and the true resistances up."""
        self._facts = facts
        power, rise = facts.models.power, facts.rise
        self._nodes = power.core_nodes
        clusters = [self._nodes[list(cores)] for cores in facts.clusters]
        accelerators = range(len(facts.models.board.compute_accelerators))
        self._accelerators = [facts.node_of(index) for index in accelerators]
        self.base = np.array([facts.base_c[nodes].min() for nodes in clusters])
        own = np.array([rise[nodes, nodes].min() for nodes in clusters])
        self.units = np.array([[_least(rise, a, b) for b in clusters] for a in clusters])
        self.hot = np.maximum(0.0, own - self.units.diagonal())
        self.shared = np.array([rise[nodes, power.cluster_node].min() for nodes in clusters])
        self.accelerators = np.array(
            [[rise[nodes, at].min() for at in self._accelerators] for nodes in clusters]
        ).reshape(len(clusters), len(self._accelerators))

    def at_least(self, of: Outcomes) -> Floats:
        """The hottest core at least, (N,)."""
        known = of.shared_w[:, None] * self.shared + of.accelerator_w @ self.accelerators.T
        known = known + self.base
        leaks = self._facts.leaks(np.broadcast_to(self.base, known.shape))
        for _ in range(CLIMBS):
            core_w = of.fixed_w + leaks[:, :, None] * of.leakage_w
            cool = known + core_w.sum(axis=2) @ self.units.T
            leaks = self._facts.leaks(cool)
        core_w = of.fixed_w + leaks[:, :, None] * of.leakage_w
        warm = known + core_w.sum(axis=2) @ self.units.T + self.hot * core_w.max(axis=2)
        hottest: Floats = warm.max(axis=1)
        return hottest

    def seat(self, of: Outcomes, row: int) -> list[Seated]:
        """All seats of a decision that differ, the coolest first; infinite at thermal runaway."""
        slots = [self._orders(of, row, x) for x in range(len(self._facts.clusters))]
        choices = list(itertools.product(*slots))
        cores = len(self._nodes)
        fixed, leakage = np.zeros((len(choices), cores)), np.zeros((len(choices), cores))
        for number, choice in enumerate(choices):
            for x, order in enumerate(choice):
                fixed[number, list(order)] = of.fixed_w[row, x, : len(order)]
                leakage[number, list(order)] = of.leakage_w[row, x, : len(order)]
        temp_c, leaking_w = self._settled(of, row, fixed, leakage)
        beside_w = float(of.shared_w[row] + of.accelerator_w[row].sum())
        found = [
            Seated(choice, float(temp_c[n]), float(fixed[n].sum() + leaking_w[n]) + beside_w)
            for n, choice in enumerate(choices)
        ]
        return sorted(found, key=lambda seated: seated.peak_c)

    def _orders(self, of: Outcomes, row: int, x: int) -> list[tuple[int, ...]]:
        """The cores of a cluster's slots in all ways that differ in what cores take."""
        cores = self._facts.clusters[x]
        takes = list(zip(of.fixed_w[row, x].tolist(), of.leakage_w[row, x].tolist(), strict=True))
        seen: dict[tuple[tuple[float, float], ...], tuple[int, ...]] = {}
        for order in itertools.permutations(cores):
            by_core = sorted(zip(order, takes, strict=False))
            seen.setdefault(tuple(take for _, take in by_core), order)
        return list(seen.values())

    def _settled(
        self, of: Outcomes, row: int, fixed: Floats, leakage: Floats
    ) -> tuple[Floats, Floats]:
        """The hottest place and the leakage, from below to the lowest state that feeds itself."""
        rise, nodes = self._facts.rise, self._nodes
        places = [*nodes.tolist(), *self._heated(of, row)]
        known = self._facts.base_c[places] + of.shared_w[row] * rise[places, self._shared_node]
        for index, at in enumerate(self._accelerators):
            known = known + of.accelerator_w[row, index] * rise[places, at]
        to_places, to_cores = rise[np.ix_(places, nodes)], rise[np.ix_(nodes, nodes)]
        cool = known[: len(nodes)] + fixed @ to_cores.T
        temp_c = cool
        for _ in range(PASSES):
            warmer = cool + (leakage * self._facts.leaks(temp_c)) @ to_cores.T
            change = float(np.abs(warmer - temp_c).max(initial=0.0))
            temp_c = np.minimum(warmer, 2.0 * RUNAWAY_C)
            if change < PRECISION_K:
                break
        leaking_w = leakage * self._facts.leaks(temp_c)
        hottest = (known + (fixed + leaking_w) @ to_places.T).max(axis=1)
        return np.where(hottest > RUNAWAY_C, np.inf, hottest), leaking_w.sum(axis=1)

    def _heated(self, of: Outcomes, row: int) -> list[int]:
        """The nodes of the accelerators that train."""
        takes = of.accelerator_w[row]
        return [at for index, at in enumerate(self._accelerators) if takes[index] > 0.0]

    @cached_property
    def _shared_node(self) -> int:
        return self._facts.models.power.cluster_node


def _least(rise: Floats, mine: Ints, theirs: Ints) -> float:
    """The least rise of one of these nodes per watt in one of those, another where possible."""
    block = rise[np.ix_(mine, theirs)]
    if len(mine) > 1 and np.array_equal(mine, theirs):
        block = block[~np.eye(len(mine), dtype=bool)]
    return float(block.min())
