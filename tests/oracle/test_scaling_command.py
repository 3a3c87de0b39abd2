"""Tests of ``ilgov oracle scaling``: what it measures, what it writes, which boards it makes."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from oracle.joint import BUDGET, Solution
from oracle.scaling import Case, Measurement, cases_by_cores, measure_case
from oracle.smaller_board import smaller_board
from platforms.application_file import find_applications
from platforms.board_file import check, load_board
from platforms.errors import InvalidInput
from tests.conftest import Ended

Ilgov = Callable[..., Ended]

TINY = ("--boards", "hikey960", "--applications", "3,2", "--scenarios", 2)
POINT = {
    "board",
    "title",
    "cores",
    "applications",
    "solutions",
    "median_ms",
    "p95_ms",
    "max_ms",
    "certified_share",
    "missed_share",
    "median_nodes",
}
UNTIMED = POINT - {"median_ms", "p95_ms", "max_ms"}


def points_of(document: dict[str, Any]) -> list[dict[str, Any]]:
    """All points of a file."""
    return [*document["by_applications"], *document["by_cores"]]


def measurement(**changes: int) -> Measurement:
    """Two small scenarios, unless told otherwise."""
    settings = {"scenarios": 2, "seed": 0, "budget": BUDGET} | changes
    profiles = tuple(find_applications(["parsec"]))
    return Measurement(profiles=profiles, cooling="fan", **settings)


def test_both_files_hold_every_board_and_number_of_applications(
    ilgov: Ilgov, tmp_path: Path
) -> None:
    """The fewest applications first, whatever order they were asked for in."""
    out = tmp_path / "new" / "scaling"
    code, stdout, stderr = ilgov("oracle", "scaling", "--out", out, *TINY)
    assert (0, "") == (code, stderr)
    assert {out / "scaling.json", out / "scaling.html"} == set(out.iterdir())
    document = json.loads((out / "scaling.json").read_text())
    asked = [(point["board"], point["applications"]) for point in document["by_applications"]]
    assert [("hikey960", 2), ("hikey960", 3)] == asked
    cut = [(point["board"], point["cores"]) for point in document["by_cores"]]
    assert [("hikey970-2-2", 4), ("hikey970-3-3", 6), ("hikey970-4-4", 8)] == cut
    assert {8} == {point["applications"] for point in document["by_cores"]}
    for point in points_of(document):
        assert set(point) == POINT
        assert 0.0 < point["median_ms"] <= point["p95_ms"] <= point["max_ms"]
        assert 2 == point["solutions"]
        assert point["board"] in stdout
    assert document["note"].startswith("Times are processor times of this machine")


def test_the_page_needs_nothing_from_elsewhere_and_draws_time_on_a_logarithm(
    ilgov: Ilgov, tmp_path: Path
) -> None:
    """It draws what scaling.json says."""
    document = json.loads(ilgov("oracle", "scaling", "--out", tmp_path, *TINY, "--json").stdout)
    page = (tmp_path / "scaling.html").read_text()
    assert "default-src 'none'" in page
    assert "<script src" not in page
    data = page.partition('id="scaling-data">')[2].partition("</script>")[0]
    figure = json.loads(data)
    assert {"log"} == {figure["layout"][axis]["type"] for axis in ("yaxis", "yaxis2")}
    drawn = [y for trace in figure["data"] if "text" in trace for y in trace["y"]]
    assert [point["median_ms"] for point in points_of(document)] == drawn
    assert [[2, 3], [4, 6, 8]] == [trace["x"] for trace in figure["data"] if "text" in trace]


def test_json_on_the_terminal_is_what_the_file_holds(ilgov: Ilgov, tmp_path: Path) -> None:
    """And where the files are."""
    told = json.loads(ilgov("oracle", "scaling", "--out", tmp_path, *TINY, "--json").stdout)
    assert str(tmp_path) == told.pop("out")
    assert told == json.loads((tmp_path / "scaling.json").read_text())
    assert BUDGET == told["budget"]
    assert {"cooling": "fan", "scenarios": 2, "seed": 0}.items() <= told.items()


def test_all_but_the_times_depends_on_the_seed_alone(ilgov: Ilgov, tmp_path: Path) -> None:
    """Another seed draws other scenarios."""

    def figures(*options: object) -> list[dict[str, Any]]:
        words = ("oracle", "scaling", "--out", tmp_path, *TINY, *options, "--json")
        points = points_of(json.loads(ilgov(*words).stdout))
        return [{name: point[name] for name in UNTIMED} for point in points]

    first = figures()
    assert first == figures()
    assert first != figures("--seed", 1)


@pytest.mark.parametrize("budget", [BUDGET, 30, 1])
def test_shares_and_nodes_are_those_of_the_solutions_that_were_timed(budget: int) -> None:
    """Whether all, some or none of them are proven."""
    said: list[Solution] = []
    case = Case(smaller_board(load_board("hikey970"), (2, 2)), 5)
    point = measure_case(case, measurement(scenarios=7, budget=budget), said.append)
    assert 7 == len(said) == point.solutions
    assert pytest.approx(sum(s.optimal for s in said) / 7) == point.certified_share
    assert pytest.approx(sum(s.shortfall > 1e-6 for s in said) / 7) == point.missed_share
    assert sorted(s.nodes for s in said)[3] == point.median_nodes


def test_a_time_is_what_passed_on_the_clock_while_a_scenario_was_solved() -> None:
    """Here 2 ms for the first, then 4, 6 and 8 ms; drawing the scenarios is not counted."""
    ticks = iter((0.0, 0.002, 1.0, 1.004, 2.0, 2.006, 3.0, 3.008))
    case = Case(load_board("hikey970"), 1)
    point = measure_case(case, measurement(scenarios=4), clock=lambda: next(ticks))
    assert pytest.approx(5.0) == point.median_ms
    assert pytest.approx(8.0) == point.max_ms


def test_a_search_that_is_cut_short_is_not_counted_as_certified() -> None:
    """One node is too few for five applications."""
    case = Case(load_board("hikey970"), 5)
    assert measure_case(case, measurement(scenarios=4, budget=1)).certified_share < 1.0


def test_everything_is_certified_with_the_budget_that_is_the_default() -> None:
    """Eight applications on all three sizes."""
    for case in cases_by_cores(load_board("hikey970")):
        assert 1.0 == measure_case(case, measurement()).certified_share


@pytest.mark.parametrize("cores", [(1, 1), (2, 2), (3, 3), (1, 4), (4, 4)])
def test_a_board_with_cores_left_out_is_a_board_without_contradictions(
    cores: tuple[int, int],
) -> None:
    """Cores, thermal nodes, links and sensors fit; clocks and cooling are as they were."""
    whole = load_board("hikey970")
    board = smaller_board(whole, cores)
    assert [] == list(check(board))
    assert cores == tuple(len(cluster.cores) for cluster in board.clusters)
    assert sum(cores) == board.core_count
    for cluster, before in zip(board.clusters, whole.clusters, strict=True):
        assert before.opps == cluster.opps
        names = {node.core: node.name for node in board.thermal.nodes}
        kept = [names[core] for core in cluster.cores]
        assert [whole.core_names[core] for core in before.cores[: len(kept)]] == kept
    assert whole.cooling == board.cooling


def test_a_board_that_keeps_all_cores_is_the_whole_board_by_another_name() -> None:
    """Nothing that heats, cools or computes differs."""
    whole = load_board("hikey970")
    board = smaller_board(whole, (4, 4))
    assert (whole.clusters, whole.thermal) == (board.clusters, board.thermal)
    assert whole.sensors == board.sensors


@pytest.mark.parametrize("cores", [(2,), (0, 2), (2, 5), (2, 2, 2)])
def test_cores_that_the_board_does_not_have_cannot_be_kept(cores: tuple[int, ...]) -> None:
    """Nor can a cluster lose them all."""
    with pytest.raises(InvalidInput, match="must keep 1 to"):
        smaller_board(load_board("hikey970"), cores)


def test_a_sensor_that_would_see_nothing_is_told() -> None:
    """Here it sits on the last LITTLE core."""
    board = load_board("hikey970")
    on_core = replace(board.sensors[0], weights={"core3": 1.0})
    with pytest.raises(InvalidInput, match="must keep a node of sensor cls0"):
        smaller_board(replace(board, sensors=(on_core,)), (3, 4))


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--scenarios", "0"], "--scenarios must lie in 1 ... 1000000 (got 0)"),
        (["--budget", "0"], "--budget must lie in 1 ... 1000000000000 (got 0)"),
        (["--seed", "-1"], "--seed must lie in 0 ... 4294967295 (got -1)"),
        (["--applications", "0"], "--applications must be whole numbers in 1 ... "),
        (["--applications", "2,99"], "--applications must be whole numbers in 1 ... "),
        (["--applications", "two"], "--applications must be whole numbers in 1 ... "),
        (["--applications", ""], "--applications must be whole numbers in 1 ... "),
        (["--boards", "pc"], "board must be one of hikey960, hikey970, jetson-nano, "),
        (["--boards", ""], "board must be one of hikey960, hikey970, jetson-nano, "),
        (["--cooling", "water"], "--cooling must be one of fan, passive, "),
        (["--cooling", "fan-fails"], "--cooling must be one of fan, passive, "),
    ],
)
def test_what_cannot_be_measured_is_told_in_one_line(
    ilgov: Ilgov, tmp_path: Path, words: list[str], message: str
) -> None:
    """And nothing is written."""
    code, stdout, stderr = ilgov("oracle", "scaling", "--out", tmp_path, *words)
    assert (2, "") == (code, stdout)
    assert stderr.startswith(f"ilgov: error: {message}")
    assert 1 == stderr.count("\n")
    assert [] == list(tmp_path.iterdir())


def test_one_board_twice_is_a_mistake(ilgov: Ilgov, tmp_path: Path) -> None:
    """By its name and by its file: their lines could not be told apart."""
    shipped = Path(__file__).parents[2] / "platforms" / "boards" / "hikey960.toml"
    words = ("--out", tmp_path, "--boards", f"hikey960,{shipped}")
    code, _, stderr = ilgov("oracle", "scaling", *words)
    assert 2 == code
    assert "--boards must have different names (got hikey960, hikey960)" in stderr


def test_a_file_where_the_folder_should_be_is_told_and_kept(ilgov: Ilgov, tmp_path: Path) -> None:
    """Before anything is measured."""
    out = tmp_path / "mine"
    out.write_text("mine")
    code, _, stderr = ilgov("oracle", "scaling", "--out", out)
    assert 2 == code
    assert stderr.startswith("ilgov: error: --out must lie in a folder")
    assert "mine" == out.read_text()
