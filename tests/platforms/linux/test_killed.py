"""Tests with a real process that is killed with SIGKILL while it steers, at random moments."""

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from platforms.linux.knobs.system_calls import calls_for
from tests.platforms.linux.fake_root import FakeKernel, FakeRoot
from tests.platforms.linux.writing import LITTLE, journal_path, restored

CHILD = Path(__file__).with_name("steering_child.py")


@pytest.fixture
def root(tmp_path: Path) -> FakeRoot:
    """A root whose owner has made some choices, with ten processes of three threads."""
    root = FakeRoot(tmp_path)
    root.write(f"{LITTLE}/scaling_governor", "ondemand")
    root.write(f"{LITTLE}/scaling_min_freq", "1018000")
    for pid in range(100, 200, 10):
        root.add_process(pid, threads=3)
    calls_for(root.path).set_affinity(111, {2, 3})
    return root


def start(root: FakeRoot, seed: int) -> subprocess.Popen[bytes]:
    """Start a daemon that steers at random."""
    words = [sys.executable, str(CHILD), str(root.path), str(seed)]
    return subprocess.Popen(words, stdout=subprocess.PIPE)


def kill_while_steering(root: FakeRoot, seed: int, *, after_s: float) -> None:
    """Start a daemon, wait until it steers, kill it some time later."""
    with start(root, seed) as child:
        assert child.stdout is not None
        assert b"steering\n" == child.stdout.readline()
        time.sleep(after_s)
        assert child.poll() is None
        os.kill(child.pid, signal.SIGKILL)


@pytest.mark.parametrize("seed", range(6))
def test_killed_at_any_moment_everything_is_restored(root: FakeRoot, seed: int) -> None:
    """By ``ilgov restore``: every knob and the cores of every thread.

    Also what was journaled but not written yet: on a busy disk a kill often comes in between.
    """
    dice, before = random.Random(seed), root.snapshot()
    kernel = FakeKernel(root)
    with kernel:
        kill_while_steering(root, seed, after_s=dice.uniform(0.0, 0.05))
    left = root.snapshot()
    report = restored(root)
    assert () == report.problems
    assert before == root.snapshot()
    assert not journal_path(root).exists()
    assert before == left or report.restored > 0


def test_killed_again_and_again_the_first_values_come_back(root: FakeRoot) -> None:
    """Each start undoes what the one before has left; some are killed before they have."""
    dice, before = random.Random(7), root.snapshot()
    with FakeKernel(root):
        for seed in range(4):
            kill_while_steering(root, seed, after_s=dice.uniform(0.0, 0.03))
            with start(root, seed) as child:  # killed at its start, most likely
                time.sleep(dice.uniform(0.02, 0.25))
                os.kill(child.pid, signal.SIGKILL)
    assert () == restored(root).problems
    assert before == root.snapshot()


def test_while_it_lives_nothing_is_restored(root: FakeRoot) -> None:
    """Its lock is let go by the kernel, whatever kills it."""
    with start(root, 0) as child:
        assert child.stdout is not None
        child.stdout.readline()
        with pytest.raises(OSError, match="another ilgov holds it"):
            restored(root)
        os.kill(child.pid, signal.SIGKILL)
    assert () == restored(root).problems
