"""Tests of how training policies are found."""

import pytest

from platforms.errors import InvalidInput
from rm.planner.plans import Limits
from rm.training.governing import make
from rm.training.jobs import TrainingJobs
from rm.training.registry import TrainingContext, training_policy_factory, training_policy_names
from tests.platforms.programs import HIKEY, simulated


def test_the_governing_policy_is_found_by_name() -> None:
    """Beside those that it is compared with."""
    assert "ilgov" in training_policy_names()
    assert make is training_policy_factory("ilgov")


def test_a_policy_that_there_is_not_is_an_error_that_names_those_that_there_are() -> None:
    """In alphabetical order."""
    with pytest.raises(InvalidInput, match=r"training policy must be one of .*ilgov.*got 'x'"):
        training_policy_factory("x")


def test_a_context_makes_what_the_ordinary_policy_needs() -> None:
    """The same board, platform and backend."""
    board = simulated()
    context = TrainingContext(HIKEY, board, TrainingJobs(HIKEY), Limits(70.0), None, "onnxruntime")
    ordinary = context.ordinary
    assert (HIKEY, board, None, "onnxruntime") == (
        ordinary.board,
        ordinary.platform,
        ordinary.policy_file,
        ordinary.backend,
    )
