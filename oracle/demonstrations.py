"""From traces to demonstrations: scenarios as a policy sees them, with the oracle's labels.

No new measurement is made: targets of the application of interest and demands of the background are
swept offline over what was recorded (TOP-IL's extraction). Every demand yields one demonstration
for every core where the application of interest may be now.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import numpy as np
import pyarrow as pa
from msgspec import Struct, structs
from numpy.typing import NDArray

from oracle.labels import FEASIBLE, OCCUPIED, Sweep, choose, soft_labels
from platforms.board import Board
from rm.features import row, table
from traces.schema import board_digest
from traces.store import arrow_schema


class OracleParameters(Struct, frozen=True, kw_only=True):
    """What the paper leaves open, as parameters.

    `alpha_per_k`: steepness of the soft labels. `unreachable`, `occupied`: labels of cores that
    cannot meet the target or run something else. `current`: demonstrate from every free core, or
    only from those where the target is met (a policy must also know its way out of the others).
    `targets` and `demands`: how many QoS targets times background demands to draw per scenario;
    targets, in logarithm, evenly between `lowest_target` and 1 of the best rate measured.

    A governor rarely sees the operating points where its DVFS loop would settle: after an arrival,
    a migration or a change of phase they lie above or below. So a share `unsettled` of the
    demonstrations shows each cluster up to `unsettled_points` operating points away (the label does
    not change: it says where to be, not how fast the clocks happen to run). 0 gives the paper's.
    """

    alpha_per_k: float = 1.0
    unreachable: float = -1.0
    occupied: float = 0.0
    current: Literal["free", "feasible"] = "free"
    targets: int = 6
    demands: int = 12
    lowest_target: float = 0.1
    unsettled: float = 0.5
    unsettled_points: int = 3
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

    @cached_property
    def _recorded_opps(self) -> tuple[NDArray[np.int64], ...]:
        finite = np.isfinite(self.sweep.temp_c)
        axes = range(1, finite.ndim)
        others = [tuple(i for i in range(finite.ndim) if i != axis) for axis in axes]
        return tuple(np.flatnonzero(finite.any(axis=axis)) for axis in others)

    def recorded_opps(self, cluster: int) -> NDArray[np.int64]:
        """The operating points of a cluster that were recorded, lowest first."""
        return self._recorded_opps[cluster]


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
    lowest = np.log(parameters.lowest_target)
    target_ips = best_ips * np.exp(rng.uniform(lowest, 0.0, size=count))
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
            settled = tuple(choices.opp_index[demand, core].tolist())
            present = _present_opps(scenario, int(core), settled, parameters, rng)
            if present is not None:
                place = (int(core), *present)
                target, others_hz = float(target_ips[demand]), background_hz[demand]
                features = _features(board, scenario, place, target, others_hz)
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
        recorded = scenario.recorded_opps(index)
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


def _present_opps(
    scenario: Scenario,
    core: int,
    settled: tuple[int, ...],
    parameters: OracleParameters,
    rng: np.random.Generator,
) -> tuple[int, ...] | None:
    """The operating points that a demonstration shows; None where nothing was recorded for it."""
    rate_ips = scenario.sweep.rate_ips[core]
    if rng.random() < parameters.unsettled:
        away = tuple(
            _neighbour(scenario.recorded_opps(cluster), opp, parameters.unsettled_points, rng)
            for cluster, opp in enumerate(settled)
        )
        if np.isfinite(rate_ips[away]):
            return away
    return settled if np.isfinite(rate_ips[settled]) else None


def _neighbour(recorded: NDArray[np.int64], opp: int, most: int, rng: np.random.Generator) -> int:
    """A recorded operating point at most `most` recorded points away from `opp`."""
    place = int(np.searchsorted(recorded, opp)) + int(rng.integers(-most, most + 1))
    return int(recorded[min(max(place, 0), len(recorded) - 1)])


def _features(
    board: Board,
    scenario: Scenario,
    place: tuple[int, ...],
    target_ips: float,
    background_hz: NDArray[np.float64],
) -> list[float]:
    """What the governor would see at `place`: the core of interest, then a point per cluster."""
    core, *opps = place
    freqs_hz = board.freqs_hz_at(opps)
    return row(
        rate_ips=float(scenario.sweep.rate_ips[place]),
        l2d_per_s=float(scenario.l2d_per_s[place]),
        cores=(core,),
        target_ips=target_ips,
        others_freq_ratio=[float(h / f) for h, f in zip(background_hz, freqs_hz, strict=True)],
        utilisation=scenario.core_utilisation[place].tolist(),
    )


def to_table(board: Board, rows: list[dict[str, Any]]) -> pa.Table:
    """The demonstrations as a table of kind "demonstrations"."""
    cores = board.core_count
    lengths = {"features": len(table(board)), "labels": cores, "temp_c": cores, "status": cores}
    return pa.Table.from_pylist(rows, schema=arrow_schema("demonstrations", lengths=lengths))


def metadata(
    board: Board,
    cooling: str,
    parameters: OracleParameters,
    *,
    pools: Sequence[Sequence[str]] = (),
) -> dict[str, Any]:
    """The metadata of a demonstrations file; `pools` are those of the traces."""
    return {
        "board": board.name,
        "board_sha256": board_digest(board),
        "cooling": cooling,
        "features": [structs.asdict(feature) for feature in table(board)],
        "outputs": list(board.core_names),
        "oracle": structs.asdict(parameters),
        "pools": pools,
    }
