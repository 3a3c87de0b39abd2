"""From traces to demonstrations: scenarios as a policy sees them, with the oracle's labels.

No new measurement is made: targets of the application of interest and demands of the background are
swept offline over what was recorded (TOP-IL's extraction). Every demand yields one demonstration
for every core where the application of interest may be now.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pyarrow as pa
from msgspec import Struct, structs
from numpy.typing import NDArray

from oracle.labels import FEASIBLE, OCCUPIED, Choices, Sweep, choose, soft_labels
from platforms.board import Board
from rm.features import row, table
from traces.store import arrow_schema


class OracleParameters(Struct, frozen=True, kw_only=True):
    """What the paper leaves open, as parameters.

    `alpha_per_k`: steepness of the soft labels. `unreachable`, `occupied`: labels of cores that
    cannot meet the target or run something else. `current`: demonstrate from every free core, or
    only from those where the target is met (a policy must also know its way out of the others).
    `targets` and `demands`: how many QoS targets times background demands to draw per scenario;
    targets between `lowest_target` and 1 of the best rate measured.
    """

    alpha_per_k: float = 1.0
    unreachable: float = -1.0
    occupied: float = 0.0
    current: Literal["free", "feasible"] = "free"
    targets: int = 6
    demands: int = 12
    lowest_target: float = 0.1
    seed: int = 0


@dataclass(frozen=True)
class Scenario:
    """All runs of one recorded scenario, the per-run arrays indexed like `Sweep`.

    `core_utilisation` has one axis more at the end: the cores that are busy.
    """

    number: int
    application: str
    background: tuple[str, ...]
    background_cores: tuple[int, ...]
    sweep: Sweep
    l2d_per_s: NDArray[np.float64]
    core_utilisation: NDArray[np.float64]


@dataclass(frozen=True)
class Extracted:
    """Demonstrations, and how many demands no core could meet (they yield none)."""

    rows: list[dict[str, Any]]
    demands: int
    infeasible: int


def contradictions(traces: pa.Table) -> Iterator[str]:
    """What forbids to take sound traces for sweeps, as ``what requirement (got value)``.

    Two recordings laid end to end are like that: both have a scenario 0.
    """
    seen: dict[int, list[Any]] = {}
    places: set[tuple[Any, ...]] = set()
    names = ("scenario", "application", "background", "background_cores")
    columns = (traces[name].to_pylist() for name in (*names, "application_core", "opp_index"))
    for index, (number, *pinned, core, opps) in enumerate(zip(*columns, strict=True)):
        application, background, background_cores = pinned
        if seen.setdefault(number, pinned) != pinned:
            yield (
                f"scenario {number} must be one application among the same others on the same "
                f"cores (got {application} among {background} on {background_cores} in row {index})"
            )
        if core in background_cores:
            yield f"application_core must be none of background_cores (got {core} in row {index})"
        if (place := (number, core, *opps)) in places:
            yield (
                f"scenario {number} must have a core at some operating points once "
                f"(got core {core} at {opps} again in row {index})"
            )
        places.add(place)


def scenarios(board: Board, traces: pa.Table) -> Iterator[Scenario]:
    """The recorded scenarios, one by one, in order of their number."""
    numbers = traces.column("scenario").to_numpy()
    columns = {name: traces.column(name) for name in traces.column_names}
    order = np.argsort(numbers, kind="stable")
    for indices in np.split(order, np.flatnonzero(np.diff(numbers[order])) + 1):
        runs = {name: column.take(indices).to_pylist() for name, column in columns.items()}
        yield _scenario(board, runs)


def _scenario(board: Board, runs: dict[str, list[Any]]) -> Scenario:
    shape = (board.core_count, *(len(cluster.opps) for cluster in board.clusters))
    grids = {name: np.full(shape, np.nan) for name in ("rate_ips", "temp_c", "l2d_per_s")}
    grids["core_utilisation"] = np.full((*shape, board.core_count), np.nan)
    measured = [not throttled for throttled in runs["throttled"]]
    places = list(zip(runs["application_core"], runs["opp_index"], strict=True))
    for name, grid in grids.items():
        for (core, opps), value, good in zip(places, runs[name], measured, strict=True):
            if good:
                grid[(core, *opps)] = value
    occupied = np.zeros(board.core_count, dtype=bool)
    occupied[runs["background_cores"][0]] = True
    return Scenario(
        runs["scenario"][0],
        runs["application"][0],
        tuple(runs["background"][0]),
        tuple(runs["background_cores"][0]),
        Sweep(grids["rate_ips"], grids["temp_c"], occupied),
        grids["l2d_per_s"],
        grids["core_utilisation"],
    )


def extract(board: Board, scenario: Scenario, parameters: OracleParameters) -> Extracted:
    """The demonstrations of one scenario; they depend on the seed and on it alone."""
    rng = np.random.default_rng([parameters.seed, scenario.number])
    count = parameters.targets * parameters.demands
    if not np.isfinite(scenario.sweep.rate_ips).any():  # every run was throttled
        return Extracted([], count, count)
    best_ips = float(np.nanmax(scenario.sweep.rate_ips))
    target_ips = best_ips * rng.uniform(parameters.lowest_target, 1.0, size=count)
    background_opp, background_hz = _background(board, scenario, count, rng)
    choices = choose(
        scenario.sweep,
        board.cluster_of_core,
        target_ips=target_ips,
        background_opp=background_opp,
    )
    labels = soft_labels(
        choices.temp_c,
        choices.status,
        alpha_per_k=parameters.alpha_per_k,
        unreachable=parameters.unreachable,
        occupied=parameters.occupied,
    )
    solvable = (choices.status == FEASIBLE).any(axis=1)
    rows = []
    for demand in np.flatnonzero(solvable):
        for core in np.flatnonzero(_current_cores(choices.status[demand], parameters)):
            features = _features(
                board,
                scenario,
                choices,
                int(demand),
                int(core),
                float(target_ips[demand]),
                background_hz[demand],
            )
            if features is not None:
                rows.append(
                    {
                        "scenario": scenario.number,
                        "application": scenario.application,
                        "background": list(scenario.background),
                        "features": features,
                        "labels": labels[demand].tolist(),
                        "temp_c": choices.temp_c[demand].tolist(),
                        "status": choices.status[demand].tolist(),
                    }
                )
    return Extracted(rows, count, int((~solvable).sum()))


def _background(
    board: Board, scenario: Scenario, count: int, rng: np.random.Generator
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Draw what the background demands per cluster: an operating point, and a frequency below it.

    A demand that needs point i lies anywhere between the points i-1 and i; a cluster without
    background demands nothing. Only points of the recorded grid are drawn.
    """
    busy = {board.cluster_of_core[core] for core in scenario.background_cores}
    opps = np.zeros((count, len(board.clusters)), dtype=np.int64)
    hz = np.zeros((count, len(board.clusters)))
    for index, cluster in enumerate(board.clusters):
        other_axes = tuple(i for i in range(scenario.sweep.temp_c.ndim) if i != index + 1)
        recorded = np.flatnonzero(np.isfinite(scenario.sweep.temp_c).any(axis=other_axes))
        opps[:, index] = recorded[0]
        if index not in busy:
            continue
        drawn = rng.integers(0, len(recorded), size=count)
        opps[:, index] = recorded[drawn]
        freqs = np.array([0.0, *(cluster.freqs_hz[i] for i in recorded)])
        hz[:, index] = rng.uniform(freqs[drawn], freqs[drawn + 1])
    return opps, hz


def _current_cores(status: NDArray[np.int8], parameters: OracleParameters) -> NDArray[np.bool_]:
    feasible_only = parameters.current == "feasible"
    cores: NDArray[np.bool_] = status == FEASIBLE if feasible_only else status != OCCUPIED
    return cores


def _features(
    board: Board,
    scenario: Scenario,
    choices: Choices,
    demand: int,
    core: int,
    target_ips: float,
    background_hz: NDArray[np.float64],
) -> list[float] | None:
    """What the governor would see with the application on `core`; None if not recorded."""
    opps = choices.opp_index[demand, core]
    place = (core, *opps)
    if np.isnan(scenario.sweep.rate_ips[place]):
        return None
    freqs_hz = [c.freqs_hz[opp] for c, opp in zip(board.clusters, opps, strict=True)]
    return row(
        rate_ips=float(scenario.sweep.rate_ips[place]),
        l2d_per_s=float(scenario.l2d_per_s[place]),
        cores=(int(core),),
        target_ips=float(target_ips),
        others_freq_ratio=[float(h / f) for h, f in zip(background_hz, freqs_hz, strict=True)],
        utilisation=scenario.core_utilisation[place].tolist(),
    )


def to_table(board: Board, rows: list[dict[str, Any]]) -> pa.Table:
    """The demonstrations as a table of kind "demonstrations"."""
    cores = board.core_count
    lengths = {"features": len(table(board)), "labels": cores, "temp_c": cores, "status": cores}
    return pa.Table.from_pylist(rows, schema=arrow_schema("demonstrations", lengths=lengths))


def metadata(board: Board, cooling: str, parameters: OracleParameters) -> dict[str, Any]:
    """The metadata of a demonstrations file."""
    return {
        "board": board.name,
        "cooling": cooling,
        "features": [structs.asdict(feature) for feature in table(board)],
        "outputs": list(board.core_names),
        "oracle": structs.asdict(parameters),
    }
