"""Tests of what a recording lacks of its grid, and of the model that fills it in."""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from oracle.coverage import axes_of, coverage, missing_text, way_out
from oracle.demonstrations import OracleParameters, Scenario, extract, scenarios
from oracle.filling import fill
from platforms.board_file import load_board
from platforms.errors import InvalidInput
from traces.store import arrow_schema, read_table

BOARD = load_board("hikey970")
FEW = OracleParameters(targets=3, demands=4)
AXES = ((0, 3, 6), (0, 4, 8))


@pytest.fixture(scope="module")
def whole(traces_path: Path) -> tuple[pa.Table, dict[str, Any]]:
    """The recording of the whole grid."""
    return read_table(traces_path, kind="traces")


def holed(traces: pa.Table, scenario: int, *places: tuple[int, list[int]]) -> pa.Table:
    """Without the runs at these places (core, operating points)."""
    rows = [
        row
        for row in traces.to_pylist()
        if row["scenario"] != scenario or (row["application_core"], row["opp_index"]) not in places
    ]
    return pa.Table.from_pylist(rows, schema=arrow_schema("traces"))


def free_core(traces: pa.Table, scenario: int, cluster: int) -> int:
    """One where the application of interest ran."""
    cores: set[int] = {
        r["application_core"] for r in traces.to_pylist() if r["scenario"] == scenario
    }
    return min(core for core in cores if BOARD.cluster_of_core[core] == cluster)


def test_a_whole_recording_lacks_nothing(whole: tuple[pa.Table, dict[str, Any]]) -> None:
    """Its axes are those of its plan, and those that occur in it."""
    traces, about = whole
    assert AXES == axes_of(traces, about) == axes_of(traces, {})
    found = coverage(BOARD, traces, AXES)
    assert found.is_whole
    assert traces.num_rows == found.wanted


def test_every_hole_is_found_and_named(whole: tuple[pa.Table, dict[str, Any]]) -> None:
    """By scenario, core and clocks: what somebody has to record."""
    traces, _ = whole
    core = free_core(traces, 1, 1)
    found = coverage(BOARD, holed(traces, 1, (core, [3, 4]), (core, [6, 0])), AXES)
    assert [[1, core, 3, 4], [1, core, 6, 0]] == found.holes.tolist()
    text = missing_text(BOARD, found)
    assert text.startswith(f"2 of {traces.num_rows} runs are missing, in 1 scenarios: scenario 1, ")
    little, big = BOARD.clusters
    clocks = f"little {little.freqs_hz[3] / 1e6:.0f} MHz, big {big.freqs_hz[4] / 1e6:.0f} MHz"
    assert f"core {core} at {clocks}" in text


def test_nothing_is_asked_of_closed_cores(whole: tuple[pa.Table, dict[str, Any]]) -> None:
    """Where the application must not go nobody has to measure."""
    traces, _ = whole
    core = free_core(traces, 1, 1)
    lacking = holed(traces, 1, *((core, [i, j]) for i in AXES[0] for j in AXES[1]))
    assert 9 == len(coverage(BOARD, lacking, AXES).holes)
    assert coverage(BOARD, lacking, AXES, closed=[core]).is_whole


def test_a_throttled_run_is_no_hole(whole: tuple[pa.Table, dict[str, Any]]) -> None:
    """It was made, and tells that the board cannot hold the point."""
    traces, _ = whole
    rows = traces.to_pylist()
    rows[0]["throttled"] = True
    table = pa.Table.from_pylist(rows, schema=arrow_schema("traces"))
    assert coverage(BOARD, table, AXES).is_whole


def test_the_way_out_names_the_command_that_recorded_the_others() -> None:
    """For all of the grid, with those that are there taken over."""
    text = way_out(Path("a b.parquet"), {"recorded_with": ["--board", "x", "--seed", "3"]})
    expected = (
        "record them with 'ilgov trace record --board x --seed 3 --add-to 'a b.parquet' "
        "--out 'a b-whole.parquet''"
    )
    assert expected == text
    assert "record or import them as well" == way_out(Path("t.parquet"), {})


# --- the model -----------------------------------------------------------------------------------


def first_scenario(traces: pa.Table) -> Scenario:
    """The recording's first."""
    return next(scenarios(BOARD, traces))


def test_a_whole_scenario_is_left_as_it_is(whole: tuple[pa.Table, dict[str, Any]]) -> None:
    """Nothing is modelled that was measured: the labels are the same, bit for bit."""
    scenario = first_scenario(whole[0])
    filled, _ = fill(BOARD, scenario, AXES)
    assert filled is scenario
    before, after = extract(BOARD, scenario, FEW), extract(BOARD, filled, FEW)
    assert np.array_equal(before.labels, after.labels)
    assert set(after.measured) == {1.0}


def test_holes_are_filled_near_to_what_was_measured_there(
    whole: tuple[pa.Table, dict[str, Any]],
) -> None:
    """And the runs that are there stay as they were measured."""
    traces, _ = whole
    true = first_scenario(traces)
    core = free_core(traces, 0, 1)
    places = [(core, [3, 4]), (core, [0, 4]), (core, [3, 8])]
    filled, doubt = fill(BOARD, first_scenario(holed(traces, 0, *places)), AXES)
    at = tuple(np.array([(core, *opps) for core, opps in places]).T)
    assert {tuple(place) for place in np.argwhere(filled.modelled).tolist()} == {
        (core, *opps) for core, opps in places
    }
    assert filled.sweep.rate_ips[at] == pytest.approx(true.sweep.rate_ips[at], rel=0.02)
    assert filled.sweep.temp_c[at] == pytest.approx(true.sweep.temp_c[at], abs=1.5)
    assert filled.l2d_per_s[at] == pytest.approx(true.l2d_per_s[at], rel=0.05)
    assert filled.core_utilisation[at] == pytest.approx(true.core_utilisation[at], abs=0.02)
    assert doubt.temp_rms_k < 1.5
    others = np.isfinite(true.sweep.temp_c) & ~filled.modelled
    assert np.array_equal(true.sweep.temp_c[others], filled.sweep.temp_c[others])


def test_demonstrations_say_how_much_of_each_is_measured(
    whole: tuple[pa.Table, dict[str, Any]],
) -> None:
    """The share of the runs that each rests on: all, part, but never none of them here."""
    traces, _ = whole
    core = free_core(traces, 0, 1)
    places = [(core, [i, j]) for i in AXES[0] for j in AXES[1] if j != 0 and i != 0]
    filled, _ = fill(BOARD, first_scenario(holed(traces, 0, *places)), AXES)
    measured = extract(BOARD, filled, FEW).measured
    assert (measured > 0).all()
    assert (measured <= 1).all()
    assert (measured < 1).any()


def test_a_core_without_any_run_is_filled_by_those_of_its_cluster(
    whole: tuple[pa.Table, dict[str, Any]],
) -> None:
    """Its busy core is itself then, not the one that was measured."""
    traces, _ = whole
    core = free_core(traces, 0, 1)
    places = [(core, [i, j]) for i in AXES[0] for j in AXES[1]]
    true = first_scenario(traces)
    filled, _ = fill(BOARD, first_scenario(holed(traces, 0, *places)), AXES)
    where = np.ix_(np.array([core]), *(np.array(axis) for axis in AXES))
    assert filled.modelled[where].all()
    assert filled.core_utilisation[where] == pytest.approx(true.core_utilisation[where], abs=0.02)
    assert filled.sweep.temp_c[where] == pytest.approx(true.sweep.temp_c[where], abs=1.5)


def test_a_cluster_that_nobody_measured_cannot_be_filled(
    whole: tuple[pa.Table, dict[str, Any]],
) -> None:
    """A model of what was never seen would be a guess."""
    traces, _ = whole
    first = first_scenario(traces)
    big = [core for core in BOARD.clusters[1].cores if not first.sweep.occupied[core]]
    places = [(core, [i, j]) for core in big for i in AXES[0] for j in AXES[1]]
    with pytest.raises(InvalidInput, match="2 clocks or more on a core of cluster big for a"):
        fill(BOARD, first_scenario(holed(traces, 0, *places)), AXES)


def test_points_above_a_throttled_one_are_not_filled(
    whole: tuple[pa.Table, dict[str, Any]],
) -> None:
    """The board could not hold less either."""
    traces, _ = whole
    core = free_core(traces, 0, 1)
    rows = holed(traces, 0, (core, [6, 8]), (core, [3, 8])).to_pylist()
    for row in rows:
        if (row["scenario"], row["application_core"], row["opp_index"]) == (0, core, [6, 4]):
            row["throttled"] = True
    table = pa.Table.from_pylist(rows, schema=arrow_schema("traces"))
    filled, _ = fill(BOARD, first_scenario(table), AXES)
    assert [[core, 3, 8]] == np.argwhere(filled.modelled).tolist()
    assert np.isnan(filled.sweep.temp_c[core, 6, 8])


def test_a_scenario_that_was_throttled_throughout_is_left_alone(
    whole: tuple[pa.Table, dict[str, Any]],
) -> None:
    """There is nothing to fit a model to."""
    core = free_core(whole[0], 0, 1)
    rows = holed(whole[0], 0, (core, [0, 0])).to_pylist()
    for row in rows:
        row["throttled"] = True
    scenario = first_scenario(pa.Table.from_pylist(rows, schema=arrow_schema("traces")))
    assert fill(BOARD, scenario, AXES)[0] is scenario
