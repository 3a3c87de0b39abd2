"""One point is measured in a process of its own."""

import os

import pytest

from platforms.errors import InvalidInput
from training.federated.profile.stopwatch import timed

HERE = "tests.training.federated.profile.workers_of_tests"


def test_a_step_is_timed_and_weighed_in_a_process_of_its_own() -> None:
    """CPU time is counted beside the wall clock; the larger batch holds more."""
    core = (min(os.sched_getaffinity(0)),)
    small = timed(f"{HERE}:squares", {"batch": 1}, core, seconds=0.1)
    large = timed(f"{HERE}:squares", {"batch": 64}, core, seconds=0.1)
    for found in (small, large):
        assert 0 < found.wall_s
        assert 0 < found.cpu_s
        assert 5 <= found.steps
        assert 0 < found.undisturbed <= 1
        assert found.ended_s - found.began_s >= 0.1
    assert large.allocated_bytes - small.allocated_bytes > 16_000_000
    assert large.resident_bytes > small.resident_bytes > 50_000_000


def test_a_step_that_fails_says_why() -> None:
    """With the worker, its knobs and its own words."""
    message = (
        r"workers_of_tests:fails with {'batch': 3} must do a step \(RuntimeError: no batch of 3\)"
    )
    with pytest.raises(InvalidInput, match=message):
        timed(f"{HERE}:fails", {"batch": 3}, (0,), seconds=0.1)


def test_the_tiny_transformer_is_measured_at_each_depth() -> None:
    """Less depth takes less CPU time and keeps less; a model is built in the measured process."""
    core = (min(os.sched_getaffinity(0)),)
    whole = timed("tiny-4", {"batch": 16, "depth": 4}, core, seconds=0.3)
    head = timed("tiny-4", {"batch": 16, "depth": 1}, core, seconds=0.3)
    assert head.cpu_s < whole.cpu_s
    assert head.allocated_bytes < whole.allocated_bytes
