"""Tests of the watch over a policy: whatever it says, the governor goes on."""

import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from platforms.decision_check import decision_problems
from platforms.platform import (
    Decision,
    Migration,
    Observation,
    TrainingGrant,
    TrainingReading,
)
from rm.daemon.watched_policy import WatchedPolicy
from tests.rm.readings import HIKEY, observation, reading

SEEN = observation(reading(1, cores=(4,)), reading(2, cores=(0, 1), threads=2), opp_index=(2, 3))


class Says:
    """A policy that says what a test gives it: values, or functions that make or raise them."""

    name = "says"

    def __init__(self, migrate: Any = (), scale: Any = (0, 0)) -> None:
        self.moves = migrate
        self.opps = scale

    def migrate(self, seen: Observation) -> Any:
        """Anything."""
        return self.moves() if callable(self.moves) else self.moves

    def scale(self, seen: Observation) -> Any:
        """Anything."""
        return self.opps() if callable(self.opps) else self.opps


def watched(**said: Any) -> WatchedPolicy:
    """A watch over a policy that says this."""
    return WatchedPolicy(HIKEY, Says(**said))


def raising(error: Exception) -> Callable[[], Any]:
    """A function that fails."""

    def fail() -> Any:
        raise error

    return fail


def test_what_is_legal_is_passed_on() -> None:
    """And nothing is wrong."""
    policy = watched(migrate=(Migration(1, (5,)),), scale=(1, 4))
    assert (Migration(1, (5,)),) == policy.migrate(SEEN)
    assert (1, 4) == policy.scale(SEEN)
    assert ("says", None) == (policy.name, policy.problem)


def generator_that_fails() -> Iterator[int]:
    """One number, then a fault."""
    yield 1
    raise ZeroDivisionError("late")


@pytest.mark.parametrize(
    ("said", "told"),
    [
        (raising(RuntimeError("no")), "RuntimeError: no"),
        (raising(MemoryError()), "MemoryError"),
        (generator_that_fails, "ZeroDivisionError: late"),
        (None, "TypeError"),
        ((1,), "must have one entry for each of 2 clusters"),
        ((1, 99), "must be out of 0 ... 8 (got 99)"),
        ((-1, 0), "must be out of 0 ... 6 (got -1)"),
        ((1.0, 2.0), "TypeError"),
        ((math.nan, 0), "TypeError"),
        (("1", "2"), "TypeError"),
        (np.array([1.5, 2.0]), "TypeError"),
    ],
)
def test_operating_points_that_are_none_leave_the_present_ones(said: Any, told: str) -> None:
    """And the reason says what was wrong."""
    policy = watched(scale=said)
    assert (2, 3) == policy.scale(SEEN)
    assert (policy.problem or "").startswith("policy says: scale failed (")
    assert told in (policy.problem or "")


@pytest.mark.parametrize(
    "said",
    [
        raising(RuntimeError("no")),
        None,
        3,
        ((1, (5,)),),
        (Migration(1, (8,)),),
        (Migration(1, (-1,)),),
        (Migration(1, (4, 5)),),
        (Migration(2, (3, 4)),),
        (Migration(1, (4.0,)),),  # type: ignore[arg-type]
        (Migration(1, ("4",)),),  # type: ignore[arg-type]
        (Migration(1, None),),  # type: ignore[arg-type]
        (Migration("1", (4,)),),  # type: ignore[arg-type]
    ],
)
def test_migrations_that_cannot_be_are_none(said: Any) -> None:
    """Not one of them, and the reason is told."""
    policy = watched(migrate=said)
    assert () == policy.migrate(SEEN)
    assert (policy.problem or "").startswith("policy says: migrate failed (")


def test_numbers_of_numpy_become_pythons_own() -> None:
    """Others cannot be written into the decision log."""
    policy = watched(
        migrate=[Migration(np.int64(1), np.array([5]))],  # type: ignore[arg-type]
        scale=np.array([1, 4]),
    )
    (move,) = policy.migrate(SEEN)
    opps = policy.scale(SEEN)
    numbers = [move.application_id, *move.cores, *opps]
    assert [1, 5, 1, 4] == numbers
    assert {int} == {type(number) for number in numbers}
    assert policy.problem is None


anything = st.recursive(
    st.one_of(st.none(), st.integers(), st.floats(), st.text(max_size=3), st.booleans()),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.tuples(inner, inner),
        st.builds(Migration, inner, inner),
        st.dictionaries(st.integers(), inner, max_size=2),
    ),
    max_leaves=8,
)


@given(migrate=anything, scale=anything)
def test_whatever_a_policy_says_what_is_passed_on_is_legal(migrate: Any, scale: Any) -> None:
    """The board never sees nonsense."""
    policy = watched(migrate=migrate, scale=scale)
    decision = Decision(policy.migrate(SEEN), policy.scale(SEEN))
    assert [] == list(decision_problems(HIKEY, {1: 1, 2: 2}, decision))
    hash(decision)


def test_a_problem_stays_until_it_is_forgiven() -> None:
    """The guard looks at it once in a round; a good answer in between does not hide it."""
    policy = watched(migrate=raising(RuntimeError("no")), scale=(0, 0))
    policy.migrate(SEEN)
    policy.scale(SEEN)
    assert policy.problem is not None
    policy.forgive()
    assert policy.problem is None


def test_another_policy_begins_without_a_problem() -> None:
    """At a reload."""
    policy = watched(scale=None)
    policy.scale(SEEN)
    other = Says(scale=(1, 1))
    other.name = "other"
    policy.exchange(other)
    assert ("other", None, (1, 1)) == (policy.name, policy.problem, policy.scale(SEEN))


class Promising(Says):
    """A policy with a gain, which may fail to tell."""

    gain: Any = None

    @property
    def last_gain(self) -> Any:
        """Anything."""
        return self.gain() if callable(self.gain) else self.gain


@pytest.mark.parametrize(
    ("gain", "expected"),
    [
        (1.5, 1.5),
        (2, 2.0),
        (np.float32(0.5), 0.5),
        (None, None),
        (math.nan, None),
        (-math.inf, None),
        ("much", None),
        (raising(RuntimeError("no")), None),
    ],
)
def test_a_gain_is_a_number_or_not_there(gain: Any, expected: float | None) -> None:
    """It is for the log alone: no round fails for it."""
    policy = Promising()
    policy.gain = gain
    assert expected == WatchedPolicy(HIKEY, policy).gain


def test_most_policies_promise_nothing() -> None:
    """They have no gain."""
    assert watched().gain is None


# --- training -----------------------------------------------------------------------------------


class Trains(Says):
    """One that decides about training jobs too."""

    last_reason = "because"

    def __init__(self, train: Any = (), accelerate: Any = ()) -> None:
        super().__init__()
        self.grants = train
        self.clocks = accelerate

    def train(self, seen: Observation) -> Any:
        """Anything."""
        return self.grants() if callable(self.grants) else self.grants

    def accelerate(self, seen: Observation) -> Any:
        """Anything."""
        return self.clocks() if callable(self.clocks) else self.clocks


TRAINING = replace(SEEN, training=(TrainingReading(3, 0.0, 0.0, (), waits=False),))


def test_a_policy_that_knows_no_training_grants_nothing() -> None:
    """It is asked all the same: another one may take its place at any time."""
    policy = watched()
    assert ((), (), None) == (policy.train(TRAINING), policy.accelerate(TRAINING), policy.reason)


def test_legal_grants_are_passed_on_in_pythons_own_numbers() -> None:
    """With the reason."""
    said = TrainingGrant(np.int64(3), np.int64(1), (np.int64(0), np.int64(1)), cpu_max=1)  # type: ignore[arg-type]
    policy = WatchedPolicy(HIKEY, Trains(train=[said]))
    (grant,) = policy.train(TRAINING)
    assert TrainingGrant(3, 1, (0, 1), cpu_max=1.0) == grant
    assert {int} == {type(grant.job_id), type(grant.setting), *map(type, grant.cores)}
    assert ("because", None) == (policy.reason, policy.problem)


@pytest.mark.parametrize(
    ("said", "told"),
    [
        (raising(RuntimeError("no")), "train failed (RuntimeError: no)"),
        (None, "train failed (TypeError"),
        ((TrainingGrant(3, -1, (0,)),), "setting must be out of 0 ... the last"),
        ((TrainingGrant(3, 0, (8,)),), "cores must be out of 0 ... 7 (got [8])"),
        ((TrainingGrant(3, 0, (), "gpu9"),), "accelerator must be one of none (got 'gpu9')"),
        ((TrainingGrant(3, 0, (0,), cpu_max=0.0),), "cpu_max must lie above 0"),
    ],
)
def test_whatever_it_grants_wrongly_nothing_is_granted(said: Any, told: str) -> None:
    """And it is said."""
    policy = WatchedPolicy(HIKEY, Trains(train=said))
    assert () == policy.train(TRAINING)
    assert policy.problem is not None
    assert told in policy.problem


def test_clocks_of_accelerators_that_are_none_are_a_fault() -> None:
    """The HiKey 970's does not train."""
    policy = WatchedPolicy(HIKEY, Trains(accelerate=(1,)))
    assert () == policy.accelerate(TRAINING)
    assert "accelerate failed" in (policy.problem or "")


def test_where_nobody_trains_the_policy_is_not_asked_for_training() -> None:
    """It would cost every round."""
    asked = raising(RuntimeError("asked"))
    policy = WatchedPolicy(HIKEY, Trains(train=asked, accelerate=asked))
    assert ((), ()) == (policy.train(SEEN), policy.accelerate(SEEN))
    assert policy.problem is None


def test_the_policy_inside_tells_of_gains() -> None:
    """One that governs training around it knows of none."""
    inner = Says()
    inner.last_gain = 0.5  # type: ignore[attr-defined]
    assert 0.5 == WatchedPolicy(HIKEY, Trains(), inner).gain
