"""From traces to demonstrations: scenarios as a policy sees them, with the oracle's labels.

No new measurement is made: targets of the application of interest and demands of the background are
swept offline over what was recorded (TOP-IL's extraction). Every demand yields one demonstration
for every core where the application of interest may be now.
"""

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Literal

import numpy as np
import pyarrow as pa
from msgspec import Struct, structs
from numpy.typing import NDArray

from oracle.labels import FEASIBLE, OCCUPIED, Choices, Sweep, choose, soft_labels
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


_BACKGROUND = ("background", "background_cores")

MEASURED = "measured"
"""A column of demonstrations beside those of `traces.schema`: `Extracted.measured`."""


@dataclass(frozen=True)
class Scenario:
    """All runs of one recorded scenario, the per-run arrays indexed like `Sweep`.

    `core_utilisation` has one axis more at the end: the cores that are busy. `throttled` runs were
    made, but are NaN in the others; `modelled` ones were not made, but filled in
    (`oracle.filling`).
    """

    number: int
    application: str
    background: tuple[str, ...]
    background_cores: tuple[int, ...]
    sweep: Sweep
    l2d_per_s: NDArray[np.float64]
    core_utilisation: NDArray[np.float64]
    throttled: NDArray[np.bool_]
    modelled: NDArray[np.bool_]

    @property
    def runs(self) -> int:
        """How many runs were made, throttled ones too."""
        seen = np.isfinite(self.sweep.rate_ips) & ~self.modelled
        return int(np.count_nonzero(seen | self.throttled))

    def without(self, cores: Sequence[int]) -> "Scenario":
        """The scenario as if these cores were occupied, their runs left out."""
        if not cores:
            return self
        closed = list(cores)
        rate_ips, temp_c = self.sweep.rate_ips.copy(), self.sweep.temp_c.copy()
        occupied, throttled = self.sweep.occupied.copy(), self.throttled.copy()
        rate_ips[closed], temp_c[closed] = np.nan, np.nan
        occupied[closed], throttled[closed] = True, False
        return replace(self, sweep=Sweep(rate_ips, temp_c, occupied), throttled=throttled)

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
    """One scenario's demonstrations, a row each; `infeasible` of its `demands` have none.

    `features` has shape (rows, features of `rm.features.table`), the others (rows, cores), and
    `measured` (rows,): of the runs that a demonstration rests on (the present one, and the one
    chosen for each free core) the share that was measured rather than modelled.
    """

    scenario: Scenario
    features: NDArray[np.float64]
    labels: NDArray[np.float64]
    temp_c: NDArray[np.float64]
    status: NDArray[np.int8]
    measured: NDArray[np.float64]
    demands: int
    infeasible: int


def sorted_by_scenario(traces: pa.Table) -> tuple[pa.Table, NDArray[np.int64]]:
    """The runs in order of their scenario's number, and where each scenario begins and ends.

    Scenario i has the runs ``borders[i]`` up to, not including, ``borders[i + 1]``.
    """
    numbers = traces.column("scenario").to_numpy()
    if (np.diff(numbers) < 0).any():
        order = np.argsort(numbers, kind="stable")
        traces, numbers = traces.take(order), numbers[order]
    starts = np.flatnonzero(np.diff(numbers)) + 1
    return traces, np.array([0, *starts, len(numbers)])


def scenarios(board: Board, traces: pa.Table) -> Iterator[Scenario]:
    """The recorded scenarios, one by one, in order of their number."""
    ordered, borders = sorted_by_scenario(traces)
    for start, end in itertools.pairwise(borders.tolist()):
        yield _scenario(board, ordered.slice(start, end - start))


def _scenario(board: Board, runs: pa.Table) -> Scenario:
    def column(name: str) -> NDArray[Any]:
        """One row a run: its value, or its list."""
        values = runs.column(name).combine_chunks()
        flat = values.flatten() if pa.types.is_list(values.type) else values
        return np.asarray(flat.to_numpy(zero_copy_only=False)).reshape(len(runs), -1)

    measured = ~column("throttled")[:, 0]
    core, opps = column("application_core")[measured], column("opp_index")[measured]
    places = tuple(np.hstack([core, opps]).T)
    shape = (board.core_count, *(len(cluster.opps) for cluster in board.clusters))

    def grid(name: str) -> NDArray[np.float64]:
        """The measured runs' values by their place, NaN elsewhere."""
        values = column(name)[measured]
        whole = np.full((*shape, values.shape[1]), np.nan)
        whole[places] = values
        return whole

    rate_ips, temp_c, l2d_per_s = (
        grid(name)[..., 0] for name in ("rate_ips", "temp_c", "l2d_per_s")
    )
    first = runs.slice(0, 1).select(["scenario", "application", *_BACKGROUND]).to_pylist()[0]
    background, background_cores = (tuple(first[name]) for name in _BACKGROUND)
    occupied = np.zeros(board.core_count, dtype=bool)
    occupied[list(background_cores)] = True
    throttled = np.zeros(shape, dtype=bool)
    not_held = np.hstack([column("application_core"), column("opp_index")])[~measured]
    throttled[tuple(not_held.T)] = True
    return Scenario(
        first["scenario"],
        first["application"],
        background,
        background_cores,
        Sweep(rate_ips, temp_c, occupied),
        l2d_per_s,
        grid("core_utilisation"),
        throttled,
        np.zeros(shape, dtype=bool),
    )


@dataclass(frozen=True)
class Demands:
    """What is asked of a scenario, (demands,) and (demands, clusters): see `OracleParameters`.

    `background_opp` are the points that the background needs, `background_hz` the frequencies.
    """

    target_ips: NDArray[np.float64]
    background_opp: NDArray[np.int64]
    background_hz: NDArray[np.float64]


def draw_demands(
    board: Board, scenario: Scenario, parameters: OracleParameters, rng: np.random.Generator
) -> Demands:
    """Draw targets, and demands of the background, for a scenario with a measured run."""
    count = parameters.targets * parameters.demands
    best_ips = float(np.nanmax(scenario.sweep.rate_ips))
    lowest = np.log(parameters.lowest_target)
    target_ips = best_ips * np.exp(rng.uniform(lowest, 0.0, size=count))
    return Demands(target_ips, *_background(board, scenario, count, rng))


def extract(board: Board, scenario: Scenario, parameters: OracleParameters) -> Extracted:
    """The demonstrations of one scenario; they depend on the seed and on it alone."""
    rng = np.random.default_rng([parameters.seed, scenario.number])
    count = parameters.targets * parameters.demands
    if not np.isfinite(scenario.sweep.rate_ips).any():  # every run was throttled
        return _nothing(board, scenario, count)
    demands = draw_demands(board, scenario, parameters, rng)
    target_ips, background_hz = demands.target_ips, demands.background_hz
    choices = choose(
        scenario.sweep,
        board.cluster_of_core,
        target_ips=target_ips,
        background_opp=demands.background_opp,
    )
    labels = soft_labels(
        choices.temp_c,
        choices.status,
        alpha_per_k=parameters.alpha_per_k,
        unreachable=parameters.unreachable,
        occupied=parameters.occupied,
    )
    solvable = (choices.status == FEASIBLE).any(axis=1)
    shown = solvable[:, None] & _current_cores(choices.status, parameters)
    demand, core = np.nonzero(shown)
    opps = _present_opps(scenario, core, choices.opp_index[demand, core], parameters, rng)
    places = np.hstack([core[:, None], opps])
    recorded = np.isfinite(scenario.sweep.rate_ips[tuple(places.T)])
    demand, places = demand[recorded], places[recorded]
    return Extracted(
        scenario,
        _features(board, scenario, places, target_ips[demand], background_hz[demand]),
        labels[demand],
        choices.temp_c[demand],
        choices.status[demand],
        _measured_share(scenario, choices, demand, places),
        count,
        int((~solvable).sum()),
    )


def _measured_share(
    scenario: Scenario, choices: Choices, demand: NDArray[np.int64], places: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Per demonstration: see `Extracted`."""
    if not scenario.modelled.any():
        return np.ones(len(demand))
    cores = np.flatnonzero(~scenario.sweep.occupied)
    chosen = choices.opp_index[:, cores]
    modelled = scenario.modelled[(cores[None, :], *np.moveaxis(chosen, -1, 0))].sum(axis=1)[demand]
    modelled = modelled + scenario.modelled[tuple(places.T)]
    share: NDArray[np.float64] = 1.0 - modelled / (len(cores) + 1)
    return share


def _nothing(board: Board, scenario: Scenario, demands: int) -> Extracted:
    figures = np.zeros((0, board.core_count))
    features = np.zeros((0, len(table(board))))
    status = figures.astype(np.int8)
    return Extracted(scenario, features, figures, figures, status, np.zeros(0), demands, demands)


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
    cores: NDArray[np.int64],
    settled: NDArray[np.int64],
    parameters: OracleParameters,
    rng: np.random.Generator,
) -> NDArray[np.int64]:
    """The operating points that demonstrations show: `settled`, or recorded ones not far away."""
    most = parameters.unsettled_points
    steps = np.zeros_like(settled)
    for demonstration in steps:  # one after the other: this way of drawing is part of the seed
        if rng.random() < parameters.unsettled:
            demonstration[:] = rng.integers(-most, most + 1, size=len(demonstration))
    away = np.empty_like(settled)
    for cluster in range(settled.shape[1]):
        recorded = scenario.recorded_opps(cluster)
        place = np.searchsorted(recorded, settled[:, cluster]) + steps[:, cluster]
        away[:, cluster] = recorded[place.clip(0, len(recorded) - 1)]
    moved = steps.any(axis=1) & np.isfinite(scenario.sweep.rate_ips[(cores, *away.T)])
    return np.where(moved[:, None], away, settled)


def _features(
    board: Board,
    scenario: Scenario,
    places: NDArray[np.int64],
    target_ips: NDArray[np.float64],
    background_hz: NDArray[np.float64],
) -> NDArray[np.float64]:
    """What the governor would see at `places`: the core of interest, then a point per cluster."""
    freqs_hz = np.column_stack(
        [np.array(c.freqs_hz)[places[:, 1 + i]] for i, c in enumerate(board.clusters)]
    )
    where = tuple(places.T)
    columns = (
        scenario.sweep.rate_ips[where],
        scenario.l2d_per_s[where],
        places[:, 0],
        target_ips,
        background_hz / freqs_hz,
        scenario.core_utilisation[where],
    )
    rows = [
        row(
            rate_ips=rate_ips,
            l2d_per_s=l2d_per_s,
            cores=(core,),
            target_ips=target,
            others_freq_ratio=ratios,
            utilisation=utilisation,
        )
        for rate_ips, l2d_per_s, core, target, ratios, utilisation in zip(
            *(column.tolist() for column in columns), strict=True
        )
    ]
    return np.array(rows, dtype=np.float64).reshape(len(rows), len(table(board)))


def to_table(board: Board, extracted: Sequence[Extracted]) -> pa.Table:
    """The demonstrations of some scenarios as a table of kind "demonstrations"."""
    lengths = dict.fromkeys(("labels", "temp_c", "status"), board.core_count)
    schema = arrow_schema("demonstrations", lengths={"features": len(table(board)), **lengths})
    schema = schema.append(pa.field(MEASURED, pa.float64()))
    tables = [_one_table(schema, one) for one in extracted if len(one.features)]
    return pa.concat_tables([schema.empty_table(), *tables])


def _one_table(schema: pa.Schema, extracted: Extracted) -> pa.Table:
    scenario, count = extracted.scenario, len(extracted.features)

    def same(value: object, name: str) -> pa.Array:
        """One value in every row."""
        return pa.repeat(pa.scalar(value, schema.field(name).type), count)

    vectors = (
        pa.FixedSizeListArray.from_arrays(pa.array(values.ravel()), values.shape[1])
        for values in (extracted.features, extracted.labels, extracted.temp_c, extracted.status)
    )
    same_in_all = (
        same(scenario.number, "scenario"),
        same(scenario.application, "application"),
        same(list(scenario.background), "background"),
    )
    columns = [*same_in_all, *vectors, pa.array(extracted.measured)]
    return pa.Table.from_arrays(columns, schema=schema)


def metadata(
    board: Board,
    cooling: str,
    parameters: OracleParameters,
    *,
    pools: Sequence[Sequence[str]] = (),
    fill: str = "none",
) -> dict[str, Any]:
    """The metadata of a demonstrations file; `pools` are those of the traces.

    `fill` says what stands for runs that were not measured: "none", or "model" (`oracle.filling`).
    """
    return {
        "board": board.name,
        "board_sha256": board_digest(board),
        "cooling": cooling,
        "features": [structs.asdict(feature) for feature in table(board)],
        "outputs": list(board.core_names),
        "oracle": structs.asdict(parameters),
        "pools": pools,
        "fill": fill,
    }
