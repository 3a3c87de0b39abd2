"""Tests of training on a GPU: granted, clocked and kept within the limit, on a simulated Jetson."""

import numpy as np
import pytest

from platforms.board_file import load_board
from platforms.platform import ApplicationReading, Decision, Migration, Observation
from platforms.simulated.simulated_board import SimulatedBoard
from platforms.simulated.training import SimulatedTraining
from platforms.training_work import load_training
from rm.evaluation.training.rounds import Round
from rm.evaluation.training.trainer import SimulatedTrainer
from rm.governor import Governor
from rm.mapping.demand import Demand
from rm.planner.capability import modelled_capability
from rm.planner.mode_table import mode_table
from rm.planner.plans import Limits
from rm.training.governing import GoverningTraining
from rm.training.jobs import TrainingJobs

ORIN = load_board("jetson-orin-nano")


class _Idle:
    """An ordinary policy for a board without applications."""

    name = "idle"

    def migrate(self, observation: Observation) -> tuple[Migration, ...]:
        return ()

    def scale(self, observation: Observation) -> tuple[int, ...]:
        return ORIN.lowest_opps

    def demand(
        self, observation: Observation, applications: tuple[ApplicationReading, ...]
    ) -> Demand:
        raise AssertionError("nobody runs")


class _Episode:
    """One round of the tiny transformer in a minute, at a share of the board's best pace."""

    def __init__(self, *, share: float, limit_c: float = 80.0) -> None:
        training = load_training("resnet18")
        capability = modelled_capability(ORIN, training.works, training.curve)
        best_per_s = float(mode_table(ORIN, capability).progress_per_s.max())
        self.board = SimulatedBoard(
            ORIN,
            cooling=ORIN.cooling[0],
            rng=np.random.default_rng(0),
            training=[SimulatedTraining(id=1, name="job", works=training.works)],
        )
        self.jobs = TrainingJobs(ORIN)
        self.policy = GoverningTraining(ORIN, _Idle(), self.jobs, Limits(limit_c))
        asked = Round(0, 1.0, 51.0, share * best_per_s * 50.0)
        self.trainer = SimulatedTrainer(self.board, self.jobs, capability, [asked], name="resnet18")
        self.seen: list[tuple[Observation, Decision]] = []
        self.hottest_c = -np.inf
        Governor(self.board, self.policy, self.board.clock, listener=self._hear).run(60.0)

    def _hear(self, observation: Observation, decision: Decision) -> None:
        self.seen.append((observation, decision))
        self.trainer(observation, decision)
        self.hottest_c = max(self.hottest_c, float(self.board.temperatures_c.max()))

    @property
    def clocks(self) -> set[int]:
        """The accelerator's operating points while the job trained there."""
        return {
            seen.accelerator_opp[0]
            for seen, _ in self.seen
            if seen.training[0].accelerator is not None and seen.training[0].rate > 0.0
        }


def test_a_hard_round_is_done_on_the_accelerator_at_a_high_clock() -> None:
    """No other place is fast enough."""
    episode = _Episode(share=0.7)
    (outcome,) = episode.trainer.outcomes
    assert not outcome.missed
    assert max(episode.clocks) > 0


def test_a_hot_accelerator_is_held_below_the_limit() -> None:
    """By a slower clock, and without a sensor's help for its node where there is none."""
    free = _Episode(share=0.9)
    limit_c = round(free.hottest_c) - 6.0
    held = _Episode(share=0.9, limit_c=limit_c)
    assert held.hottest_c <= limit_c + ORIN.sensors[0].step_k
    assert max(held.clocks) < max(free.clocks)
    assert 0.0 < held.trainer.outcomes[0].done_samples


@pytest.mark.parametrize("share", [0.05, 0.5])
def test_what_it_trains_on_is_measured_there_too(share: float) -> None:
    """The simulated board does what the tables say."""
    episode = _Episode(share=share)
    assert not episode.trainer.outcomes[0].missed
    modes = episode.policy.listening.modes_of(episode.jobs.get(1, 60.0))
    assert modes.pace.ratios
    assert all(abs(ratio - 1.0) < 0.05 for ratio in modes.pace.ratios.values())
