"""Tests of timing decisions: the clock sees all of a decision and nothing else."""

import itertools
from typing import cast

import numpy as np
import pytest

from platforms.platform import Migration, Observation
from rm.evaluation.stopwatch import DecisionTimes, ReferencePass, TimedPolicy
from rm.evaluation.timing import policy_times

SEEN = cast(Observation, object())


class Clock:
    """A clock that stands still until somebody works."""

    def __init__(self) -> None:
        """At zero."""
        self.now_s = 0.0

    def __call__(self) -> float:
        """The time."""
        return self.now_s


class Slow:
    """A policy whose decisions take 3 ms and 1 ms, every hundredth a hundred times as long."""

    name = "slow"

    def __init__(self, clock: Clock) -> None:
        """It works on this clock."""
        self._clock = clock
        self._numbers = itertools.count(1)

    def migrate(self, observation: Observation) -> tuple[Migration, ...]:
        """One move."""
        assert observation is SEEN
        self._clock.now_s += 0.3 if next(self._numbers) % 50 == 0 else 0.003
        return (Migration(7, (3,)),)

    def scale(self, observation: Observation) -> tuple[int, ...]:
        """Some points."""
        assert observation is SEEN
        self._clock.now_s += 0.001
        return (1, 2)


def test_decisions_are_passed_on_and_timed_apart_from_the_reference() -> None:
    """Medians, and the seldom long ones in the 99th percentile."""
    clock = Clock()

    def reference() -> None:
        clock.now_s += 0.002

    policy = TimedPolicy(Slow(clock), clock=clock, reference=reference)
    for _ in range(100):
        assert (Migration(7, (3,)),) == policy.migrate(SEEN)
        assert (1, 2) == policy.scale(SEEN)
    times = policy.times(cooling="fan", seed=4)
    assert ("slow", "fan", 4) == (times.policy, times.cooling, times.seed)
    assert pytest.approx([0.003, 0.3, 0.001, 0.001, 0.002], rel=0.02) == [
        times.migrate_median_s,
        times.migrate_p99_s,
        times.scale_median_s,
        times.scale_p99_s,
        times.reference_median_s,
    ]


def test_nothing_decided_took_no_time() -> None:
    """An episode may be over before the first decision."""
    times = TimedPolicy(Slow(Clock())).times(cooling="fan", seed=0)
    assert 0.0 == times.migrate_median_s == times.scale_p99_s == times.reference_median_s
    assert 0.0 == policy_times([times])[0].migrate_median_ratio


def test_the_reference_is_a_pass_through_topils_network_for_eight_applications() -> None:
    """What it is called; its scores are finite numbers, not all alike."""
    scores = ReferencePass()()
    assert (8, 8) == scores.shape
    assert np.float32 == scores.dtype
    assert np.isfinite(scores).all()
    assert scores.std() > 0


def test_a_policys_times_are_medians_over_its_episodes_and_multiples_of_the_reference() -> None:
    """One episode on a busy machine must not decide."""
    episodes = [
        DecisionTimes(
            policy="topil",
            cooling="fan",
            seed=seed,
            migrate_median_s=median_s,
            migrate_p99_s=10 * median_s,
            scale_median_s=1e-6,
            scale_p99_s=2e-6,
            reference_median_s=1e-5,
        )
        for seed, median_s in enumerate((3e-5, 2e-5, 9e-2))
    ]
    (row,) = policy_times(episodes)
    assert ("topil", 3) == (row.policy, row.episodes)
    assert pytest.approx([0.03, 0.3, 3.0, 30.0]) == [
        row.migrate_median_ms,
        row.migrate_p99_ms,
        row.migrate_median_ratio,
        row.migrate_p99_ratio,
    ]
    assert pytest.approx([0.1, 0.2]) == [row.scale_median_ratio, row.scale_p99_ratio]
