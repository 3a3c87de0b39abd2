"""Tests of what makes a decision illegal, and an observation impossible, about training."""

import pytest
from msgspec.structs import replace

from platforms.board_file import load_board
from platforms.decision_check import decision_problems
from platforms.observation_check import observation_problems
from platforms.platform import Decision, TrainingGrant, TrainingReading
from tests.platforms.training_boards import training_board

NANO = load_board("jetson-nano")


def test_grants_of_unknown_jobs_are_legal_and_others_are_looked_at() -> None:
    """Who is not there any more is passed over."""
    decision = Decision(grants=(TrainingGrant(1, 9, (99,)),))
    assert [] == list(decision_problems(NANO, {}, decision))
    assert [] == list(decision_problems(NANO, {}, decision, {2: 1}))
    assert 2 == len(list(decision_problems(NANO, {}, decision, {1: 3})))


def test_where_the_number_of_settings_is_not_known_any_but_a_negative_one_is_legal() -> None:
    """A platform need not know a job's settings."""
    for setting, expected in ((99, 0), (-1, 1)):
        decision = Decision(grants=(TrainingGrant(1, setting, (0,)),))
        assert expected == len(list(decision_problems(NANO, {}, decision, {1: None})))


def test_a_grant_on_an_accelerator_needs_no_core() -> None:
    """And it is no pause."""
    grant = TrainingGrant(1, 0, (), "gm20b")
    assert [] == list(decision_problems(NANO, {}, Decision(grants=(grant,)), {1: 1}))
    assert not grant.pauses
    assert TrainingGrant(1, 0, ()).pauses


GOOD = TrainingReading(1, 10.0, 2.0, (0, 1), False)


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"training": (GOOD, GOOD)}, "training must have an id of its own for each job"),
        ({"training": (replace(GOOD, rate=-1.0),)}, "training job 1: rate must be finite"),
        ({"training": (replace(GOOD, samples=float("nan")),)}, "training job 1: samples must be"),
        ({"training": (replace(GOOD, cores=(4,)),)}, "cores must be out of 0 ... 3, each once"),
        ({"training": (replace(GOOD, cores=(1, 1)),)}, "cores must be out of 0 ... 3, each once"),
        ({"training": (replace(GOOD, accelerator="npu"),)}, "accelerator must be one of"),
        ({"accelerator_opp": (0, 0)}, "accelerator_opp must have one entry for each of ['gm20b']"),
        ({"accelerator_opp": (12,)}, "accelerator_opp of gm20b must be out of 0 ... 11 (got 12)"),
    ],
)
def test_an_observation_that_cannot_be_is_found(changes: dict[str, object], problem: str) -> None:
    """The contract of a platform holds for training as well."""
    seen = training_board(board=NANO).observe()
    good = replace(seen, training=(GOOD,))
    assert [] == list(observation_problems(NANO, good))
    found = list(observation_problems(NANO, replace(good, **changes)))
    assert 1 == len(found)
    assert problem in found[0]
