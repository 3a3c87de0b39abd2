"""One episode: one policy governs the simulated board through one workload."""

import math
from pathlib import Path

import numpy as np
from msgspec import Struct

from platforms.application import ApplicationProfile
from platforms.board import Board
from platforms.platform import Decision, Observation
from platforms.simulated.equilibrium import ThermalRunaway
from platforms.simulated.running import LifeRecord
from platforms.simulated.simulated_board import SimulatedBoard
from rm.evaluation.judging import Looks, installed_judge
from rm.evaluation.outcome import ApplicationOutcome, EpisodeOutcome, Moment
from rm.evaluation.stopwatch import DecisionTimes, TimedPolicy
from rm.evaluation.workload import WorkloadParameters, draw_workload
from rm.governor import Governor, Periods
from rm.policies.registry import PolicyContext, policy_factory

_WORKLOAD, _NOISE = 0, 1
"""Streams of an episode's seed: the workload is the same whatever the policy and the cooling."""

_BACKEND = "onnxruntime"
"""Runs the policies' networks: the same on every machine, so that episodes are as well."""


class EpisodeSetup(Struct, frozen=True, kw_only=True):
    """Everything that an episode depends on.

    It lasts `duration_s` whatever the policy does, from `start_temp_c` in every node (None: the
    air's temperature, an idle board's); it is sampled once every `sample_s`, and judged once every
    `judge_s` (None: never). Policies know `board`; what they govern is `plant`, the truth (None:
    the same).
    """

    board: Board
    cooling: str
    policy: str
    seed: int
    profiles: tuple[ApplicationProfile, ...]
    workload: WorkloadParameters = WorkloadParameters()
    periods: Periods = Periods()
    policy_file: Path | None = None
    duration_s: float = 600.0
    start_temp_c: float | None = None
    sample_s: float = 1.0
    judge_s: float | None = None
    plant: Board | None = None

    @property
    def governed(self) -> Board:
        """The board that is simulated."""
        return self.plant or self.board


class Finished(Struct, frozen=True):
    """An episode's outcome, the same on every machine, and the wall times of its decisions."""

    outcome: EpisodeOutcome
    times: DecisionTimes


class _Recorder:
    """Listens to the governor and looks at the truth.

    At the hottest core and node after every round, at all else once every `sample_s`; the judge
    looks once every `judge_s`, after the decision was carried out.
    """

    def __init__(self, simulated: SimulatedBoard, setup: EpisodeSetup) -> None:
        self._simulated = simulated
        self._sample_s = setup.sample_s
        self._due_s = 0.0
        self._hottest_c: list[float] = []
        self.peak_temp_c = -math.inf
        self.timeline: list[Moment] = []
        factory = installed_judge() if setup.judge_s else None
        self.looks = Looks(factory and factory(simulated), setup.judge_s or math.inf)

    @property
    def mean_hottest_c(self) -> float:
        """The time mean of the hottest core's temperature."""
        return float(np.mean(self._hottest_c))

    def __call__(self, observation: Observation, decision: Decision) -> None:
        self._look_at_heat()
        if observation.time_s >= self._due_s - 1e-9:
            self._due_s = observation.time_s + self._sample_s
            self.timeline.append(board_moment(self._simulated))
        self.looks.look(observation.time_s)

    def last_look(self) -> None:
        """Take a sample after the governor's last round, at whatever time that is."""
        self._look_at_heat()
        self.timeline.append(board_moment(self._simulated))

    def _look_at_heat(self) -> None:
        temps_c = self._simulated.temperatures_c
        self._hottest_c.append(float(temps_c[self._simulated.power.core_nodes].max()))
        self.peak_temp_c = max(self.peak_temp_c, float(temps_c.max()))


def board_moment(simulated: SimulatedBoard) -> Moment:
    """The board now."""
    on_core = [-1] * simulated.board.core_count
    for app in sorted(simulated.running, key=lambda app: -app.job.id):
        for core in app.cores:
            on_core[core] = app.job.id
    return Moment(
        round(simulated.now_s, 6),
        simulated.sensor_temp_c,
        float(simulated.temperatures_c.max()),
        float(simulated.power_w.sum()),
        simulated.board.freqs_hz_at(simulated.opp_index),
        tuple(on_core),
    )


def run_episode(setup: EpisodeSetup) -> EpisodeOutcome:
    """Run it. Thermal runaway ends the episode and is told in the outcome."""
    return run_timed_episode(setup).outcome


def run_timed_episode(setup: EpisodeSetup) -> Finished:
    """Run it with an eye on the clock on the wall."""
    plant = setup.governed
    jobs = draw_workload(
        plant, setup.profiles, setup.workload, np.random.default_rng([setup.seed, _WORKLOAD])
    )
    simulated = SimulatedBoard(
        plant,
        cooling=plant.cooling_named(setup.cooling),
        rng=np.random.default_rng([setup.seed, _NOISE]),
        jobs=jobs,
        start_temp_c=setup.start_temp_c,
        run_s=setup.duration_s,
    )
    context = PolicyContext(setup.board, simulated, setup.policy_file, _BACKEND)
    policy = TimedPolicy(policy_factory(setup.policy)(context))
    recorder = _Recorder(simulated, setup)
    governor = Governor(
        simulated, policy, simulated.clock, periods=setup.periods, listener=recorder
    )
    runaway_s = None
    try:
        governor.run(setup.duration_s)
    except ThermalRunaway:
        runaway_s = simulated.now_s
        recorder.last_look()
    outcome = _outcome(setup, simulated, governor, recorder, runaway_s)
    return Finished(outcome, policy.times(cooling=setup.cooling, seed=setup.seed))


def _outcome(
    setup: EpisodeSetup,
    simulated: SimulatedBoard,
    governor: Governor,
    recorder: _Recorder,
    runaway_s: float | None,
) -> EpisodeOutcome:
    records = simulated.records()
    looks = recorder.looks
    return EpisodeOutcome(
        policy=setup.policy,
        cooling=setup.cooling,
        seed=setup.seed,
        duration_s=simulated.now_s,
        mean_temp_c=float(np.mean([moment.sensor_temp_c for moment in recorder.timeline])),
        mean_hottest_c=recorder.mean_hottest_c,
        peak_temp_c=recorder.peak_temp_c,
        energy_j=simulated.energy_j,
        instructions=sum(record.instructions for record in records),
        migrations=governor.migrations,
        opp_changes=governor.opp_changes,
        throttled_s=simulated.throttled_s,
        runaway_s=runaway_s,
        applications=tuple(life_outcome(record) for record in records),
        timeline=tuple(recorder.timeline),
        judged=len(looks.verdicts),
        judged_within=looks.within,
        judged_short=looks.short,
        judged_proven=looks.proven,
        steady_regret_k=looks.mean_excess_k,
    )


def life_outcome(record: LifeRecord) -> ApplicationOutcome:
    """What an application's life came to."""
    job = record.job
    return ApplicationOutcome(
        job.id, job.profile.name, record.start_s, record.end_s, job.target_ips, record.mean_ips
    )
