"""``ilgov doctor``: a line for each finding, and an exit code that tells."""

import argparse
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from rm.doctor_command import configure
from tests.platforms.linux.fake_root import FakeRoot
from tests.rm.doctor.examined import write_configuration

Command = Callable[..., tuple[int, str]]


@pytest.fixture
def command(capsys: pytest.CaptureFixture[str]) -> Command:
    """The command as a function of its arguments that gives exit code and stdout."""

    def run(*arguments: object) -> tuple[int, str]:
        parser = argparse.ArgumentParser()
        configure(parser)
        args = parser.parse_args(list(map(str, arguments)))
        code = args.run(args)
        return code, capsys.readouterr().out

    return run


@pytest.fixture
def root(tmp_path: Path) -> FakeRoot:
    """A HiKey 970 with a configuration."""
    root = FakeRoot(tmp_path)
    write_configuration(root, 'board = "hikey970"\n')
    return root


def test_a_healthy_machine_could_run_the_daemon(command: Command, root: FakeRoot) -> None:
    """Exit code 0, and each line begins with its verdict."""
    code, out = command("--root", root.path)
    assert 0 == code
    lines = [line for line in out.splitlines() if line and not line.startswith(" ")]
    assert {"ok", "degraded"} >= {line.split()[0] for line in lines[:-1]}
    assert lines[-1].startswith("the daemon could run here")


def test_a_machine_that_lacks_something_could_not(command: Command, root: FakeRoot) -> None:
    """Exit code 1; what it means and what to do stand below."""
    root.set_temp("cls0", None)
    code, out = command("--root", root.path)
    assert 1 == code
    lines = out.splitlines()
    at = next(i for i, line in enumerate(lines) if line.startswith("missing   sensor cls0"))
    assert "means: a blind sensor: ilgov keeps its hands off" == lines[at + 1].strip()
    assert lines[at + 2].strip().startswith("do:    cat ")
    assert lines[-1].startswith("the daemon could not run here: 1 missing")


def test_a_daemon_without_a_configuration_could_not_run(command: Command, tmp_path: Path) -> None:
    """As ``ilgov run`` says, whatever the machine is like."""
    code, out = command("--root", FakeRoot(tmp_path / "bare").path)
    assert 1 == code
    assert out.splitlines()[-1].startswith("the daemon could not run here: 1 missing")


def test_nothing_at_all_is_no_traceback(command: Command, tmp_path: Path) -> None:
    """An empty folder is the poorest machine."""
    code, out = command("--root", tmp_path)
    assert 1 == code
    assert "missing   cpufreq" in out


def test_json_holds_every_finding(command: Command, root: FakeRoot) -> None:
    """For machines."""
    code, out = command("--root", root.path, "--json")
    said = json.loads(out)
    assert (0, True) == (code, said["could_run"])
    subjects = {finding["subject"] for finding in said["findings"]}
    assert {"kernel", "rights", "cpufreq policy0", "sensor cls0", "PMU", "policy"} <= subjects
    assert {"subject", "verdict", "found", "means", "way_out"} == set(said["findings"][0])


def test_a_configuration_may_lie_elsewhere(
    command: Command, root: FakeRoot, tmp_path: Path
) -> None:
    """``--config`` names it; one that is not there is a finding, no error."""
    elsewhere = tmp_path / "mine.toml"
    elsewhere.write_text('board = "rk3588"\n', "utf-8")
    code, out = command("--root", root.path, "--config", elsewhere)
    assert 1 == code
    assert "rk3588: clusters must have the cores" in out
    code, out = command("--root", root.path, "--config", tmp_path / "nothing.toml")
    assert 1 == code
    assert "missing   configuration" in out


def test_looking_changes_nothing(command: Command, root: FakeRoot) -> None:
    """Neither a knob nor a folder."""
    tops = ("sys", "proc", "etc", "var", "run")
    before = root.snapshot(tops)
    command("--root", root.path)
    assert before == root.snapshot(tops)
