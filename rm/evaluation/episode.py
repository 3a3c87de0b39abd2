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
from rm.evaluation.outcome import ApplicationOutcome, EpisodeOutcome, Moment
from rm.evaluation.workload import WorkloadParameters, draw_workload
from rm.governor import Governor, Periods
from rm.policies.registry import PolicyContext, policy_factory

_WORKLOAD, _NOISE = 0, 1
"""Streams of an episode's seed: the workload is the same whatever the policy and the cooling."""


class EpisodeSetup(Struct, frozen=True, kw_only=True):
    """Everything that an episode depends on.

    It lasts `duration_s` whatever the policy does, from `start_temp_c` in every node (None: the
    air's temperature, an idle board's); it is sampled once every `sample_s`.
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


class _Recorder:
    """Listens to the governor and looks at the truth.

    At the hottest node after every round, at all else once every `sample_s`.
    """

    def __init__(self, simulated: SimulatedBoard, sample_s: float) -> None:
        self._simulated = simulated
        self._sample_s = sample_s
        self._due_s = 0.0
        self.peak_temp_c = -math.inf
        self.timeline: list[Moment] = []

    def __call__(self, observation: Observation, decision: Decision) -> None:
        self.peak_temp_c = max(self.peak_temp_c, float(self._simulated.temperatures_c.max()))
        if observation.time_s >= self._due_s - 1e-9:
            self._due_s = observation.time_s + self._sample_s
            self.timeline.append(_moment(self._simulated))

    def last_look(self) -> None:
        """Take a sample after the governor's last round, at whatever time that is."""
        self.timeline.append(_moment(self._simulated))
        self.peak_temp_c = max(self.peak_temp_c, self.timeline[-1].peak_temp_c)


def _moment(simulated: SimulatedBoard) -> Moment:
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
    jobs = draw_workload(
        setup.board, setup.profiles, setup.workload, np.random.default_rng([setup.seed, _WORKLOAD])
    )
    simulated = SimulatedBoard(
        setup.board,
        cooling=setup.board.cooling_named(setup.cooling),
        rng=np.random.default_rng([setup.seed, _NOISE]),
        jobs=jobs,
        start_temp_c=setup.start_temp_c,
    )
    context = PolicyContext(setup.board, simulated, setup.policy_file)
    policy = policy_factory(setup.policy)(context)
    recorder = _Recorder(simulated, setup.sample_s)
    governor = Governor(
        simulated, policy, simulated.clock, periods=setup.periods, listener=recorder
    )
    runaway_s = None
    try:
        governor.run(setup.duration_s)
    except ThermalRunaway:
        runaway_s = simulated.now_s
        recorder.last_look()
    records = simulated.records()
    return EpisodeOutcome(
        setup.policy,
        setup.cooling,
        setup.seed,
        simulated.now_s,
        float(np.mean([moment.sensor_temp_c for moment in recorder.timeline])),
        recorder.peak_temp_c,
        simulated.energy_j,
        sum(record.instructions for record in records),
        governor.migrations,
        governor.opp_changes,
        simulated.throttled_s,
        runaway_s,
        tuple(_application(record) for record in records),
        tuple(recorder.timeline),
    )


def _application(record: LifeRecord) -> ApplicationOutcome:
    job = record.job
    return ApplicationOutcome(
        job.id, job.profile.name, record.start_s, record.end_s, job.target_ips, record.mean_ips
    )
