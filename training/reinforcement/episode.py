"""One episode of TOP-RL on the simulated board, and what came of it."""

from collections.abc import Sequence
from contextlib import suppress

import numpy as np
from msgspec import Struct

from platforms.application import ApplicationProfile
from platforms.board import Board
from platforms.platform import ApplicationReading, Decision, Observation
from platforms.simulated.equilibrium import ThermalRunaway
from platforms.simulated.simulated_board import SimulatedBoard
from platforms.simulated.variation import related
from rm.evaluation.outcome import MISS_BELOW
from rm.evaluation.workload import WorkloadParameters, draw_workload
from rm.governor import Governor
from rm.policies.q_learning import QLearner
from rm.policies.toprl import TopRl

DIVERSITY = 0.4
"""The programs stand for others that differ by this share, as `ilgov trace record` varies them."""

INTERARRIVAL_S = (8.0, 30.0)
HIGHEST_TARGET = (0.3, 0.7)
"""An episode's workload is drawn between these: from calm to more than the board has cores for."""

_LOOK_S = 1.0


class Course(Struct, frozen=True, kw_only=True):
    """What all episodes share: the board, its cooling setup, the programs, the length."""

    board: Board
    cooling: str
    profiles: tuple[ApplicationProfile, ...]
    duration_s: float


class Figures(Struct, frozen=True, kw_only=True):
    """What came of an episode, or of several.

    `mean_temp_c` is the time mean where the sensor sits, `missed` counts the applications below
    their target over their life, `turns` the agents' turns that earned a reward, `reward` the sum
    of these.
    """

    mean_temp_c: float
    applications: int
    missed: int
    migrations: int
    turns: int
    reward: float


class _Remembering(TopRl):
    """The policy, which also adds up its rewards."""

    turns = 0
    earned = 0.0

    def reward(self, observation: Observation, agent: ApplicationReading) -> float:
        reward = super().reward(observation, agent)
        self.turns += 1
        self.earned += reward
        return reward


class _Thermometer:
    """Looks once every `_LOOK_S` at the truth where the sensor sits."""

    def __init__(self, simulated: SimulatedBoard) -> None:
        self._simulated = simulated
        self._due_s = 0.0
        self.temps_c: list[float] = []

    def __call__(self, observation: Observation, decision: Decision) -> None:
        if observation.time_s >= self._due_s - 1e-9:
            self._due_s = observation.time_s + _LOOK_S
            self.temps_c.append(self._simulated.sensor_temp_c)


def run_episode(course: Course, learner: QLearner, seed: Sequence[int]) -> Figures:
    """Let the agents run, and learn from, the workload that `seed` draws."""
    rng = np.random.default_rng(seed)
    simulated = _simulated(course, rng)
    policy, thermometer = _Remembering(course.board, learner), _Thermometer(simulated)
    governor = Governor(simulated, policy, simulated.clock, listener=thermometer)
    with suppress(ThermalRunaway):  # the episode ends there; what was learnt until then stays
        governor.run(course.duration_s)
    records = simulated.records()
    return Figures(
        mean_temp_c=float(np.mean(thermometer.temps_c)),
        applications=len(records),
        missed=sum(record.mean_ips < MISS_BELOW * record.job.target_ips for record in records),
        migrations=governor.migrations,
        turns=policy.turns,
        reward=policy.earned,
    )


def _simulated(course: Course, rng: np.random.Generator) -> SimulatedBoard:
    board = course.board
    programs = [related(profile, rng, share=DIVERSITY) for profile in course.profiles]
    workload = WorkloadParameters(
        interarrival_s=float(rng.uniform(*INTERARRIVAL_S)),
        highest_target=float(rng.uniform(*HIGHEST_TARGET)),
    )
    jobs = draw_workload(board, programs, workload, rng)
    cooling = board.cooling_named(course.cooling)
    return SimulatedBoard(board, cooling=cooling, rng=rng, jobs=jobs)


def together(figures: Sequence[Figures]) -> Figures:
    """Sums of the counts over several episodes, and the mean of their temperatures."""
    return Figures(
        mean_temp_c=float(np.mean([one.mean_temp_c for one in figures])),
        applications=sum(one.applications for one in figures),
        missed=sum(one.missed for one in figures),
        migrations=sum(one.migrations for one in figures),
        turns=sum(one.turns for one in figures),
        reward=sum(one.reward for one in figures),
    )
