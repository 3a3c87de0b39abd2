"""Tests of ``ilgov oracle joint`` as a user runs it: rows, proofs, what a kill costs."""

import json
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from oracle.joint import BUDGET
from oracle.scenarios import DrawParameters, draw_scenario
from oracle.whatif import WhatIf
from platforms.application_file import find_applications
from platforms.board_file import load_board
from tests.conftest import Ended
from tests.started_command import started
from traces.store import read_table

Ilgov = Callable[..., Ended]

FEW = ("--scenarios", 12, "--max-applications", 5)


def rows_of(path: Path) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """The rows and the metadata of a file."""
    table, about = read_table(path, kind="joint")
    return table.to_pylist(), about


def test_it_says_what_it_found_in_words_and_as_json(ilgov: Ilgov, tmp_path: Path) -> None:
    """The second time it is there already, and told the same."""
    out = tmp_path / "new" / "joint.parquet"
    words = ("oracle", "joint", "--out", out, *FEW)
    code, stdout, stderr = ilgov(*words)
    assert (0, "") == (code, stderr)
    told = f"{out}: 12 scenarios on hikey970 (fan), 12 decisions proven optimal, 0 miss a target; "
    assert f"{told}0 of 1 shards taken over\n" == stdout
    kept = f"{told}it holds these optima already (--fresh searches them again)\n"
    assert kept == ilgov(*words).stdout
    assert stdout == ilgov(*words, "--fresh").stdout
    figures = json.loads(ilgov(*words, "--json").stdout)
    rows, _ = rows_of(out)
    assert {"scenarios": 12, "optimal": 12, "missed": 0}.items() <= figures.items()
    assert sum(row["nodes"] for row in rows) == figures["nodes"]
    assert [out] == list(out.parent.iterdir())


@pytest.mark.parametrize("cooling", ["fan", "passive"])
def test_every_row_is_what_the_boards_models_say_of_its_decision(
    ilgov: Ilgov, tmp_path: Path, cooling: str
) -> None:
    """The file's own words are enough to draw the scenarios again and to check what came out."""
    out = tmp_path / "joint.parquet"
    assert 0 == ilgov("oracle", "joint", "--out", out, *FEW, "--cooling", cooling).code
    rows, about = rows_of(out)
    board = load_board(about["board"])
    models = WhatIf(board, board.cooling_named(about["cooling"]))
    profiles = find_applications(about["applications"])
    drawn = msgspec.convert(about["drawn"], DrawParameters)
    for number, row in enumerate(rows):
        apps = draw_scenario(board, profiles, drawn, number)
        assert number == row["scenario"]
        assert [app.profile.name for app in apps] == row["application"]
        assert [app.target_ips for app in apps] == row["target_ips"]
        assert [app.cores[0] for app in apps] == row["present_core"]
        placement = tuple((core,) for core in row["core"])
        outcome = models.evaluate(apps, placement, tuple(row["opp_index"]))
        assert pytest.approx(outcome.peak_c) == row["peak_c"] == row["value"]
        assert 0.0 == row["shortfall"] == sum(row["missed_share"])
        assert row["optimal"]
        assert pytest.approx(row["value"] - row["lower_bound"]) == row["gap"] < 0.002


def test_targets_that_cannot_be_met_are_told_application_by_application(
    ilgov: Ilgov, tmp_path: Path
) -> None:
    """Here each asks for more than any core gives."""
    out = tmp_path / "joint.parquet"
    greedy = ("--lowest-target", 2, "--highest-target", 2.5, "--max-applications", 2)
    assert ", 12 miss a target; " in ilgov("oracle", "joint", "--out", out, *FEW, *greedy)[1]
    for row in rows_of(out)[0]:
        assert pytest.approx(sum(row["missed_share"]), abs=1e-6) == row["shortfall"]
        assert all(0.3 < share < 1.0 for share in row["missed_share"])
        assert row["shortfall_bound"] <= row["shortfall"]


def test_a_search_that_is_cut_short_is_not_called_optimal(ilgov: Ilgov, tmp_path: Path) -> None:
    """It says how much better the decision could still be."""
    out = tmp_path / "joint.parquet"
    figures = json.loads(ilgov("oracle", "joint", "--out", out, *FEW, "--budget", 9, "--json")[1])
    assert figures["optimal"] < 12
    for row in rows_of(out)[0]:
        assert row["optimal"] or row["gap"] > 1e-3 or row["shortfall_bound"] < row["shortfall"]


def test_the_options_reach_the_draw_and_the_search(ilgov: Ilgov, tmp_path: Path) -> None:
    """Each makes another file, which says so."""
    seen = set()
    options: list[tuple[object, ...]] = [
        (),
        ("--seed", 1),
        ("--board", "rk3588"),
        ("--cooling", "passive"),
        ("--applications", "parsec"),
        ("--max-applications", 3),
        ("--lowest-target", 0.2),
        ("--highest-target", 0.5),
        ("--variation", 0),
        ("--diversity", 0.3),
        ("--objective", "power"),
        ("--move-k", 0.5),
    ]
    for number, option in enumerate(options):
        out = tmp_path / str(number)
        assert 0 == ilgov("oracle", "joint", "--out", out, "--scenarios", 3, *option).code
        rows, about = rows_of(out)
        seen.add(str((rows, about["drawn"], about["search"], about["board"], about["cooling"])))
        assert all(len(row["core"]) <= about["drawn"]["most_applications"] for row in rows)
        assert BUDGET == about["search"]["budget"]
    assert len(options) == len(seen)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--scenarios", "0"], "--scenarios must lie in 1 ... 100000000 (got 0)"),
        (["--max-applications", "0"], "--max-applications must lie in 1 ... 1000 (got 0)"),
        (["--lowest-target", "0.5"], "--lowest-target must not exceed --highest-target (got 0.5 "),
        (["--highest-target", "nan"], "--highest-target must lie in 0.001 ... 10.0 (got nan)"),
        (["--variation", "1"], "--variation must lie in 0.0 ... 0.9 (got 1.0)"),
        (["--diversity", "-1"], "--diversity must lie in 0.0 ... 0.9 (got -1.0)"),
        (["--move-k", "nan"], "--move-k must lie in 0.0 ... 1000.0 (got nan)"),
        (["--budget", "0"], "--budget must lie in 1 ... 1000000000000 (got 0)"),
        (["--seed", "-1"], "--seed must lie in 0 ... 4294967295 (got -1)"),
        (["--jobs", "0"], "--jobs must lie in 1 ... 10000 (got 0)"),
        (["--board", "pc"], "board must be one of hikey960, hikey970, jetson-nano, "),
        (["--cooling", "water"], "--cooling must be one of fan, passive, "),
        (["--applications", "doom"], "application must be a suite (cbench, parsec), a suite file"),
    ],
)
def test_what_cannot_be_drawn_or_solved_is_told_in_one_line(
    ilgov: Ilgov, tmp_path: Path, words: list[str], message: str
) -> None:
    """And what stood at the output before is still there."""
    out = tmp_path / "joint.parquet"
    out.write_text("mine")
    code, stdout, stderr = ilgov("oracle", "joint", "--out", out, *words)
    assert (2, "") == (code, stdout)
    assert stderr.startswith(f"ilgov: error: {message}")
    assert 1 == stderr.count("\n")
    assert ("mine", [out]) == (out.read_text(), list(tmp_path.iterdir()))


def test_a_killed_sweep_goes_on_and_ends_with_the_bytes_of_one_worker(tmp_path: Path) -> None:
    """SIGKILL to the whole group while two workers solve: as when memory runs out."""
    undisturbed, out = tmp_path / "undisturbed.parquet", tmp_path / "killed.parquet"
    words = ("oracle", "joint", "--scenarios", 600, "--seed", 3)
    with started(*words, "--out", undisturbed, "--jobs", 1) as command:
        assert 0 == command.process.wait()
    words = (*words, "--out", out, "--jobs", 2, "--shard-size", 15)
    with started(*words) as command:
        command.wait_until(lambda: len(list(tmp_path.glob("*/shard-*"))) >= 3, "three shards")
        code, _, _ = command.send(signal.SIGKILL)
        assert -signal.SIGKILL == code
        assert command.leaves_nobody()
    assert not out.exists()
    kept = len(list(tmp_path.glob("*/shard-*")))
    assert 3 <= kept < 40
    with started(*words) as command:
        stdout, stderr = command.process.communicate()
    assert (0, "") == (command.process.returncode, stderr)
    assert stdout.endswith(f"; {kept} of 40 shards taken over\n")
    assert undisturbed.read_bytes() == out.read_bytes()
    assert {undisturbed, out} == set(tmp_path.iterdir())
