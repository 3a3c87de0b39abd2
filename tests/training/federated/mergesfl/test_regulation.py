"""Tests of batches by speed, and of turns for those who were chosen least."""

import numpy as np
import pytest

from training.federated.dice import dice
from training.federated.systems.mergesfl.methods import METHODS
from training.federated.systems.mergesfl.options import Options
from training.federated.systems.mergesfl.plan import Known, make_plan
from training.federated.systems.mergesfl.priority import guest
from training.federated.systems.mergesfl.regulation import (
    Pace,
    choose_batches,
    equal_batches,
    smoothed,
    step_s,
)

PACES = {"a": Pace(0.010, 0.002), "b": Pace(0.020, 0.030), "c": Pace(0.003, 0.005)}


def test_regulated_workers_need_the_same_time_but_for_whole_samples() -> None:
    """Nobody takes longer than the fastest with its full batch, nobody a sample less than that."""
    batches = choose_batches(PACES, 64)
    limit = 64 * PACES["c"].sample_s
    for worker, pace in PACES.items():
        assert batches[worker] * pace.sample_s <= limit * (1 + 1e-9)
        assert (batches[worker] + 1) * pace.sample_s > limit
    assert {"a": 42, "b": 10, "c": 64} == batches
    assert limit == step_s(PACES, batches)


def test_without_regulation_the_slowest_sets_the_pace() -> None:
    """All have the same batch; all wait for b."""
    assert 64 * 0.05 == pytest.approx(step_s(PACES, equal_batches(PACES, 64)))


def test_equal_workers_get_equal_batches() -> None:
    """The full one, whatever rounding does to the quotient."""
    assert {"a": 49, "b": 49} == choose_batches({"a": Pace(0.1, 0.2), "b": Pace(0.2, 0.1)}, 49)


def test_a_pace_follows_what_is_seen() -> None:
    """Smoothing forgets the past by its own power."""
    pace = Pace(1.0, 0.0)
    for _ in range(5):
        pace = smoothed(pace, Pace(0.0, 1.0), 0.8)
    assert 0.8**5 == pytest.approx(pace.compute_s)
    assert 1 - 0.8**5 == pytest.approx(pace.transfer_s)


def test_everyone_is_the_guest_once_in_as_many_rounds_as_there_are_workers() -> None:
    """Even where nobody else is ever chosen."""
    chosen = dict.fromkeys("abcdefg", 0)
    for round_ in range(1, 8):
        chosen[guest(chosen, round_)] += 1
    assert dict.fromkeys("abcdefg", 1) == chosen


@pytest.mark.parametrize("method", ["mergesfl", "merge-only", "greedy", "random"])
def test_a_plan_keeps_within_the_line_for_the_time_of_a_step(method: str) -> None:
    """What the chosen send in a step fits what the line takes in that step."""
    rng = dice(0, "paces")
    paces = {f"w{i:02d}": Pace(*rng.uniform(0.001, 0.02, 2)) for i in range(10)}
    counts = {worker: rng.integers(1, 30, 10).astype(np.float32) for worker in paces}
    options = Options(line_bytes_per_s=20_000.0, batch=32)
    for round_ in range(1, 6):
        known = Known(paces=paces, chosen={}, counts=counts)
        plan = make_plan(known, METHODS[method], options, round_, dice(0, round_), 100.0)
        regulated = METHODS[method].regulated
        everyone = choose_batches(paces, 32) if regulated else equal_batches(paces, 32)
        assert 0 < len(plan.batches) < 10
        assert sum(plan.batches.values()) * 100 <= 20_000 * step_s(paces, everyone) * (1 + 1e-9)
        assert everyone | plan.batches == everyone


def test_without_a_bound_on_the_line_everyone_comes_where_labels_are_alike() -> None:
    """A line that is left unused has its price."""
    paces = dict.fromkeys("abcd", Pace(0.01, 0.01))
    counts = {worker: np.ones(10, np.float32) for worker in paces}
    plan = make_plan(
        Known(paces=paces, chosen={}, counts=counts),
        METHODS["mergesfl"],
        Options(),
        1,
        dice(0, "g"),
        100.0,
    )
    assert set(paces) == set(plan.batches)
    assert 0.0 == plan.divergence
