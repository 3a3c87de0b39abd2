"""Skeletons of thermal networks to choose from: how many lumps lie between the cores and the air.

A board that nobody described starts with a chain of shared lumps (die, package, board) behind the
cores of each cluster, which stand in a row. Values are assumed, of the order of boards that were
fitted: they are only the prior, and the fit says which of them the data replaced.
"""

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from platforms.board import Thermal, ThermalLink, ThermalNode
from platforms.simulated.power import LeakageShape
from traces.calibration.thermal_data import ThermalData
from traces.calibration.thermal_fit import ThermalFit, fit_thermal
from traces.calibration.thermal_network import ThermalPlan

CORE_J_PER_K = 0.23
CORE_W_PER_K = (0.909, 0.667)
"""Outer and inner cores."""
NEIGHBOUR_W_PER_K = 0.15
SHARED_J_PER_K = {"die": 1.2, "package": 5.0, "board": 17.0}
SHARED_W_PER_K = 0.4

CHAINS = (("board",), ("die", "board"), ("die", "package", "board"))
"""The shared lumps of the structures to choose from, from the cores outwards."""


def chain_thermal(clusters: Sequence[tuple[str, Sequence[int]]], shared: Sequence[str]) -> Thermal:
    """A skeleton: every core on the first of the `shared` lumps, these in a chain to the air.

    >>> [node.name for node in chain_thermal([("big", (0, 1))], ("die", "board")).nodes]
    ['core0', 'core1', 'die', 'board']
    """
    nodes, links = [], []
    for _, cores in clusters:
        for place, core in enumerate(cores):
            inner = 0 < place < len(cores) - 1
            nodes.append(ThermalNode(name=f"core{core}", capacity_j_per_k=CORE_J_PER_K, core=core))
            links.append(_link(f"core{core}", shared[0], CORE_W_PER_K[inner]))
        for a, b in itertools.pairwise(cores):
            links.append(_link(f"core{a}", f"core{b}", NEIGHBOUR_W_PER_K))
    nodes += [ThermalNode(name=name, capacity_j_per_k=SHARED_J_PER_K[name]) for name in shared]
    links += [_link(a, b, SHARED_W_PER_K) for a, b in itertools.pairwise(shared)]
    return Thermal(
        nodes=tuple(nodes),
        links=tuple(links),
        ambient_node=shared[-1],
        cluster_node=shared[0],
        sources={
            "nodes.capacity_j_per_k": "assumed: of the order of fitted boards",
            "links.between": "assumed: a cluster's cores in a row, all on one die",
            "links.conductance_w_per_k": "assumed: of the order of fitted boards",
            "ambient_node": "assumed: all heat leaves through the last lump",
            "cluster_node": "assumed: the clusters' shared power is spread over the first lump",
        },
    )


def _link(a: str, b: str, conductance: float) -> ThermalLink:
    return ThermalLink(between=(a, b), conductance_w_per_k=conductance)


@dataclass(frozen=True)
class Candidate:
    """A structure that was tried: its fit to all runs, and its error on runs it had not seen.

    `held_out_k` is the root mean square over all readings of all held-out runs (K).
    """

    name: str
    fit: ThermalFit
    held_out_k: float


def choose_structure(
    plans: Sequence[tuple[str, ThermalPlan]],
    data: ThermalData,
    fold_of: Callable[[str], int],
    *,
    first_steps: int | None = None,
) -> tuple[Candidate, ...]:
    """The candidates, the best first: the least error on held-out runs decides.

    `fold_of` gives an application's fold; runs of a fold are predicted by a fit to all others, from
    a start that their first `first_steps` readings tell.
    """
    tried = [
        Candidate(
            name,
            fit_thermal(plan, data),
            root_mean_square(held_out_residuals(plan, data, fold_of, first_steps=first_steps)),
        )
        for name, plan in plans
    ]
    return tuple(sorted(tried, key=lambda candidate: candidate.held_out_k))


def held_out_residuals(
    plan: ThermalPlan,
    data: ThermalData,
    fold_of: Callable[[str], int],
    *,
    first_steps: int | None = None,
    shape: LeakageShape | None = None,
) -> dict[str, np.ndarray]:
    """Read minus predicted (steps x sensors, K) per run, each by a fit that never saw its fold.

    `shape` is how leakage follows temperature where power is modelled.
    """
    folds = [fold_of(run.application) for run in data.runs]
    found = {}
    for fold in sorted(set(folds)):
        fit = fit_thermal(plan, data.only([other != fold for other in folds]), shape=shape)
        for run, own in zip(data.runs, folds, strict=True):
            if own == fold:
                found[run.name] = fit.residuals(run, first_steps=first_steps)
    return found


def root_mean_square(residuals: dict[str, np.ndarray]) -> float:
    """Over all readings of all runs, K."""
    every = np.concatenate([values.ravel() for values in residuals.values()])
    return float(np.sqrt(np.nanmean(every**2)))
