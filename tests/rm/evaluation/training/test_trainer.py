"""The simulated trainer: it tells what it did, keeps to grants, and drops what it missed."""

from collections.abc import Callable

import numpy as np
import pytest

from platforms.platform import Decision, TrainingGrant
from platforms.simulated.simulated_board import SimulatedBoard
from platforms.simulated.training import SimulatedTraining
from platforms.training_work import load_training
from rm.evaluation.training.rounds import Round
from rm.evaluation.training.trainer import SimulatedTrainer
from rm.planner.capability import modelled_capability
from rm.training.jobs import TrainingJobs
from tests.rm.readings import HIKEY

TRAINING = load_training("tiny-4")
CAPABILITY = modelled_capability(HIKEY, TRAINING.works, TRAINING.curve)
BATCH_16, BATCH_4 = 0, 1
BIG = (4, 5, 6, 7)

Grant = Callable[[float], TrainingGrant | None]


class _Run:
    """A board with one job, its trainer, and grants at the times that a test says."""

    def __init__(self, *rounds: Round) -> None:
        job = SimulatedTraining(id=1, name="tiny", works=TRAINING.works)
        rng = np.random.default_rng(0)
        fan = HIKEY.cooling_named("fan")
        self.board = SimulatedBoard(HIKEY, cooling=fan, rng=rng, training=[job])
        self.jobs = TrainingJobs(HIKEY)
        self.trainer = SimulatedTrainer(self.board, self.jobs, CAPABILITY, rounds, name="tiny")

    def until(self, end_s: float, grant: TrainingGrant | None = None) -> None:
        """Rounds of a governor that grants this, from the first round on."""
        while self.board.now_s < end_s - 1e-9:
            self.board.advance_to(self.board.now_s + 0.05)
            decision = Decision((), HIKEY.highest_opps, (grant,) if grant else ())
            self.board.apply(decision)
            self.trainer(self.board.observe(), decision)


def _rate(setting: int) -> float:
    """Reference samples/s on the big cluster."""
    most = max(
        place.freq_hz for place in CAPABILITY.places if (place.unit, place.cores) == ("big", 4)
    )
    column = next(
        number
        for number, place in enumerate(CAPABILITY.places)
        if (place.unit, place.cores, place.freq_hz) == ("big", 4, most)
    )
    worth = CAPABILITY.samples_to_goal(0) / CAPABILITY.samples_to_goal(setting)
    return worth / CAPABILITY.sample_s[setting][column]


def test_a_round_ends_when_its_samples_are_done() -> None:
    """After as long as the tables say, to a round of the governor and to the first grant."""
    run = _Run(Round(0, 1.0, 9.0, 3.0 * _rate(BATCH_16)))
    run.until(9.0, TrainingGrant(1, BATCH_16, BIG))
    (done,) = run.trainer.outcomes
    assert 3.0 == pytest.approx(done.time_s, abs=0.2)
    assert not done.missed
    assert run.trainer.reference_samples == pytest.approx(done.samples)
    assert 0.0 == run.trainer.lost_samples


def test_without_a_grant_a_round_is_missed_at_its_deadline_and_dropped() -> None:
    """The board has nothing to do then, and the jobs know of no round."""
    run = _Run(Round(0, 1.0, 3.0, 10.0), Round(1, 5.0, 6.0, 10.0))
    run.until(4.0)
    (missed,) = run.trainer.outcomes
    assert (True, 0.0, 2.0) == (missed.missed, missed.done_samples, missed.time_s)
    assert 0.0 == run.board.training[0].left
    assert not run.jobs.get(1, 4.0).has_work


def test_what_a_missed_round_did_is_lost() -> None:
    """It is counted as done, and as lost."""
    run = _Run(Round(0, 1.0, 3.0, 1e9))
    run.until(4.0, TrainingGrant(1, BATCH_16, BIG))
    (missed,) = run.trainer.outcomes
    assert missed.missed
    assert missed.done_samples == pytest.approx(2.0 * _rate(BATCH_16), rel=0.1)
    assert run.trainer.lost_samples == run.trainer.reference_samples == missed.done_samples


def test_a_round_that_nobody_can_meet_is_told_of_at_once() -> None:
    """By the tables, even before a policy has an opinion."""
    run = _Run(Round(0, 1.0, 3.0, 1e9))
    run.until(4.0)
    assert run.trainer.outcomes[0].told_early


def test_another_setting_in_the_middle_of_a_round_keeps_what_was_done() -> None:
    """A sample of batch 4 is worth two of batch 16 on this curve."""
    samples = 2.0 * _rate(BATCH_16) + 2.0 * _rate(BATCH_4)
    run = _Run(Round(0, 1.0, 9.0, samples))
    run.until(3.05, TrainingGrant(1, BATCH_16, BIG))
    run.until(9.0, TrainingGrant(1, BATCH_4, BIG))
    (done,) = run.trainer.outcomes
    assert 4.0 == pytest.approx(done.time_s, abs=0.2)
    assert run.trainer.reference_samples == pytest.approx(samples)
    assert 2 == run.trainer.grants


def test_a_paused_job_stops_and_goes_on() -> None:
    """And says that it has paused, so that its grace never ends."""
    run = _Run(Round(0, 1.0, 20.0, 3.0 * _rate(BATCH_16)))
    run.until(2.0, TrainingGrant(1, BATCH_16, BIG))
    run.until(8.0, TrainingGrant(1, BATCH_16, ()))
    assert ("paused", False) == (
        run.jobs.get(1, 8.0).state,
        run.jobs.get(1, 8.0).ignores_pause,
    )
    before = run.trainer.samples
    run.until(10.0)
    assert before == run.trainer.samples
    run.until(20.0, TrainingGrant(1, BATCH_16, BIG))
    (done,) = run.trainer.outcomes
    assert 3.0 + 8.0 == pytest.approx(done.time_s, abs=0.2)


def test_rounds_that_an_episode_did_not_reach_are_missed() -> None:
    """All of them are in the outcome, whatever ended it."""
    run = _Run(Round(0, 1.0, 8.0, 1e9), Round(1, 9.0, 12.0, 10.0))
    run.until(4.0, TrainingGrant(1, BATCH_16, BIG))
    run.trainer.give_up(4.0)
    assert [True, True] == [item.missed for item in run.trainer.outcomes]
    assert 0.0 == run.trainer.outcomes[1].done_samples
