"""Tests of when training jobs are let in, and within which limits."""

import math
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from platforms.platform import Migration, Observation, TrainingGrant
from rm.daemon.configuration.settings import Configuration, SafetySettings, TrainingSettings
from rm.daemon.training.governed import (
    BELOW_CRITICAL_K,
    OnDemand,
    limits_for,
    with_training,
)
from rm.policies.registry import PolicyContext, policy_factory
from rm.training.jobs import TrainingJobs
from tests.platforms.linux.fake_root import FakeRoot
from tests.rm.readings import HIKEY, observation
from tests.rm.training_capability import typed_capability

START = Configuration(board="hikey970", safety=SafetySettings(critical_c=85.0))


def governed(name: str, configuration: Configuration) -> Any:
    """What becomes of a policy."""
    policy = policy_factory(name)(PolicyContext(HIKEY, None))  # type: ignore[arg-type]
    return policy, with_training(policy, HIKEY, TrainingJobs(HIKEY), configuration, Path("/none"))


def test_ilgov_lets_jobs_in() -> None:
    """It can say what applications ask for."""
    inner, (policy, refusal) = governed("ilgov", START)
    assert refusal is None
    assert policy is not inner
    assert callable(policy.train)


def test_without_jobs_it_listens_twice_a_second_and_decides_as_the_policy_inside() -> None:
    """Boards without training pay nothing for it."""
    heard: list[str] = []

    class Governing:
        name = "governing"
        last_reason = "because"

        def migrate(self, seen: Observation) -> tuple[Migration, ...]:
            heard.append("migrate")
            return ()

        def scale(self, seen: Observation) -> tuple[int, ...]:
            heard.append("scale")
            return (1, 1)

        def train(self, seen: Observation) -> tuple[TrainingGrant, ...]:
            heard.append("train")
            return (TrainingGrant(1, 0, (0,)),)

        def accelerate(self, seen: Observation) -> tuple[int | None, ...]:
            heard.append("accelerate")
            return (2,)

    jobs = TrainingJobs(HIKEY)
    inner = policy_factory("gts-powersave")(PolicyContext(HIKEY, None))  # type: ignore[arg-type]
    policy = OnDemand(Governing(), inner, jobs)
    seen = observation()
    assert ((), (0, 0), (), ()) == (
        policy.migrate(seen),
        policy.scale(seen),
        policy.train(seen),
        policy.accelerate(seen),
    )
    assert ["migrate"] == heard
    jobs.register(typed_capability(), name="tiny", now_s=0.0)
    assert (1, 1) == policy.scale(seen)
    assert ((TrainingGrant(1, 0, (0,)),), (2,)) == (policy.train(seen), policy.accelerate(seen))
    assert ("governing", "because") == (policy.name, policy.last_reason)


@pytest.mark.parametrize("where", ["migrate", "scale", "train", "accelerate"])
def test_where_governing_training_fails_applications_are_governed_as_ever(where: str) -> None:
    """And training pauses, until the jobs that there are have ended."""

    class Failing:
        name = "failing"
        fails = True

        def _perhaps(self, what: str) -> None:
            if self.fails and what == where:
                raise ZeroDivisionError(what)

        def migrate(self, seen: Observation) -> tuple[Migration, ...]:
            self._perhaps("migrate")
            return ()

        def scale(self, seen: Observation) -> tuple[int, ...]:
            self._perhaps("scale")
            return (1, 1)

        def train(self, seen: Observation) -> tuple[TrainingGrant, ...]:
            self._perhaps("train")
            return ()

        def accelerate(self, seen: Observation) -> tuple[int | None, ...]:
            self._perhaps("accelerate")
            return (2,)

    jobs, governing, seen = TrainingJobs(HIKEY), Failing(), observation()
    inner = policy_factory("gts-powersave")(PolicyContext(HIKEY, None))  # type: ignore[arg-type]
    policy = OnDemand(governing, inner, jobs)
    job_id = jobs.register(typed_capability(), name="tiny", now_s=0.0)
    jobs.begin_round(job_id, number=1, samples=1e6, deadline_s=9.0, now_s=0.0)
    jobs.hand_out([TrainingGrant(job_id, 0, (0,))], 0.0)
    for _ in range(2):
        decided = (policy.migrate(seen), policy.scale(seen), policy.train(seen))
        clocks = policy.accelerate(seen)
    assert ((), (0, 0), (TrainingGrant(job_id, 0, ()),)) == decided
    assert () == clocks
    assert (policy.last_reason or "").startswith("training is not governed (ZeroDivisionError")
    jobs.end(job_id)
    governing.fails = False
    policy.scale(seen)
    jobs.register(typed_capability(), name="tiny", now_s=0.0)
    assert (1, 1) == policy.scale(seen)


@pytest.mark.parametrize(
    ("name", "training", "why"),
    [
        ("ilgov", TrainingSettings(enabled=False), "training.enabled must be true in the"),
        ("gts-powersave", TrainingSettings(), "policy must be one that can say what applications"),
    ],
)
def test_the_others_let_none_in_and_say_why(
    name: str, training: TrainingSettings, why: str
) -> None:
    """Applications are governed as ever."""
    inner, (policy, refusal) = governed(name, replace(START, training=training))
    assert policy is inner
    assert refusal is not None
    assert refusal.startswith(why)


def test_training_stays_below_the_failsafe_unless_it_is_told_otherwise(tmp_path: Path) -> None:
    """Its temperature is the kernel's where the configuration names none."""
    limits = limits_for(HIKEY, START, tmp_path)
    assert (85.0 - BELOW_CRITICAL_K, math.inf) == (limits.temp_c, limits.power_w)
    own = replace(START, training=TrainingSettings(temp_limit_c=70.0, power_limit_w=4.0))
    limits = limits_for(HIKEY, own, tmp_path)
    assert (70.0, 4.0) == (limits.temp_c, limits.power_w)
    root = FakeRoot(tmp_path / "root")
    by_kernel = limits_for(HIKEY, Configuration(board="hikey970"), root.path)
    assert 50.0 < by_kernel.temp_c < 110.0
