"""Comparisons with training: which rounds were attainable, what is kept, what is checked first."""

from pathlib import Path

import pytest
from msgspec.structs import replace

from platforms.errors import InvalidInput
from rm.evaluation.kept import KeptEpisodes
from rm.evaluation.training import comparison
from rm.evaluation.training.comparison import (
    check_training_policies,
    compare_training,
    mark_attainable,
)
from rm.evaluation.training.episode import TrainingSetup
from rm.evaluation.training.outcome import TrainingOutcome
from rm.training.registry import training_policy_entry
from tests.rm.evaluation.training.fakes import outcome, outcomes
from tests.rm.evaluation.training.test_episode import SETUP


def test_a_round_is_attainable_where_the_exhaustive_policy_met_it() -> None:
    """Under the same cooling with the same seed."""
    marked = mark_attainable(outcomes())
    best = {(o.cooling, o.seed): o for o in marked if o.policy == "exhaustive"}
    for item in marked:
        for own, other in zip(item.rounds, best[item.cooling, item.seed].rounds, strict=True):
            assert (not other.missed) == own.attainable


def test_without_the_exhaustive_policy_it_is_not_known() -> None:
    """None is not False."""
    marked = mark_attainable(outcomes(policies=("nice", "ilgov")))
    assert {None} == {item.attainable for o in marked for item in o.rounds}


def test_a_policy_that_cannot_be_had_is_told_before_the_work() -> None:
    """By the names that there are."""
    with pytest.raises(InvalidInput, match=r"one of .*nice.* \(got 'nicest'\)"):
        check_training_policies([replace(SETUP, policy="nicest")])


def test_finished_episodes_are_taken_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever stopped an evaluation loses what was under way only."""
    run: list[int] = []

    def fake(setup: TrainingSetup) -> TrainingOutcome:
        run.append(setup.seed)
        return outcome(setup.policy, setup.cooling, setup.seed)

    monkeypatch.setattr(comparison, "run_training_episode", fake)
    kept = KeptEpisodes(tmp_path, entry=training_policy_entry)
    setups = [replace(SETUP, seed=seed) for seed in (1, 2, 3)]
    compare_training(setups[:2], workers=1, kept=kept)
    heard: list[TrainingOutcome] = []
    found = compare_training(setups, workers=1, kept=kept, on_done=heard.append)
    assert [1, 2, 3] == run
    assert [1, 2, 3] == [item.seed for item in found] == [item.seed for item in heard]
    compare_training([replace(SETUP, seed=1, limit_c=41.0)], workers=1, kept=kept)
    assert [1, 2, 3, 1] == run
