"""Tests of ``ilgov demo``: what is still true is kept, what is not is made again, with a reason.

The commands that it calls are stood in for; they have tests of their own.
"""

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from rm import demo
from tests.conftest import Ended

Ilgov = Callable[..., Ended]


class FakeCommands:
    """Commands that write down their words as their output."""

    def __init__(self) -> None:
        """None was called, and all will do well."""
        self.called: list[str] = []
        self.shown: list[Path] = []
        self.fails_at = ""

    def __call__(self, command: list[str]) -> int:
        """Write the output that the command line names."""
        self.called.append(command[0])
        if command[0] == self.fails_at:
            return 130
        if "--out" in command:
            words = [word for word in command if word not in {"--jobs", "1", "2"}]
            Path(command[command.index("--out") + 1]).write_text(" ".join(words))
        return 0


@pytest.fixture
def commands(monkeypatch: pytest.MonkeyPatch) -> FakeCommands:
    """Fake commands in place of the real ones."""
    fake = FakeCommands()
    monkeypatch.setattr(demo, "_ilgov", fake)
    monkeypatch.setattr(demo, "_show_results", fake.shown.append)
    return fake


WHOLE_WAY = ["board", "trace", "oracle", "trace", "oracle", "train", "evaluate"]


def test_the_whole_way_is_walked_and_every_command_line_shown(
    ilgov: Ilgov, commands: FakeCommands, tmp_path: Path
) -> None:
    """A user can repeat each step by hand."""
    out = tmp_path / "new"
    code, stdout, _ = ilgov("demo", "--out", out, "--jobs", "1")
    assert (0, WHOLE_WAY) == (code, commands.called)
    assert (
        f"[3/7] ilgov oracle labels --traces {out}/traces.parquet "
        f"--out {out}/demonstrations.parquet\n"
    ) in stdout
    assert stdout.endswith(f"report: {out}/evaluation/report.html\n")


def test_a_second_run_makes_nothing_again(
    ilgov: Ilgov, commands: FakeCommands, tmp_path: Path
) -> None:
    """Neither does another number of processes, which changes no result."""
    ilgov("demo", "--out", tmp_path, "--jobs", "1")
    commands.called.clear()
    code, stdout, _ = ilgov("demo", "--out", tmp_path, "--jobs", "2")
    assert (0, ["board"]) == (code, commands.called)
    assert 6 == stdout.count("kept: ")
    assert [tmp_path / "evaluation"] == commands.shown


@pytest.mark.parametrize(
    ("spoil", "expected_reason"),
    [
        (lambda path: path.unlink(), "traces.parquet is gone"),
        (lambda path: path.write_text("edited"), "traces.parquet was changed since"),
    ],
)
def test_a_lost_or_edited_output_is_made_again_and_the_rest_kept(
    ilgov: Ilgov,
    commands: FakeCommands,
    tmp_path: Path,
    spoil: Callable[[Path], None],
    expected_reason: str,
) -> None:
    """What comes out as before needs nothing new behind it."""
    ilgov("demo", "--out", tmp_path)
    commands.called.clear()
    spoil(tmp_path / "traces.parquet")
    _, stdout, _ = ilgov("demo", "--out", tmp_path)
    assert ["board", "trace"] == commands.called
    assert f"made again: {expected_reason}" in stdout


def test_another_command_line_makes_all_that_hangs_on_it_again(
    ilgov: Ilgov, commands: FakeCommands, tmp_path: Path
) -> None:
    """The quick demo's traces are no traces of the full one."""
    ilgov("demo", "--out", tmp_path, "--quick")
    commands.called.clear()
    _, stdout, _ = ilgov("demo", "--out", tmp_path)
    assert ["board", "trace"] == commands.called[:2]
    assert "made again: the command line is another\n" in stdout


@pytest.mark.parametrize(
    ("part", "reason"),
    [
        ("data_digest", "board or application files have changed"),
        ("source_digest", "ilgov itself has changed"),
    ],
)
def test_changed_data_or_code_make_everything_again(
    ilgov: Ilgov,
    commands: FakeCommands,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    part: str,
    reason: str,
) -> None:
    """A report of yesterday's code is no report of today's."""
    ilgov("demo", "--out", tmp_path)
    commands.called.clear()
    monkeypatch.setattr(demo, part, lambda: "other")
    _, stdout, _ = ilgov("demo", "--out", tmp_path)
    assert WHOLE_WAY == commands.called
    assert 6 == stdout.count(f"made again: {reason}\n")


def test_fresh_makes_everything_again(ilgov: Ilgov, commands: FakeCommands, tmp_path: Path) -> None:
    """For those who do not trust the above."""
    ilgov("demo", "--out", tmp_path)
    commands.called.clear()
    ilgov("demo", "--out", tmp_path, "--fresh")
    assert WHOLE_WAY == commands.called


def test_a_failed_step_ends_the_demo_with_its_code_and_is_begun_again(
    ilgov: Ilgov, commands: FakeCommands, tmp_path: Path
) -> None:
    """Ctrl-C in a step is such a failure; the step's unfinished work stays for the next run."""
    commands.fails_at = "trace"
    assert 130 == ilgov("demo", "--out", tmp_path).code
    assert ["board", "trace"] == commands.called
    (tmp_path / "traces.parquet.parts").mkdir()
    commands.fails_at = ""
    _, stdout, _ = ilgov("demo", "--out", tmp_path)
    assert "made again: interrupted last time\n" in stdout
    assert (tmp_path / "traces.parquet.parts").exists()


def test_unfinished_work_of_another_command_line_is_removed(
    ilgov: Ilgov, commands: FakeCommands, tmp_path: Path
) -> None:
    """Parts that other code recorded must not get into the traces."""
    ilgov("demo", "--out", tmp_path, "--quick")
    parts = tmp_path / "traces.parquet.parts-0123"
    parts.mkdir()
    (parts / "part").touch()
    ilgov("demo", "--out", tmp_path)
    assert not parts.exists()


def test_a_folder_of_something_else_is_left_alone(
    ilgov: Ilgov, commands: FakeCommands, tmp_path: Path
) -> None:
    """Its files might bear the same names."""
    (tmp_path / "traces.parquet").write_text("mine")
    code, _, stderr = ilgov("demo", "--out", tmp_path)
    assert (2, []) == (code, commands.called)
    assert f"ilgov: error: {tmp_path}: must be a new or empty folder" in stderr
    assert "mine" == (tmp_path / "traces.parquet").read_text()


@pytest.mark.parametrize("text", ["{", "[]", json.dumps({"record": {"output": 3}})])
def test_a_damaged_manifest_is_a_users_mistake(
    ilgov: Ilgov, commands: FakeCommands, tmp_path: Path, text: str
) -> None:
    """The message names the file and the way out."""
    (tmp_path / "steps.json").write_text(text)
    code, _, stderr = ilgov("demo", "--out", tmp_path)
    assert 2 == code
    assert re.search(r"steps\.json: must be what an earlier run left there .*choose", stderr)
