"""Tests of the demonstrations: rows as a policy will see them, labels as the oracle chose them."""

import itertools
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from oracle.demonstrations import (
    Extracted,
    OracleParameters,
    Scenario,
    extract,
    metadata,
    scenarios,
    to_table,
)
from oracle.labels import FEASIBLE, OCCUPIED, UNREACHABLE, Sweep
from platforms.board import Board
from platforms.board_file import load_board
from platforms.platform import ApplicationReading, Observation
from rm.features import rows, table
from tests.oracle.small_boards import board as small_board
from traces.store import arrow_schema, read_table

BOARD = load_board("hikey970")
FEW = OracleParameters(targets=3, demands=4)
SETTLED = OracleParameters(targets=3, demands=4, unsettled=0.0)


@pytest.fixture(scope="module")
def traces(traces_path: Path) -> pa.Table:
    """The recorded runs."""
    return read_table(traces_path, kind="traces")[0]


@pytest.fixture(scope="module")
def recorded(traces: pa.Table) -> list[Scenario]:
    """The recorded scenarios."""
    return list(scenarios(BOARD, traces))


def demonstrations(
    recorded: list[Scenario], parameters: OracleParameters = FEW
) -> list[tuple[Scenario, dict[str, Any]]]:
    """All rows with their scenario."""
    return [(s, row) for s in recorded for row in rows_of(extract(BOARD, s, parameters))]


def rows_of(extracted: Extracted, board: Board = BOARD) -> list[dict[str, Any]]:
    """One scenario's demonstrations as they are written."""
    found: list[dict[str, Any]] = to_table(board, [extracted]).to_pylist()
    return found


def observed(run: dict[str, Any], target_ips: float, ratios: list[float]) -> Observation:
    """The board in a recorded run, the background's demands as multiples of the present clocks."""
    core = run["application_core"]
    apps = [ApplicationReading(0, run["application"], target_ips, *_rates(run), (core,), 1)]
    background = zip(
        run["background"], run["background_cores"], run["background_rate_ips"], strict=True
    )
    for number, (name, place, rate_ips) in enumerate(background, start=1):
        ratio = ratios[BOARD.cluster_of_core[place]]
        apps.append(ApplicationReading(number, name, rate_ips * ratio, rate_ips, 0.0, (place,), 1))
    return Observation(
        0.0,
        run["window_s"],
        tuple(apps),
        tuple(run["opp_index"]),
        BOARD.highest_opps,
        tuple(run["core_utilisation"]),
        (),
    )


def _rates(run: dict[str, Any]) -> tuple[float, float]:
    return run["rate_ips"], run["l2d_per_s"]


def test_features_are_those_that_the_governor_computes_of_the_same_run(
    traces: pa.Table, recorded: list[Scenario]
) -> None:
    """A policy must meet on the board what it was shown: nothing is computed in two places."""
    cores = BOARD.core_count
    runs = {(r["scenario"], r["application_core"], r["rate_ips"]): r for r in traces.to_pylist()}
    names = [feature.name for feature in table(BOARD)]
    first_ratio = names.index("others_freq_ratio_little")
    for scenario, row in demonstrations(recorded):
        features = row["features"]
        assert len(table(BOARD)) == len(features)
        core = features[2 : 2 + cores].index(1.0)
        run = runs[scenario.number, core, features[0]]
        ratios = features[first_ratio : first_ratio + 2]
        observation = observed(run, features[2 + cores], ratios)
        again = rows(BOARD, observation, observation.applications[:1])[0]
        assert pytest.approx(features, rel=1e-6) == again.tolist()


def test_the_utilisation_is_the_recorded_one(traces: pa.Table) -> None:
    """A real board's cores are never quite busy and never quite idle."""
    runs = traces.to_pylist()
    for run in runs:
        run["core_utilisation"] = [0.03 + 0.9 * busy for busy in run["core_utilisation"]]
    changed = pa.Table.from_pylist(runs, schema=arrow_schema("traces"))
    first = next(scenarios(BOARD, changed))
    for row in rows_of(extract(BOARD, first, FEW)):
        core = row["features"][2 : 2 + BOARD.core_count].index(1.0)
        busy = {core, *first.background_cores}
        expected = [0.93 if i in busy else 0.03 for i in range(BOARD.core_count)]
        assert pytest.approx(expected) == row["features"][-BOARD.core_count :]


def test_status_labels_and_temperatures_agree_in_every_row(recorded: list[Scenario]) -> None:
    """What is occupied, out of reach or feasible is told three times."""
    parameters = msgspec.structs.replace(FEW, unreachable=-0.75, occupied=-0.25, alpha_per_k=0.5)
    seen = set()
    for scenario, row in demonstrations(recorded, parameters):
        status, labels, temps = (np.array(row[k]) for k in ("status", "labels", "temp_c"))
        assert scenario.background_cores == tuple(
            sorted(np.flatnonzero(status == OCCUPIED), key=scenario.background_cores.index)
        )
        assert set(labels[status == OCCUPIED]) <= {-0.25}
        assert set(labels[status == UNREACHABLE]) <= {-0.75}
        feasible = status == FEASIBLE
        assert (feasible == np.isfinite(temps)).all()
        assert 1.0 == labels.max() == labels[np.nanargmin(temps)]
        expected = np.exp(-0.5 * (temps[feasible] - temps[feasible].min()))
        assert pytest.approx(expected) == labels[feasible]
        seen |= set(status.tolist())
    assert {FEASIBLE, UNREACHABLE, OCCUPIED} == seen


def test_the_present_core_is_any_free_one_or_only_those_that_meet_the_target(
    recorded: list[Scenario],
) -> None:
    """A policy must know its way out of a core that is too slow; the paper's shows the others."""
    free = demonstrations(recorded, SETTLED)
    feasible = demonstrations(recorded, msgspec.structs.replace(SETTLED, current="feasible"))
    present = slice(2, 2 + BOARD.core_count)
    shown = [row["status"][row["features"][present].index(1.0)] for _, row in free]
    assert {FEASIBLE, UNREACHABLE} == set(shown)
    fewer = [row for (_, row), status in zip(free, shown, strict=True) if status == FEASIBLE]
    assert [str(row) for row in fewer] == [str(row) for _, row in feasible]


def test_every_demand_yields_a_row_per_free_core_or_is_counted_as_infeasible(
    recorded: list[Scenario],
) -> None:
    """Nothing disappears in silence."""
    for scenario in recorded:
        extracted = extract(BOARD, scenario, FEW)
        free = BOARD.core_count - len(scenario.background_cores)
        assert 12 == extracted.demands
        assert len(extracted.labels) == free * (extracted.demands - extracted.infeasible)


def test_only_points_of_the_recorded_grid_are_asked_for(recorded: list[Scenario]) -> None:
    """A sweep of three points per cluster once gave no demonstration: others had been drawn."""
    many = OracleParameters(targets=6, demands=12)
    for scenario in recorded:
        extracted = extract(BOARD, scenario, many)
        assert extracted.infeasible < extracted.demands / 2
        assert len(extracted.labels)


def test_unsettled_clocks_change_what_is_seen_and_not_what_is_right(
    recorded: list[Scenario],
) -> None:
    """After an arrival the clocks lie away from where the loop will end; the best core does not."""
    settled = demonstrations(recorded, SETTLED)
    away = demonstrations(recorded, msgspec.structs.replace(SETTLED, unsettled=1.0))
    assert len(settled) == len(away)
    moved = 0
    for (_, row), (_, other) in zip(settled, away, strict=True):
        assert [row["labels"], row["status"]] == [other["labels"], other["status"]]
        moved += row["features"] != other["features"]
    assert moved > len(settled) / 2


def test_targets_lie_between_the_lowest_share_and_the_best_rate(recorded: list[Scenario]) -> None:
    """Others would teach nothing."""
    parameters = msgspec.structs.replace(FEW, lowest_target=0.6)
    for scenario, row in demonstrations(recorded, parameters):
        best_ips = np.nanmax(scenario.sweep.rate_ips)
        assert 0.6 * best_ips <= row["features"][2 + BOARD.core_count] <= best_ips


def test_a_scenario_is_extracted_alike_whatever_else_is_in_the_file(
    traces: pa.Table, recorded: list[Scenario]
) -> None:
    """Recording more scenarios must not change those that were there."""
    alone = traces.filter(pa.compute.equal(traces["scenario"], 2))
    (scenario,) = scenarios(BOARD, alone)
    expected = to_table(BOARD, [extract(BOARD, recorded[2], FEW)])
    assert str(expected.to_pylist()) == str(rows_of(extract(BOARD, scenario, FEW)))
    other = extract(BOARD, scenario, msgspec.structs.replace(FEW, seed=1))
    assert str(expected.to_pylist()) != str(rows_of(other))


def test_the_table_and_its_metadata_name_features_and_outputs(recorded: list[Scenario]) -> None:
    """Training needs the board no more."""
    written = to_table(BOARD, [extract(BOARD, scenario, FEW) for scenario in recorded])
    about = metadata(BOARD, "fan", FEW)
    assert [f.name for f in table(BOARD)] == [f["name"] for f in about["features"]]
    assert ["core0", "core7"] == [about["outputs"][0], about["outputs"][-1]]
    assert {"targets": 3, "demands": 4}.items() <= about["oracle"].items()
    widths = {name: written.schema.field(name).type.list_size for name in ("features", "labels")}
    assert {"features": 21, "labels": 8} == widths


def imagined(board: Board, seed: int, *, holes: float) -> Scenario:
    """A scenario with figures that rise with the clocks, and runs that are missing."""
    rng = np.random.default_rng(seed)
    shape = (board.core_count, *(len(cluster.opps) for cluster in board.clusters))
    rate_ips, temp_c = np.full(shape, np.nan), np.full(shape, np.nan)
    taken = rng.permutation(board.core_count)[: rng.integers(0, board.core_count)]
    for core, *opps in itertools.product(*map(range, shape)):
        if core not in taken and rng.random() >= holes:
            own = opps[board.cluster_of_core[core]]
            rate_ips[(core, *opps)] = (1 + own) * rng.uniform(0.4e9, 0.5e9)
            temp_c[(core, *opps)] = 30.0 + sum(opps) + rng.uniform(0.0, 3.0)
    occupied = np.isin(np.arange(board.core_count), taken)
    busy = np.where(occupied, 1.0, 0.0) + np.zeros((*shape, 1))
    cores = tuple(int(core) for core in taken)
    sweep = Sweep(rate_ips, temp_c, occupied)
    none = np.zeros(rate_ips.shape, dtype=bool)
    background = ("b",) * len(cores)
    return Scenario(0, "aoi", background, cores, sweep, 0.01 * rate_ips, busy, none, none)


@settings(max_examples=60)
@given(
    seed=st.integers(0, 2**32 - 1),
    sizes=st.sampled_from([(2, 2), (3,), (1, 2)]),
    holes=st.sampled_from([0.0, 0.2, 0.7, 1.0]),
    current=st.sampled_from(["free", "feasible"]),
    unsettled=st.sampled_from([0.0, 0.5, 1.0]),
)
def test_whatever_was_recorded_the_rows_are_sound(
    seed: int, sizes: tuple[int, ...], holes: float, current: str, unsettled: float
) -> None:
    """Throttled runs tear holes into a sweep; at worst nothing is left of it."""
    board = small_board(np.random.default_rng(seed), sizes=sizes)
    scenario = imagined(board, seed, holes=holes)
    given = {"current": current, "targets": 2, "demands": 3, "unsettled": unsettled}
    extracted = extract(board, scenario, msgspec.convert(given, OracleParameters))
    assert 6 == extracted.demands >= extracted.infeasible
    for row in rows_of(extracted, board):
        assert np.isfinite(row["features"]).all()
        for feature, value in zip(table(board), row["features"], strict=True):
            assert feature.low <= value <= feature.high
        first = 3 + board.core_count
        if unsettled == 0.0:  # then the clocks are high enough for the background
            assert max(row["features"][first : first + len(sizes)]) <= 1.0
        assert 1.0 == max(row["labels"])
    if holes == 1.0:
        assert (0, 6) == (len(extracted.features), extracted.infeasible)


def test_a_board_with_one_cluster_has_demonstrations_too() -> None:
    """Nothing assumes big and little."""
    board = small_board(np.random.default_rng(1), sizes=(3,))
    extracted = extract(board, imagined(board, 3, holes=0.0), FEW)
    assert len(table(board)) == 3 + 2 * 3 + 1 == extracted.features.shape[1]
