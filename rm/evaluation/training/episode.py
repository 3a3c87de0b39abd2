"""One episode with training: one policy governs foreground and federated rounds on one board."""

import math
from pathlib import Path

import numpy as np
from msgspec import Struct

from platforms.application import ApplicationProfile, Job
from platforms.board import Board
from platforms.platform import Decision, Observation
from platforms.simulated.equilibrium import ThermalRunaway
from platforms.simulated.simulated_board import SimulatedBoard
from platforms.simulated.training import SimulatedTraining
from platforms.training_work import TrainingFile
from rm.evaluation.episode import board_moment, life_outcome
from rm.evaluation.training.outcome import TrainingMoment, TrainingOutcome
from rm.evaluation.training.rounds import Round, RoundParameters, draw_rounds
from rm.evaluation.training.trainer import SimulatedTrainer
from rm.evaluation.training.truth import varied_works
from rm.evaluation.workload import WorkloadParameters, draw_workload
from rm.governor import Governor, Periods
from rm.planner.capability import Capability, modelled_capability
from rm.planner.mode_table import mode_table
from rm.planner.plans import Limits
from rm.policy import TrainingPolicy
from rm.training.jobs import TrainingJobs
from rm.training.registry import TrainingContext, training_policy_factory

_WORKLOAD, _NOISE, _TRUTH, _ROUNDS = 0, 1, 2, 3
"""Streams of an episode's seed; the first two are those of `rm.evaluation.episode`."""

_BACKEND = "onnxruntime"
"""Runs the policies' networks: the same on every machine, so that episodes are as well."""


class TrainingSetup(Struct, frozen=True, kw_only=True):
    """Everything that an episode depends on.

    It lasts `duration_s` whatever the policy does, from `start_temp_c` in every node (None: the
    air's temperature); it is sampled once every `sample_s`. The job declares what `training` says
    of the board; what its steps truly take is up to `workload.variation` off, as the applications
    are. `limit_c` is the temperature limit of the hottest core, `limit_w` the SoC's
    power limit (None: there is none).
    """

    board: Board
    cooling: str
    policy: str
    seed: int
    profiles: tuple[ApplicationProfile, ...]
    training: TrainingFile
    limit_c: float
    limit_w: float | None = None
    workload: WorkloadParameters = WorkloadParameters()
    rounds: RoundParameters = RoundParameters()
    periods: Periods = Periods()
    policy_file: Path | None = None
    duration_s: float = 600.0
    start_temp_c: float | None = None
    sample_s: float = 1.0


class Drawn(Struct, frozen=True):
    """What an episode's seed decides: the same whatever the policy and the cooling."""

    jobs: tuple[Job, ...]
    training: SimulatedTraining
    capability: Capability
    rounds: tuple[Round, ...]


def draw(setup: TrainingSetup) -> Drawn:
    """The foreground, the training as it truly is and as it says it is, and its rounds."""
    board, training, curve = setup.board, setup.training, setup.training.curve
    works = varied_works(training.works, _stream(setup, _TRUTH), share=setup.workload.variation)
    truth = mode_table(board, modelled_capability(board, works, curve))
    return Drawn(
        draw_workload(board, setup.profiles, setup.workload, _stream(setup, _WORKLOAD)),
        SimulatedTraining(id=1, name=training.name, works=works),
        modelled_capability(board, training.works, curve),
        draw_rounds(
            setup.rounds,
            _stream(setup, _ROUNDS),
            best_per_s=float(truth.progress_per_s.max()),
            duration_s=setup.duration_s,
        ),
    )


def _stream(setup: TrainingSetup, number: int) -> np.random.Generator:
    return np.random.default_rng([setup.seed, number])


class _Recorder:
    """Looks at the truth: at heat after every round of the governor, else once every `sample_s`."""

    def __init__(self, simulated: SimulatedBoard, setup: TrainingSetup) -> None:
        self._simulated = simulated
        self._sample_s = setup.sample_s
        self._limit_c = setup.limit_c
        self._due_s = self._looked_s = 0.0
        self._hottest_c: list[float] = []
        self.peak_temp_c = -math.inf
        self.over_s = self.over_k = self.over_sensor_k = self.peak_w = 0.0
        self.timeline: list[TrainingMoment] = []

    @property
    def mean_hottest_c(self) -> float:
        """The time mean of the hottest core's temperature."""
        return float(np.mean(self._hottest_c))

    def __call__(self, observation: Observation, decision: Decision) -> None:
        self.look_at_heat()
        if observation.time_s >= self._due_s - 1e-9:
            self._due_s = observation.time_s + self._sample_s
            self.sample()

    def sample(self) -> None:
        """Take a moment."""
        board = board_moment(self._simulated)
        state = self._simulated.training[0]
        grant = state.grant
        trains = grant is not None and state.left > 0.0 and not grant.pauses
        setting, cores = (grant.setting, grant.cores) if grant and trains else (-1, ())
        self.timeline.append(
            TrainingMoment(
                board.time_s,
                board.sensor_temp_c,
                board.peak_temp_c,
                board.power_w,
                board.freqs_hz,
                board.application_on_core,
                setting,
                cores,
            )
        )

    def look_at_heat(self) -> None:
        """Note how hot it is."""
        simulated = self._simulated
        passed_s, self._looked_s = simulated.now_s - self._looked_s, simulated.now_s
        temps_c = simulated.temperatures_c
        hottest_c = float(temps_c[simulated.power.core_nodes].max())
        self._hottest_c.append(hottest_c)
        self.peak_temp_c = max(self.peak_temp_c, float(temps_c.max()))
        self.peak_w = max(self.peak_w, float(simulated.power_w.sum()))
        self.over_s += passed_s * (hottest_c > self._limit_c)
        self.over_k = max(self.over_k, hottest_c - self._limit_c)
        self.over_sensor_k = max(self.over_sensor_k, simulated.sensor_temp_c - self._limit_c)


def run_training_episode(setup: TrainingSetup) -> TrainingOutcome:
    """Run it. Thermal runaway ends the episode and is told in the outcome."""
    drawn = draw(setup)
    simulated = _simulated(setup, drawn)
    jobs = TrainingJobs(setup.board)
    policy = _policy(setup, simulated, jobs)
    trainer = SimulatedTrainer(
        simulated,
        jobs,
        drawn.capability,
        drawn.rounds,
        name=setup.training.name,
    )
    recorder = _Recorder(simulated, setup)

    def listener(observation: Observation, decision: Decision) -> None:
        trainer(observation, decision)
        recorder(observation, decision)

    governor = Governor(
        simulated, policy, simulated.clock, periods=setup.periods, listener=listener
    )
    runaway_s = None
    try:
        governor.run(setup.duration_s)
    except ThermalRunaway:
        runaway_s = simulated.now_s
        recorder.look_at_heat()
        recorder.sample()
    trainer.give_up(simulated.now_s)
    return _outcome(setup, drawn, simulated, governor, trainer, recorder, runaway_s)


def _simulated(setup: TrainingSetup, drawn: Drawn) -> SimulatedBoard:
    return SimulatedBoard(
        setup.board,
        cooling=setup.board.cooling_named(setup.cooling),
        rng=_stream(setup, _NOISE),
        jobs=drawn.jobs,
        training=[drawn.training],
        start_temp_c=setup.start_temp_c,
        run_s=setup.duration_s,
    )


def _policy(setup: TrainingSetup, simulated: SimulatedBoard, jobs: TrainingJobs) -> TrainingPolicy:
    limits = Limits(temp_c=setup.limit_c, power_w=setup.limit_w or math.inf)
    context = TrainingContext(setup.board, simulated, jobs, limits, setup.policy_file, _BACKEND)
    return training_policy_factory(setup.policy)(context)


def _outcome(
    setup: TrainingSetup,
    drawn: Drawn,
    simulated: SimulatedBoard,
    governor: Governor,
    trainer: SimulatedTrainer,
    recorder: _Recorder,
    runaway_s: float | None,
) -> TrainingOutcome:
    records = simulated.records()
    return TrainingOutcome(
        policy=setup.policy,
        cooling=setup.cooling,
        seed=setup.seed,
        duration_s=simulated.now_s,
        mean_temp_c=float(np.mean([moment.sensor_temp_c for moment in recorder.timeline])),
        mean_hottest_c=recorder.mean_hottest_c,
        peak_temp_c=recorder.peak_temp_c,
        limit_c=setup.limit_c,
        over_s=recorder.over_s,
        over_k=recorder.over_k,
        over_sensor_k=recorder.over_sensor_k,
        limit_w=setup.limit_w,
        peak_w=recorder.peak_w,
        energy_j=simulated.energy_j,
        instructions=sum(record.instructions for record in records),
        samples=trainer.samples,
        reference_samples=trainer.reference_samples,
        lost_samples=trainer.lost_samples,
        goal_samples=drawn.capability.samples_to_goal(0),
        migrations=governor.migrations,
        opp_changes=governor.opp_changes,
        grants=trainer.grants,
        throttled_s=simulated.throttled_s,
        runaway_s=runaway_s,
        applications=tuple(life_outcome(record) for record in records),
        rounds=tuple(trainer.outcomes),
        timeline=tuple(recorder.timeline),
    )
