"""``ilgov board probe``: what it prints, what it writes, how it exits."""

import argparse
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from platforms.board_file import load_board
from platforms.commands import board
from platforms.errors import InvalidInput
from platforms.linux.probe.probe import probe
from rm.main import main
from tests.platforms.linux.described_machine import hide
from tests.platforms.linux.fake_root import FakeRoot

Command = Callable[..., tuple[int, str]]


@pytest.fixture
def command(capsys: pytest.CaptureFixture[str]) -> Command:
    """``ilgov board probe`` as a function of its arguments that gives exit code and stdout."""

    def run(*arguments: object) -> tuple[int, str]:
        parser = argparse.ArgumentParser()
        board(parser)
        args = parser.parse_args(["probe", *map(str, arguments)])
        code = args.run(args)
        return code, capsys.readouterr().out

    return run


@pytest.fixture
def root(tmp_path: Path) -> FakeRoot:
    """A HiKey 970."""
    return FakeRoot(tmp_path / "root")


def test_the_report_says_what_is_there(command: Command, root: FakeRoot) -> None:
    """One block for each kind of thing."""
    code, out = command("--root", root.path)
    assert 0 == code
    for line in (
        "HiKey970 (hisilicon,kirin970-hikey970, hisilicon,kirin970), Linux 6.12.0-arm64",
        "  big: 4 x cortex-a73, cores 4-7, cpufreq policy4, capacity 1024",
        "    9 operating points, 682 MHz at 0.68 V to 2362 MHz at 1.05 V",
        "  cls0: thermal_zone0, trips in degC: passive 65, passive 85, critical 110",
        "  cooling_device1: cpufreq-cpu4, states 0 to 8",
        "  ddrfreq (memory): 415, 830, 1866 MHz",
    ):
        assert line in out.splitlines()


def test_the_report_says_what_was_not_seen_and_what_stands_in_its_place(
    command: Command, root: FakeRoot
) -> None:
    """Aloud, not only in the file."""
    hide(root, "sys/kernel/debug")
    _, out = command("--root", root.path)
    lines = out.splitlines()
    at = lines.index("  voltages of policy4")
    assert "looked at: debugfs" in lines[at + 1]
    assert "instead:   0.70 V at the lowest point" in lines[at + 2]
    assert "way out:   mount -t debugfs" in lines[at + 3]
    assert any(line.startswith("  clusters.big.opps.volt_v: 0.70 V") for line in lines)


def test_a_known_machine_is_told_to_use_the_shipped_board(command: Command, root: FakeRoot) -> None:
    """Its power and heat are better known there."""
    _, out = command("--root", root.path)
    assert "the shipped board hikey970" in out


def test_the_written_file_is_a_board_file(command: Command, root: FakeRoot, tmp_path: Path) -> None:
    """It reads back as what was probed, and says where it comes from."""
    out = tmp_path / "new" / "board.toml"
    code, printed = command("--root", root.path, "--out", out, "--name", "mine")
    assert 0 == code
    assert probe(root.path, name="mine").board == load_board(str(out))
    assert out.read_text("utf-8").startswith("# HiKey970: written by 'ilgov board probe' on Linux")
    assert f"board file written to {out}" in printed


def test_a_complete_board_replaces_an_older_file(
    command: Command, root: FakeRoot, tmp_path: Path
) -> None:
    """As a whole."""
    out = tmp_path / "board.toml"
    out.write_text("old", "utf-8")
    command("--root", root.path, "--out", out)
    assert "hikey970" == load_board(str(out)).name


def test_an_incomplete_board_replaces_nothing(
    command: Command, root: FakeRoot, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """What was seen is still told, and the error says what to do."""
    out = tmp_path / "board.toml"
    out.write_text("old", "utf-8")
    for core in (4, 5, 6, 7):
        root.unplug(core)
    with pytest.raises(InvalidInput, match="bring all cores online"):
        command("--root", root.path, "--out", out)
    assert "old" == out.read_text("utf-8")
    assert [out] == [path for path in tmp_path.iterdir() if path.is_file()]
    assert "4 x cortex-a53, cores 0-3" in capsys.readouterr().out


def test_json_holds_the_whole_report_and_the_board(command: Command, root: FakeRoot) -> None:
    """For machines."""
    _, out = command("--root", root.path, "--json")
    said = json.loads(out)
    assert said["complete"]
    assert [] == said["problems"]
    assert "hikey970" == said["shipped_board"] == said["board"]["name"]
    assert ["little", "big"] == [cluster["name"] for cluster in said["clusters"]]
    assert {"what", "looked_at", "instead", "way_out"} == set(said["not_seen"][0])
    assert {"key", "why"} == set(said["assumed"][0])
    assert 85.0 == said["thermal_zones"][0]["trips"][1]["temp_c"]


def test_json_of_a_machine_that_is_no_board_says_why(
    command: Command, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The document comes first, the error after it."""
    with pytest.raises(InvalidInput, match="must have cpufreq policies"):
        command("--root", tmp_path, "--json")
    said = json.loads(capsys.readouterr().out)
    assert not said["complete"]
    assert said["board"] is None
    assert 1 == len(said["problems"])


def test_the_help_says_what_it_does_and_how_it_ends(capsys: pytest.CaptureFixture[str]) -> None:
    """Options with defaults, exit codes."""
    assert 0 == main(["board", "probe", "--help"])
    text = capsys.readouterr().out
    for word in ("what board this machine is", "[/]", "assumed", "exit codes", "2    this machine"):
        assert word in text
