"""Closed loops of the governing policy on the simulated board. Temperatures are simulated."""

from functools import cache

import numpy as np
import pytest

from platforms.application_file import shipped_applications
from platforms.platform import Decision, Observation
from platforms.simulated.simulated_board import SimulatedBoard
from platforms.simulated.training import SimulatedTraining
from platforms.training_work import load_training
from rm.evaluation.training.episode import TrainingSetup, run_training_episode
from rm.evaluation.training.outcome import NONE, TrainingOutcome
from rm.evaluation.training.rounds import RoundParameters
from rm.evaluation.workload import WorkloadParameters, draw_workload
from rm.governor import Governor
from rm.planner.capability import modelled_capability
from rm.planner.plans import Limits
from rm.policies.ilgov import make as make_ordinary
from rm.policies.registry import PolicyContext
from rm.training.governing import make
from rm.training.jobs import TrainingJobs
from rm.training.registry import TrainingContext
from tests.platforms.programs import HIKEY

SENSOR_STEP_K = HIKEY.sensors[0].step_k

APPLICATIONS = WorkloadParameters(arrivals=4, interarrival_s=8.0)
"""Four within half a minute; most of them stay to the end."""

FEASIBLE = RoundParameters(highest_share=0.3, longest_s=45.0)
"""Rounds that ask for up to a third of what the board could do with the job alone."""


@cache
def episode(
    policy: str,
    cooling: str,
    seed: int,
    *,
    limit_c: float = 65.0,
    rounds: RoundParameters = FEASIBLE,
    start_temp_c: float | None = None,
) -> TrainingOutcome:
    """Two minutes with four applications and rounds of the tiny transformer."""
    return run_training_episode(
        TrainingSetup(
            board=HIKEY,
            cooling=cooling,
            policy=policy,
            seed=seed,
            profiles=tuple(shipped_applications().values()),
            training=load_training("tiny-4"),
            limit_c=limit_c,
            workload=APPLICATIONS,
            rounds=rounds,
            duration_s=120.0,
            start_temp_c=start_temp_c,
        )
    )


CASES = [(cooling, seed) for cooling in ("fan", "passive") for seed in (1, 2)]


@pytest.mark.parametrize(("cooling", "seed"), CASES)
def test_rounds_meet_their_deadlines(cooling: str, seed: int) -> None:
    """And no job is told that they would not."""
    outcome = episode("ilgov", cooling, seed)
    assert len(outcome.rounds) >= 2
    assert [] == [one.number for one in outcome.rounds if one.missed or one.told_s is not None]


@pytest.mark.parametrize(("cooling", "seed"), CASES)
def test_no_more_applications_miss_their_targets_than_without_training(
    cooling: str, seed: int
) -> None:
    """Their mean over their lives counts."""
    without = [one.missed for one in episode(NONE, cooling, seed).applications]
    assert 4 == len(without)
    assert without == [one.missed for one in episode("ilgov", cooling, seed).applications]


@pytest.mark.parametrize(("cooling", "seed"), CASES)
def test_training_is_cooler_than_in_the_background_at_a_high_nice(cooling: str, seed: int) -> None:
    """By three kelvin at least in the mean, and it misses no more rounds."""
    nice, ilgov = episode("nice", cooling, seed), episode("ilgov", cooling, seed)
    assert sum(one.missed for one in ilgov.rounds) <= sum(one.missed for one in nice.rounds)
    assert nice.mean_hottest_c - ilgov.mean_hottest_c > 3.0


@pytest.mark.parametrize("cooling", ["fan", "passive"])
def test_the_limit_is_kept_on_a_warm_board_with_rounds_that_ask_for_more(cooling: str) -> None:
    """Neither the sensor's place nor the hottest core passes it by more than the sensor's step."""
    hard = RoundParameters(lowest_share=0.7, highest_share=0.9, first_s=5.0)
    outcome = episode("ilgov", cooling, 3, limit_c=50.0, rounds=hard, start_temp_c=46.0)
    assert outcome.over_sensor_k <= SENSOR_STEP_K
    assert outcome.over_k <= SENSOR_STEP_K
    assert outcome.peak_temp_c > 46.0
    assert sum(one.done_samples for one in outcome.rounds) > 0.0


class _Noted:
    """Keeps what was decided."""

    def __init__(self) -> None:
        self.decisions: list[Decision] = []

    def __call__(self, observation: Observation, decision: Decision) -> None:
        self.decisions.append(decision)


@pytest.mark.parametrize("registered", [False, True])
def test_without_work_every_decision_is_the_ordinary_policys(registered: bool) -> None:
    """For half a minute with four applications, with a job that waits and without one."""
    works, curve = load_training("tiny-4").works, load_training("tiny-4").curve
    decided = []
    for governs in (False, True):
        simulated = SimulatedBoard(
            HIKEY,
            cooling=HIKEY.cooling_named("fan"),
            rng=np.random.default_rng(0),
            jobs=draw_workload(
                HIKEY,
                tuple(shipped_applications().values()),
                APPLICATIONS,
                np.random.default_rng(1),
            ),
            training=[SimulatedTraining(id=1, name="job", works=works)] if registered else [],
        )
        jobs = TrainingJobs(HIKEY)
        if registered:
            jobs.register(modelled_capability(HIKEY, works, curve), name="job", now_s=0.0)
        context = TrainingContext(HIKEY, simulated, jobs, Limits(60.0), None, "onnxruntime")
        ordinary = PolicyContext(HIKEY, simulated, None, "onnxruntime")
        policy = make(context) if governs else make_ordinary(ordinary)
        noted = _Noted()
        Governor(simulated, policy, simulated.clock, listener=noted).run(30.0)
        decided.append(noted.decisions)
    assert decided[0] == decided[1]
    assert any(decision.migrations for decision in decided[0])
