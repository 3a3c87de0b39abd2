"""Tests of ``ilgov restore``."""

import json
import os
from pathlib import Path

import pytest

from platforms.linux.clocks.actuators import SetSpeed
from platforms.linux.clocks.frequency_domain import find_domains
from platforms.linux.confinement.confinement import Confinement
from platforms.linux.knobs.system_calls import calls_for
from platforms.platform import TrainingGrant
from rm.main import main
from tests.platforms.linux.fake_root import FakeRoot
from tests.platforms.linux.writing import BIG, journal_path, key_of, open_journal, open_writer


@pytest.fixture
def root(tmp_path: Path) -> FakeRoot:
    """A HiKey 970 with a process of two threads."""
    root = FakeRoot(tmp_path)
    root.add_process(100, threads=2)
    return root


def leave_behind(root: FakeRoot) -> None:
    """A daemon steers the big cluster and a process, and is gone without a word."""
    writer = open_writer(root)
    speed = SetSpeed(find_domains(root.path)[1])
    speed.take(writer)
    speed.set(writer, 1_018_000_000)
    writer.place(key_of(root, 100), [100, 101], [5])
    root.settle()
    writer._journal.close()  # type: ignore[union-attr]


def run(root: FakeRoot, *words: str) -> int:
    """The exit code of ``ilgov restore`` on this root."""
    return main(["restore", "--root", str(root.path), *words])


def test_everything_reads_as_before(root: FakeRoot, capsys: pytest.CaptureFixture[str]) -> None:
    """And it says how much that was."""
    before = root.snapshot()
    leave_behind(root)
    assert before != root.snapshot()
    assert 0 == run(root)
    assert before == root.snapshot()
    assert "restored: 3 knobs and threads\n" == capsys.readouterr().out


def test_nothing_to_do_is_well(root: FakeRoot, capsys: pytest.CaptureFixture[str]) -> None:
    """As after a clean stop, when systemd calls it all the same."""
    assert 0 == run(root)
    assert "nothing to restore\n" == capsys.readouterr().out


def test_what_fails_is_named_and_makes_exit_code_1(
    root: FakeRoot, capsys: pytest.CaptureFixture[str]
) -> None:
    """On standard error; the rest is restored."""
    leave_behind(root)
    with root.refusing(f"{BIG}/scaling_governor"):
        assert 1 == run(root)
    shown = capsys.readouterr()
    assert "restored: 2 knobs and threads\n" == shown.out
    assert f"ilgov: not restored: {BIG}/scaling_governor must" in shown.err
    assert 0 == run(root)


def test_as_json_it_is_for_machines(root: FakeRoot, capsys: pytest.CaptureFixture[str]) -> None:
    """Counts, problems, and where the old values were."""
    leave_behind(root)
    assert 0 == run(root, "--json")
    expected = {"journal": str(journal_path(root)), "restored": 3, "gone": 0, "problems": []}
    assert expected == json.loads(capsys.readouterr().out)


def test_a_dry_run_tells_and_changes_nothing(
    root: FakeRoot, capsys: pytest.CaptureFixture[str]
) -> None:
    """In words."""
    leave_behind(root)
    before = root.snapshot()
    assert 0 == run(root, "--dry-run")
    assert before == root.snapshot()
    assert journal_path(root).exists()
    shown = capsys.readouterr().out
    assert f"would write 'schedutil' to {BIG}/scaling_governor\n" in shown
    assert "would let thread 101 of process 100 run on cores 0-7\n" in shown


def test_a_dry_run_as_json_has_every_value(
    root: FakeRoot, capsys: pytest.CaptureFixture[str]
) -> None:
    """By path, and by process and thread."""
    leave_behind(root)
    assert 0 == run(root, "--dry-run", "--json")
    shown = json.loads(capsys.readouterr().out)
    assert "schedutil" == shown["files"][f"{BIG}/scaling_governor"]
    assert {"100": {"100": "0-7", "101": "0-7"}} == shown["threads"]


def leave_a_job_behind(root: FakeRoot) -> None:
    """A daemon has frozen one training job in its group and stopped another, and is gone."""
    writer = open_writer(root)
    for number, kind in ((1, "cgroup"), (2, "affinity")):
        root.add_process(100 * number + 100)
        calls = calls_for(root.path)
        confined = Confinement(root.path, writer, calls, kind=kind)  # type: ignore[arg-type]
        key = key_of(root, 100 * number + 100)
        confined.confine(number, key, TrainingGrant(number, 0, (1,)))
        confined.pause(number)
    writer._journal.close()  # type: ignore[union-attr]


def test_a_dry_run_names_jobs_that_would_go_on(
    root: FakeRoot, capsys: pytest.CaptureFixture[str]
) -> None:
    """Out of their group, or continued; in words and as JSON."""
    leave_a_job_behind(root)
    assert 0 == run(root, "--dry-run")
    shown = capsys.readouterr().out
    assert "would move process 200 back to /sys/fs/cgroup\n" in shown
    assert "would remove /sys/fs/cgroup/ilgov/job-1\n" in shown
    assert "would let process 300 go on\n" in shown
    assert 0 == run(root, "--dry-run", "--json")
    shown_json = json.loads(capsys.readouterr().out)
    assert {"200": "/sys/fs/cgroup"} == shown_json["groups"]["/sys/fs/cgroup/ilgov/job-1"]
    assert [300] == shown_json["stopped"]
    assert 0 == run(root)
    assert not (root.path / "sys/fs/cgroup/ilgov").exists()


def test_a_dry_run_names_no_speed_that_was_never_set(
    root: FakeRoot, capsys: pytest.CaptureFixture[str]
) -> None:
    """Under schedutil there was none, so nothing would be written."""
    leave_behind(root)
    assert 0 == run(root, "--dry-run")
    assert "scaling_setspeed" not in capsys.readouterr().out


def test_a_dry_run_with_nothing_to_do_says_so(
    root: FakeRoot, capsys: pytest.CaptureFixture[str]
) -> None:
    """Rather than nothing."""
    assert 0 == run(root, "--dry-run")
    assert "nothing to restore\n" == capsys.readouterr().out


def test_another_state_folder_can_be_named(root: FakeRoot, tmp_path: Path) -> None:
    """As the daemon was told."""
    leave_behind(root)
    journal_path(root).parent.rename(tmp_path / "elsewhere")
    before = root.snapshot()
    assert 0 == run(root)
    assert before == root.snapshot()
    assert 0 == run(root, "--state-dir", str(tmp_path / "elsewhere"))
    assert "schedutil" == root.read(f"{BIG}/scaling_governor")


def test_a_running_daemon_is_left_alone(root: FakeRoot, capsys: pytest.CaptureFixture[str]) -> None:
    """The message says how to stop it."""
    journal = open_journal(root)
    assert 2 == run(root)
    assert "another ilgov holds it); stop that one first" in capsys.readouterr().err
    journal.close()


def test_a_journal_that_others_may_write_is_refused(
    root: FakeRoot, capsys: pytest.CaptureFixture[str]
) -> None:
    """Root would do what stands in it."""
    leave_behind(root)
    journal_path(root).chmod(0o666)
    before = root.snapshot()
    assert 2 == run(root)
    assert "chmod 600" in capsys.readouterr().err
    assert before == root.snapshot()


def test_a_folder_that_is_no_root_is_a_mistake(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Silence would look like success."""
    assert 2 == main(["restore", "--root", str(tmp_path)])
    assert "--root must be the root of a Linux system" in capsys.readouterr().err


def test_only_root_can_restore_the_machine(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Said before anything is tried."""
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert 2 == main(["restore"])
    assert "must be root (got user 1000); run: sudo ilgov restore" in capsys.readouterr().err


def test_the_help_is_a_manual(capsys: pytest.CaptureFixture[str]) -> None:
    """Options with defaults, exit codes, when it is needed."""
    assert 0 == main(["restore", "--help"])
    text = capsys.readouterr().out
    for word in ("--root", "[/]", "--state-dir", "--dry-run", "--json", "undo.jsonl", "exit codes"):
        assert word in text
    assert "1    something could not be restored" in text
