"""Training jobs under the real daemon on a fake root: governed, held, and each party killed."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from rm.client import Line
from rm.daemon.status import TrainingStatus
from rm.training_client import Trainer
from tests.rm.daemon.running_daemon import PATIENCE_S, ROOT, RunningDaemon
from tests.rm.training_capability import KNOBS, capability

GROUP = "/sys/fs/cgroup/ilgov/job-1"
SECTIONS = (
    '[log]\ndecisions = "/log.jsonl"\n[safety]\nwell_for_s = 0.5\nstale_after_s = 0.5\n'
    "critical_c = 85.0\n[training]\nexpiry_s = 60.0\n"
)
"""Doubts come and go fast; a busy machine must not make a job seem silent."""


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[RunningDaemon]:
    """A daemon that governs, and a process that will train."""
    with RunningDaemon(tmp_path, sections=SECTIONS) as made:
        made.root.add_process(100)
        made.before = made.root.snapshot()
        yield made.start()


@pytest.fixture
def ending() -> Iterator[contextlib.ExitStack]:
    """What is to be done when a test ends, however it does."""
    with contextlib.ExitStack() as stack:
        yield stack


def trainer(daemon: RunningDaemon, **more: Any) -> Trainer:
    """One that speaks for the fake process."""
    return Trainer(
        capability(), name="tiny", pid=100, socket_path=daemon.socket, patience_s=20.0, **more
    )


def job(daemon: RunningDaemon) -> TrainingStatus:
    """The only job."""
    (found,) = daemon.status().training
    return found


def group(daemon: RunningDaemon, name: str) -> str | None:
    """What a file of the job's group says."""
    return daemon.root.snapshot().get(f"{GROUP}/{name}")


def decisions(daemon: RunningDaemon) -> list[dict[str, Any]]:
    """The decision log."""
    return [json.loads(line) for line in (daemon.root.path / "log.jsonl").read_text().splitlines()]


@contextlib.contextmanager
def training_process(daemon: RunningDaemon, folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A training loop of its own."""
    running = subprocess.Popen(
        [
            sys.executable,
            "-m",
            "tests.rm.daemon.training_process",
            str(daemon.socket),
            "100",
            str(folder / "steps"),
        ],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
    )
    try:
        yield running
    finally:
        running.kill()
        running.wait()


def steps(folder: Path) -> list[dict[str, Any]]:
    """What it has done so far, whole lines only."""
    if not (folder / "steps").exists():
        return []
    lines = (folder / "steps").read_text().splitlines(keepends=True)
    return [json.loads(line) for line in lines if line.endswith("\n")]


# --- all is well --------------------------------------------------------------------------------


def test_a_job_is_granted_held_to_it_shown_and_let_go(daemon: RunningDaemon) -> None:
    """From the first round to the last knob."""
    with trainer(daemon) as made:
        assert made.begin_round(samples=2000, deadline_s=60.0, number=7).meets
        grant = made.wait()
        assert grant.number > 0
        assert grant.cores
        daemon.wait_until(lambda: group(daemon, "cgroup.procs") == "100", "its group")
        assert group(daemon, "cpuset.cpus") == ",".join(map(str, grant.cores)).replace(
            "0,1,2,3", "0-3"
        )
        while job(daemon).samples < 10 * grant.knobs["batch"]:
            time.sleep(0.02)
            made.step(samples=grant.knobs["batch"], loss=1.5)
        shown = job(daemon)
        assert ("tiny", 100, "granted", 1.5) == (shown.name, shown.pid, shown.state, shown.loss)
        assert grant.knobs == shown.knobs
        assert shown.round is not None
        assert (7, 2000.0, True) == (shown.round.number, shown.round.samples, shown.round.meets)
    daemon.wait_until(lambda: group(daemon, "cgroup.procs") is None, "no group")
    granted = next(line for line in decisions(daemon) if line["grants"])
    assert [(1, grant.knobs, list(grant.cores))] == [
        (one["id"], one["knobs"], one["cores"]) for one in granted["grants"]
    ]
    assert "round 7 of job 1 begins" in granted["grants_reason"]
    assert 0 == daemon.end()
    assert {} == daemon.changes()


# --- somebody is killed -------------------------------------------------------------------------


def test_a_training_process_that_is_killed_loses_its_grant(
    daemon: RunningDaemon, tmp_path: Path
) -> None:
    """Its group too; the daemon goes on."""
    with training_process(daemon, tmp_path) as running:
        daemon.wait_until(lambda: len(steps(tmp_path)) > 5, "some steps")
        assert "granted" == job(daemon).state
        running.send_signal(signal.SIGKILL)
        daemon.wait_until(lambda: not daemon.status().training, "the job's end")
    daemon.wait_until(lambda: group(daemon, "cgroup.procs") is None, "no group")
    assert "its client is gone" in daemon.log
    assert 0 == daemon.end()
    assert {} == daemon.changes()


def test_training_outlives_a_daemon_that_is_killed_and_comes_back_to_the_next(
    daemon: RunningDaemon, tmp_path: Path
) -> None:
    """By its last grant meanwhile; what it did of the round is known, and counted once."""
    with training_process(daemon, tmp_path):
        daemon.wait_until(lambda: len(steps(tmp_path)) > 5, "some steps")
        daemon.end(signal.SIGKILL)
        before = len(steps(tmp_path))
        end_s = time.monotonic() + PATIENCE_S
        while len(steps(tmp_path)) < before + 20:
            assert time.monotonic() < end_s
            time.sleep(0.02)
        alone = steps(tmp_path)[-1]
        assert alone["alone"]
        assert steps(tmp_path)[before - 1]["cores"] == alone["cores"]
        daemon.start()
        daemon.wait_until(lambda: bool(daemon.status().training), "the job")
        daemon.wait_until(lambda: job(daemon).state == "granted", "its grant")
        daemon.wait_until(lambda: job(daemon).samples > 0, "its progress")
        seen = job(daemon)
        done = sum(_reference(step) for step in steps(tmp_path))
        assert seen.round is not None
        assert 1e5 == seen.round.samples
        assert done - 20 * 64 < seen.round.done <= done
    assert 0 == daemon.end()
    assert {} == daemon.changes()


def _reference(step: dict[str, Any]) -> float:
    """Samples in reference samples: the root of two more for twice the batch."""
    return float(16.0 * (step["samples"] / 16.0) ** 0.5) if "samples" in step else 0.0


# --- nobody governs -----------------------------------------------------------------------------


def test_while_the_kernel_has_the_board_jobs_go_on_and_none_is_held(daemon: RunningDaemon) -> None:
    """With its sensor back a job is where it was."""
    with trainer(daemon) as made:
        made.begin_round(samples=1e5, deadline_s=1000.0)
        grant = made.wait()
        daemon.wait_until(lambda: group(daemon, "cgroup.procs") == "100", "its group")
        daemon.root.set_temp("cls0", None)
        daemon.wait_until(lambda: daemon.status().state == "hands-off", "hands-off")
        daemon.wait_until(lambda: group(daemon, "cgroup.procs") is None, "no group")
        for _ in range(5):
            time.sleep(0.2)
            assert (grant.cores, 0.0) == made.step(samples=16)[3::2]
        assert "granted" == job(daemon).state
        daemon.root.set_temp("cls0", 45.0)
        daemon.wait_until(lambda: daemon.status().state == "normal", "normal")
        daemon.wait_until(lambda: group(daemon, "cgroup.procs") == "100", "its group again")


def test_a_dry_run_tells_jobs_not_to_obey(tmp_path: Path) -> None:
    """It shows what it would do, and does nothing."""
    with RunningDaemon(tmp_path, arguments=["--dry-run"]) as daemon:
        daemon.root.add_process(100)
        daemon.before = daemon.root.snapshot()
        daemon.start()
        with trainer(daemon) as made:
            made.begin_round(samples=1e5, deadline_s=1000.0)
            daemon.wait_until(lambda: job(daemon).state == "granted", "a grant")
            time.sleep(0.2)
            assert (0, KNOBS[0]) == made.step(samples=16)[::2][:2]
            assert {} == daemon.changes()
        assert 0 == daemon.end()


# --- who does not obey --------------------------------------------------------------------------


class Disobedient:
    """A job that trains on whatever it is told."""

    def __init__(self, daemon: RunningDaemon) -> None:
        self._line = Line(str(daemon.socket))
        limits = {"grace_s": 0.2}
        self.say("train", name="mule", pid=100, capability=capability(), limits=limits)
        self.say("round", number=1, samples=1e6, deadline_s=1000.0)

    def say(self, kind: str, **fields: Any) -> dict[str, Any]:
        """The answer."""
        end_s = time.monotonic() + PATIENCE_S
        return self._line.ask({"type": kind, **fields}, lambda: end_s - time.monotonic())

    def trains(self) -> str:
        """A step; the state that it is in after it."""
        return str(self.say("progress", samples=1.0)["state"])

    def close(self) -> None:
        """Hang up."""
        self._line.close()


def test_a_job_that_does_not_pause_is_frozen_and_goes_on_with_its_next_grant(
    daemon: RunningDaemon, ending: contextlib.ExitStack
) -> None:
    """It gets too hot for training."""
    mule = Disobedient(daemon)
    ending.callback(mule.close)
    daemon.wait_until(lambda: mule.trains() == "granted", "a grant")
    daemon.root.set_temp("cls0", 86.0)
    daemon.wait_until(lambda: mule.trains() == "revoking", "its end")
    daemon.wait_until(lambda: group(daemon, "cgroup.freeze") == "1", "a frozen group")
    assert "frozen" == job(daemon).held_by
    assert "must have paused by now, and is frozen" in daemon.log
    assert any(not one["cores"] for line in decisions(daemon) for one in line["grants"])
    daemon.root.set_temp("cls0", 45.0)
    daemon.wait_until(lambda: group(daemon, "cgroup.freeze") == "0", "a thawed group")
    daemon.wait_until(lambda: job(daemon).state == "granted", "a grant")
    assert job(daemon).held_by is None
    mule.close()
    daemon.wait_until(lambda: not daemon.status().training, "the job's end")
    assert 0 == daemon.end()
    assert {} == daemon.changes()


# --- who may ------------------------------------------------------------------------------------


def test_a_reload_that_lets_no_jobs_in_ends_them_and_another_lets_them_in_again(
    daemon: RunningDaemon,
) -> None:
    """Training goes on by itself meanwhile."""
    with trainer(daemon) as made:
        made.begin_round(samples=1e5, deadline_s=1000.0)
        made.wait()
        text = daemon.config.read_text()
        daemon.config.write_text(text + "enabled = false\n")
        assert daemon.process is not None
        daemon.process.send_signal(signal.SIGHUP)
        daemon.wait_until(lambda: not daemon.status().training, "no job")
        assert "training.enabled must be true" in (daemon.status().training_refused or "")
        end_s = time.monotonic() + PATIENCE_S
        while "training.enabled must be true" not in (made.problem or ""):
            assert time.monotonic() < end_s
            time.sleep(0.05)
            made.step(samples=16)
        daemon.config.write_text(text)
        daemon.process.send_signal(signal.SIGHUP)
        daemon.wait_until(lambda: daemon.status().training_refused is None, "jobs let in")


def test_a_policy_that_cannot_tell_what_applications_need_lets_no_jobs_in(tmp_path: Path) -> None:
    """And says so."""
    with RunningDaemon(tmp_path, settings='policy = "gts-powersave"') as daemon:
        daemon.root.add_process(100)
        daemon.start()
        with trainer(daemon) as made:
            why = "policy must be one that can say what applications ask for, such as ilgov"
            assert f"{why} (got gts-powersave)" == made.problem == daemon.status().training_refused
