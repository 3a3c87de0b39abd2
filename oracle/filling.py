"""The runs that a recorded scenario lacks, filled in by a model of those that it has.

Speed and temperature come from `traces.fill_model`; accesses to the L2 cache per instruction are
those measured on the same cluster, and cores are as busy as in the nearest run. A point at which
the model sees the board as hot as where its kernel throttles, and one above a point where a run was
throttled, is left out like a throttled run: nobody could measure there either.
"""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from oracle.coverage import Axes
from oracle.demonstrations import Scenario
from oracle.labels import Sweep
from platforms.board import Board
from platforms.errors import InvalidInput
from traces.fill_model import FEWEST_CLOCKS, Doubt, FillModel, Predicted, Runs

Index = NDArray[np.int64]


def fill(board: Board, scenario: Scenario, axes: Axes) -> tuple[Scenario, Doubt]:
    """The scenario with every run on the grid's `axes`, and the model's error at left-out runs.

    Measured runs stay as they are; `Scenario.modelled` says which are not measured. Raises
    InvalidInput where a free core's cluster was measured at too few of its clocks.
    """
    measured = np.argwhere(np.isfinite(scenario.sweep.rate_ips))
    holes = _holes(scenario, axes)
    if not len(holes) or not len(measured):
        return scenario, Doubt(0.0, 0.0)
    at = tuple(measured.T)
    model = FillModel(
        board,
        Runs(
            measured[:, 0],
            measured[:, 1:],
            scenario.sweep.rate_ips[at],
            scenario.sweep.temp_c[at],
        ),
    )
    _check(board, scenario, model, holes)
    seen = model.predict(holes[:, 0], holes[:, 1:])
    held = _is_cool(board, seen)
    return _with(board, scenario, measured, holes[held], _only(seen, held)), model.doubt


def _holes(scenario: Scenario, axes: Axes) -> Index:
    """(N, 1 + clusters): core and points of the runs that were not made.

    Without those above a point where a run on the same core was throttled.
    """
    lacking = np.zeros(scenario.sweep.rate_ips.shape, dtype=bool)
    free = np.flatnonzero(~scenario.sweep.occupied)
    lacking[np.ix_(free, *(np.array(axis) for axis in axes))] = True
    holes = np.argwhere(lacking & ~np.isfinite(scenario.sweep.rate_ips) & ~scenario.throttled)
    held = np.ones(len(holes), dtype=bool)
    for throttled in np.argwhere(scenario.throttled):
        same_core = holes[:, 0] == throttled[0]
        held &= ~(same_core & (holes[:, 1:] >= throttled[1:]).all(axis=1))
    return holes[held]


def _check(board: Board, scenario: Scenario, model: FillModel, holes: Index) -> None:
    for cluster in np.unique(np.array(board.cluster_of_core)[holes[:, 0]]).tolist():
        if cluster not in model.clusters:
            raise InvalidInput(
                f"scenario {scenario.number} ({scenario.application}) must have runs at "
                f"{FEWEST_CLOCKS} clocks or more on a core of cluster "
                f"{board.clusters[cluster].name} for a model to fill in the others (it has "
                "fewer); record some there"
            )


def _is_cool(board: Board, seen: Predicted) -> NDArray[np.bool_]:
    """Where the kernel would not throttle."""
    limit_c = np.inf if board.protection is None else board.protection.target_c
    return seen.temp_c < limit_c


def _only(seen: Predicted, keep: NDArray[np.bool_]) -> Predicted:
    return Predicted(seen.rate_ips[keep], seen.temp_c[keep])


def _with(
    board: Board, scenario: Scenario, measured: Index, filled: Index, seen: Predicted
) -> Scenario:
    at = tuple(filled.T)
    rate_ips, temp_c = scenario.sweep.rate_ips.copy(), scenario.sweep.temp_c.copy()
    l2d_per_s, utilisation = scenario.l2d_per_s.copy(), scenario.core_utilisation.copy()
    modelled = np.zeros(rate_ips.shape, dtype=bool)
    rate_ips[at], temp_c[at], modelled[at] = seen.rate_ips, seen.temp_c, True
    l2d_per_s[at] = seen.rate_ips * _l2d_per_instruction(board, scenario, measured, filled)
    utilisation[at] = _utilisation(board, scenario, measured, filled)
    return replace(
        scenario,
        sweep=Sweep(rate_ips, temp_c, scenario.sweep.occupied),
        l2d_per_s=l2d_per_s,
        core_utilisation=utilisation,
        modelled=modelled,
    )


def _l2d_per_instruction(
    board: Board, scenario: Scenario, measured: Index, filled: Index
) -> NDArray[np.float64]:
    """Of each filled run: the mean of the measured ones on its cluster."""
    owner, at = np.array(board.cluster_of_core), tuple(measured.T)
    each = scenario.l2d_per_s[at] / scenario.sweep.rate_ips[at]
    per_cluster = np.array(
        [
            each[owner[measured[:, 0]] == cluster].mean()
            if (owner[measured[:, 0]] == cluster).any()
            else np.nan
            for cluster in range(len(board.clusters))
        ]
    )
    found: NDArray[np.float64] = per_cluster[owner[filled[:, 0]]]
    return found


def _utilisation(
    board: Board, scenario: Scenario, measured: Index, filled: Index
) -> NDArray[np.float64]:
    """(N, cores): of the nearest measured run on the same core, or else on one of its cluster.

    There the two cores change their parts.
    """
    owner = np.array(board.cluster_of_core)
    found = np.empty((len(filled), board.core_count))
    for core in np.unique(filled[:, 0]).tolist():
        rows = np.flatnonzero(filled[:, 0] == core)
        near = measured[measured[:, 0] == core]
        if not len(near):
            near = measured[owner[measured[:, 0]] == owner[core]]
        steps = np.abs(filled[rows, None, 1:] - near[None, :, 1:]).sum(axis=2)
        nearest = near[steps.argmin(axis=1)]
        values = scenario.core_utilisation[tuple(nearest.T)]
        places = np.arange(len(rows))
        own, other = values[places, nearest[:, 0]].copy(), values[:, core].copy()
        values[places, nearest[:, 0]], values[:, core] = other, own
        found[rows] = values
    return found
