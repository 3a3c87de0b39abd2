"""The simulated board: a `Platform` whose time passes only when its clock is told to.

Between two events (an arrival, an end, a change of phase or of the cooling, a sensor sample, a look
of the kernel's thermal protection, a decision) speeds and dynamic powers are constant; only leakage
moves, and is taken anew at least every `LEAKAGE_STEP_S`, each time as it will be in the middle of
the step.
"""

import math
from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from platforms.application import Job
from platforms.board import RUNAWAY_C, Board, CoolingSetup
from platforms.decision_check import IllegalDecision, decision_problems
from platforms.errors import InvalidInput
from platforms.platform import Decision, Observation, TrainingGrant
from platforms.simulated.busy_time import BusyTime
from platforms.simulated.equilibrium import ThermalRunaway, settle
from platforms.simulated.heat import HeatNetwork
from platforms.simulated.job_check import check_jobs
from platforms.simulated.performance import speeds
from platforms.simulated.power import Load, PowerModel
from platforms.simulated.protection import StepWise
from platforms.simulated.running import LifeRecord, RunningApplication
from platforms.simulated.scheduler import place_newcomer, place_threads
from platforms.simulated.sensor import SimulatedSensor
from platforms.simulated.training import SimulatedTraining, TrainingState
from platforms.simulated.training_bay import TrainingBay

LEAKAGE_STEP_S = 0.1
"""Longest time over which leakage is held constant: a third of a core's time constant. Taken in the
middle of the step it keeps a minute of switching operating points within 0.1 mK of the truth."""

_LEAKAGE_LIMIT_S = LEAKAGE_STEP_S + 1e-9  # no sliver of a step because of a rounding

REFILL_SHARE = 0.25
"""Share of the memory bandwidth that one core gets to refill a cold L2 cache (assumed: 0.4 ms for
1 MiB, 0.8 ms for 2 MiB, the range of the reference's estimate)."""

SAME_CLUSTER_REFILL_S = 5e-5
"""Cost of a move that keeps the L2 cache: an L1 refill and the switch itself (assumed). A move to
another L2 cache, that of another cluster or another core's own, costs this and its refill."""

Vector = NDArray[np.float64]


class SimulatedClock:
    """The simulated board's time; sleeping advances the board."""

    def __init__(self, board: "SimulatedBoard") -> None:
        """The clock of one board."""
        self._board = board

    def now_s(self) -> float:
        """Simulated seconds since the start."""
        return self._board.now_s

    def sleep_until(self, time_s: float) -> None:
        """Let the simulated time pass."""
        self._board.advance_to(time_s)


class SimulatedBoard:
    """A board under one cooling setup, running the jobs that are given to it.

    Training jobs begin paused and without work. `start_temp_c` is every node's temperature at time
    0 (default: ambient). `rng` draws sensor noise. A cooling setup with `then` changes at its share
    of `run_s`, the length of the run in seconds; `cooling` is the one in force. Raises InvalidInput
    for a job that cannot run on this board, and for a cooling setup that changes in a run of
    unknown length. Advancing raises ThermalRunaway when a core passes `RUNAWAY_C`.
    """

    def __init__(
        self,
        board: Board,
        *,
        cooling: CoolingSetup,
        rng: np.random.Generator,
        jobs: Iterable[Job] = (),
        training: Iterable[SimulatedTraining] = (),
        start_temp_c: float | None = None,
        run_s: float | None = None,
    ) -> None:
        self.board = board
        self.cooling = cooling
        self.clock = SimulatedClock(self)
        self.now_s = 0.0
        self.throttled_s = 0.0
        self._cooling_ends_s = _end_of(cooling, run_s)
        self.network = HeatNetwork.build(board.thermal, cooling)
        self.power = PowerModel(board)
        start = cooling.ambient_c if start_temp_c is None else start_temp_c
        field = np.full(len(self.network.names), start)
        self._modes = np.append(self.network.modes(field), 0.0)  # the last one is energy, in J
        self._sensors = tuple(SimulatedSensor(board, s, rng) for s in board.sensors)
        self._protection = StepWise(board)
        self._opps = board.lowest_opps
        self._asked_opps = board.lowest_opps
        self._waiting = sorted(jobs, key=lambda job: (job.arrival_s, job.id))
        check_jobs(board, self._waiting)
        self._bay = TrainingBay(board, training)
        self._trains = len(self._bay) > 0
        self._accelerator_opps = self._asked_accelerators = (0,) * len(board.compute_accelerators)
        self._accelerator_nodes = _heated_nodes(board)
        self._running: list[RunningApplication] = []
        self._records: list[LifeRecord] = []
        self._observed_s = 0.0
        self._busy_time = BusyTime(board.core_count)
        self._dirty = True
        self._settled = False
        self._next_event_s = 0.0
        self._next_sample_s = 0.0
        self._next_look_s = math.inf
        self._look_network_up()
        self._factor = self._leakage_factor()
        self._load = Load(np.zeros(len(self.network.names)), np.zeros(board.core_count))
        self._turn_events()
        self._sample_sensors()
        self._refresh()

    # --- Platform -------------------------------------------------------------------------------

    def observe(self) -> Observation:
        """The present state; rates are means since the previous call."""
        now, start = self.now_s, self._observed_s
        self._observed_s = now
        return Observation(
            now,
            now - start,
            tuple([app.read(now, start) for app in self._running]),
            self._opps,
            self._protection.caps,
            self._busy_time.share(now, start),
            tuple([sensor.reading(now) for sensor in self._sensors]),
            self._bay.read(now, now - start) if self._trains else (),
            self._accelerator_opps,
        )

    def apply(self, decision: Decision) -> None:
        """Carry out a decision at once; points above the kernel's cap wait for it to rise.

        Raises IllegalDecision for cores or operating points that the board does not have, and for
        settings that a training job does not have.
        """
        threads = {app.job.id: app.job.threads for app in self._running}
        for problem in decision_problems(self.board, threads, decision, self._bay.settings):
            raise IllegalDecision(problem)
        for migration in decision.migrations:
            self._migrate(migration.application_id, migration.cores)
        if decision.opp_index is not None and decision.opp_index != self._asked_opps:
            self._asked_opps = decision.opp_index
            self._cap_opps()
        if decision.accelerator_opp:
            pairs = zip(decision.accelerator_opp, self._asked_accelerators, strict=True)
            self._asked_accelerators = tuple([old if opp is None else opp for opp, old in pairs])
            self._cap_opps()
        for grant in decision.grants:
            self._grant(grant)
        if self._dirty:
            self._refresh()

    def give_work(self, job_id: int, samples: float) -> None:
        """Let a training job have so many more samples to do.

        With none left it waits, and takes no core. Raises InvalidInput for no such job, and unless
        `samples` is finite and positive.
        """
        if not 0 < samples < math.inf:
            raise InvalidInput(f"samples must be positive and finite (got {samples})")
        job = self._bay.named(job_id)
        job.catch_up(self.now_s)
        job.left += samples
        self._refresh()

    def withdraw_work(self, job_id: int) -> None:
        """Drop what a training job has left: a round that was missed."""
        job = self._bay.named(job_id)
        job.catch_up(self.now_s)
        job.left = 0.0
        self._refresh()

    # --- time -----------------------------------------------------------------------------------

    def advance_to(self, time_s: float) -> None:
        """Let time pass up to `time_s`."""
        while self.now_s < time_s:
            if self._dirty:
                self._refresh()
            until = min(time_s, self._next_event_s, self._next_sample_s)
            if until - self.now_s > _LEAKAGE_LIMIT_S and not self._settled:
                until = self.now_s + LEAKAGE_STEP_S
            if until > self.now_s:
                self._heat(until - self.now_s)
                self.now_s = until
            if until >= self._next_event_s:
                self._turn_events()
            if until >= self._next_sample_s:
                self._sample_sensors()
        if self._dirty:
            self._refresh()

    def settle(self) -> None:
        """Jump to the steady state of the present load: an experiment's warm start, in no time.

        Raises ThermalRunaway where there is none.
        """
        self._protection.release()
        self._cap_opps()
        if self._dirty:
            self._refresh()
        state = settle(self.network, self._load, self.power.shape, self.power.core_nodes)
        self._modes[:-1] = self.network.modes(state.temp_c)
        self._factor = self._leakage_factor()
        self._drive = self._dynamic_drive + self._leakage_drive @ self._factor
        self._settled = True
        self._sample_sensors(all_now=True)
        if self._dirty:
            self._refresh()

    # --- what only a simulation can tell ---------------------------------------------------------

    @property
    def temperatures_c(self) -> Vector:
        """The true temperature of every node, degC."""
        return self.network.temperatures(self._modes[:-1])

    @property
    def energy_j(self) -> float:
        """What the SoC has taken since the start, J."""
        return float(self._modes[-1])

    @property
    def power_w(self) -> Vector:
        """The present SoC power per node, W."""
        power = self._load.dynamic_w.copy()
        power[self.power.core_nodes] += self._load.leakage_w * self._leakage_factor()
        return power

    @property
    def sensor_temp_c(self) -> float:
        """The true temperature where the first sensor sits, degC."""
        return self._sensors[0].true_c(self.temperatures_c)

    @property
    def running(self) -> Sequence[RunningApplication]:
        """The applications on the board now."""
        return self._running

    @property
    def training(self) -> tuple[TrainingState, ...]:
        """The training jobs now."""
        return tuple(job.state(self.now_s) for job in self._bay)

    def training_job(self, job_id: int) -> SimulatedTraining:
        """What a training job truly asks for. Raises InvalidInput where there is none."""
        return self._bay.named(job_id).job

    @property
    def opp_index(self) -> tuple[int, ...]:
        """The operating point of every cluster."""
        return self._opps

    @property
    def idle_for_good(self) -> bool:
        """Nothing runs and nothing is to come."""
        return not self._running and not self._waiting

    def records(self) -> tuple[LifeRecord, ...]:
        """The lives of all applications that came so far, ended or not, by id."""
        alive = [app.record(self.now_s) for app in self._running]
        return tuple(sorted([*self._records, *alive], key=lambda record: record.job.id))

    # --- inside ---------------------------------------------------------------------------------

    def _look_network_up(self) -> None:
        """Keep what every step needs of the network in force."""
        self._kernels: dict[float, tuple[Vector, Vector, Vector, Vector]] = {}
        rise = self.network.rise_of_modes[self.power.core_nodes]
        self._rise_of_cores = np.column_stack([rise, np.zeros(self.board.core_count)])
        self._leakage = self.power.shape.above(self.network.ambient_c)

    def _change_cooling(self) -> None:
        """Let the cooling become what it turns into; no temperature jumps, no energy is lost."""
        if self.cooling.then is None:
            return
        temp_c = self.temperatures_c
        self.cooling = self.board.cooling_named(self.cooling.then.cooling)
        self.network = HeatNetwork.build(self.board.thermal, self.cooling)
        self._modes[:-1] = self.network.modes(temp_c)
        self._cooling_ends_s = math.inf
        self._look_network_up()

    def _leakage_factor(self) -> Vector:
        """The cores' leakage now, relative to its reference."""
        return self._leakage.value(self._rise_of_cores @ self._modes)

    def _heat(self, step_s: float) -> None:
        """Advance heat and energy by a step of constant power, exactly.

        Leakage is taken where the cores will be in the middle of the step, as far as the power of
        now and the leakage of the step before tell (an exponential midpoint rule).
        """
        key = round(step_s, 9)
        kernel = self._kernels.get(key)
        if kernel is None:
            kernel = self._kernel(step_s)
            if len(self._kernels) < 64:
                self._kernels[key] = kernel
        left, gain, left_half, gain_half = kernel
        middle = left_half * self._modes + gain_half * self._drive
        self._factor = self._leakage.value(self._rise_of_cores @ middle)
        self._drive = self._dynamic_drive + self._leakage_drive @ self._factor
        self._modes = left * self._modes + gain * self._drive
        if self._protection.throttling:
            self.throttled_s += step_s

    def _kernel(self, step_s: float) -> tuple[Vector, Vector, Vector, Vector]:
        """What is left, and the gain of a constant drive, after a step and after half of it.

        Energy is a mode that never decays.
        """
        left, gain = self.network.kernel(step_s)
        left_half, gain_half = self.network.kernel(step_s / 2)
        return (
            np.append(left, 1.0),
            np.append(gain, step_s),
            np.append(left_half, 1.0),
            np.append(gain_half, step_s / 2),
        )

    def _turn_events(self) -> None:
        now = self.now_s
        if self._cooling_ends_s <= now:
            self._change_cooling()
        for app in self._running:
            app.catch_up(now)
            app.turn_phase()
        if self._trains:
            self._bay.catch_up(now)
        ended = [app for app in self._running if app.finished()]
        self._records += [app.record(now) for app in ended]
        if ended:
            self._running = [app for app in self._running if app not in ended]
        while self._waiting and self._waiting[0].arrival_s <= now + 1e-12:
            self._start(self._waiting.pop(0))
        self._dirty = True

    def _start(self, job: Job) -> None:
        busy = [core for cores in self._thread_cores() for core in cores]
        busy += [core for core, _ in self._bay.thread_cores()]
        cores = job.cores or place_newcomer(self.board, job.threads, busy)
        self._running.append(RunningApplication(job, cores, self.now_s))

    def _thread_cores(self) -> list[tuple[int, ...]]:
        """The core of every thread, by running application."""
        allowed = [(app.job.threads, app.cores) for app in self._running]
        if not self._trains:
            return place_threads(allowed, self.board.core_count)
        load = [0.0] * self.board.core_count
        for core, weight in self._bay.thread_cores():
            load[core] += weight
        return place_threads(allowed, self.board.core_count, load=load)

    def _migrate(self, application_id: int, cores: tuple[int, ...]) -> None:
        owner = self.board.cluster_of_core
        for app in self._running:
            if app.job.id == application_id and app.cores != cores:
                app.catch_up(self.now_s)
                stays = {owner[c] for c in app.cores} == {owner[c] for c in cores}
                keeps_l2 = stays and self.board.clusters[owner[cores[0]]].l2_shared
                app.lose(SAME_CLUSTER_REFILL_S + (0.0 if keeps_l2 else self._refill_s(cores[0])))
                app.cores = cores
                self._dirty = True

    def _grant(self, grant: TrainingGrant) -> None:
        """Let a training job use what it is granted; other caches have to be filled first."""
        job = self._bay.find(grant.job_id)
        if job is None or job.grant == grant:
            return
        job.catch_up(self.now_s)
        before = () if job.grant is None else job.grant.cores
        if set(grant.cores) != set(before) and not grant.pauses:
            new = {self._l2_of(core): core for core in grant.cores}
            for core in before:
                new.pop(self._l2_of(core), None)
            refills_s = [self._refill_s(core) for core in new.values()]
            job.owe(SAME_CLUSTER_REFILL_S + max(refills_s, default=0.0))
        job.grant = grant
        self._dirty = True

    def _l2_of(self, core: int) -> int:
        """The first core that shares this one's L2 cache."""
        cluster = self.board.clusters[self.board.cluster_of_core[core]]
        return cluster.cores[0] if cluster.l2_shared else core

    def _refill_s(self, core: int) -> float:
        l2_bytes = self.board.clusters[self.board.cluster_of_core[core]].l2_bytes
        return l2_bytes / (REFILL_SHARE * self.board.memory.bandwidth_bytes_per_s)

    def _cap_opps(self) -> None:
        pairs = zip(self._asked_opps, self._protection.caps, strict=True)
        opps = tuple([min(asked, cap) for asked, cap in pairs])
        if opps != self._opps:
            self._opps = opps
            self._dirty = True
        if self._accelerator_opps:
            pairs = zip(self._asked_accelerators, self._protection.accelerator_caps, strict=True)
            clocks = tuple([min(asked, cap) for asked, cap in pairs])
            self._dirty = self._dirty or clocks != self._accelerator_opps
            self._accelerator_opps = clocks

    def _sample_sensors(self, *, all_now: bool = False) -> None:
        """Take the samples that are due, or one of every sensor; heed the kernel's protection.

        The protection looks at every sample of its sensor, and while it is warm in between.
        """
        field = self.temperatures_c
        if field.max() > RUNAWAY_C:
            hottest = int(np.argmax(field))
            raise ThermalRunaway(self.network.names[hottest], float(field[hottest]), self.now_s)
        soon_s = self.now_s + 1e-9
        for sensor, described in zip(self._sensors, self.board.sensors, strict=True):
            watched = described.name == self._protection.sensor
            if sensor.due_s <= soon_s or all_now:
                temp_c = sensor.sample(self.now_s, sensor.true_c(field))
            elif watched and self._next_look_s <= soon_s:
                temp_c = sensor.look(sensor.true_c(field))
            else:
                continue
            if watched:
                self._look(temp_c)
        self._next_sample_s = min(self._next_look_s, *[sensor.due_s for sensor in self._sensors])

    def _look(self, temp_c: float) -> None:
        """Let the kernel's protection see the temperature of its sensor."""
        if self._protection.update(temp_c):
            self._cap_opps()
        self._next_look_s = self.now_s + self._protection.pause_s

    def _refresh(self) -> None:
        """Work out speeds and powers anew, after anything changed."""
        now = self.now_s
        for app in self._running:
            app.catch_up(now)
        pairs = zip(self._running, self._thread_cores(), strict=True)
        placed = [app.place(cores) for app, cores in pairs]
        if self._trains:
            self._bay.catch_up(now)
            placed += self._bay.placed()
        result = speeds(self.board, self._opps, placed)
        for app, rate_ips in zip(self._running, result.rate_ips, strict=False):
            app.rate_ips = rate_ips
        self._busy_time.turn(now, self._observed_s, result.core_busy)
        self._load = self.power.load(self._opps, result.core_activity, result.core_busy)
        if self._trains:
            self._set_training_rates(result.rate_ips[len(self._running) :])
        dynamic_w, leakage_w = self._load.dynamic_w, self._load.leakage_w
        modes_of_power = self.network.modes_of_power
        self._dynamic_drive = np.append(modes_of_power @ dynamic_w, dynamic_w.sum())
        columns = modes_of_power[:, self.power.core_nodes]
        self._leakage_drive = np.vstack([columns * leakage_w, leakage_w])
        self._drive = self._dynamic_drive + self._leakage_drive @ self._factor
        events = [
            self._cooling_ends_s,
            *[app.next_event_s() for app in self._running],
        ]
        if self._trains:
            events.append(self._bay.next_event_s())
        if self._waiting:
            events.append(self._waiting[0].arrival_s)
        self._next_event_s = min(events)
        self._dirty = self._settled = False

    def _set_training_rates(self, on_cores: Sequence[float]) -> None:
        """Let training jobs run at these rates, or at their accelerator's, which heats its node."""
        cluster_hz = self.board.freqs_hz_at(self._opps)
        watts = self._bay.set_rates(on_cores, cluster_hz, self._accelerator_opps)
        for node, power_w in zip(self._accelerator_nodes, watts, strict=True):
            self._load.dynamic_w[node] += power_w


def _end_of(cooling: CoolingSetup, run_s: float | None) -> float:
    """When a cooling setup gives way to another, seconds; infinite: never."""
    if cooling.then is None:
        return math.inf
    if run_s is None:
        raise InvalidInput(
            f"cooling {cooling.name} changes at {cooling.then.at_share:.0%} of a run, so it needs "
            f"the run's length (got none); take {cooling.then.cooling}, or one that lasts"
        )
    return cooling.then.at_share * run_s


def _heated_nodes(board: Board) -> list[int]:
    """The index of the thermal node of every accelerator that computes."""
    nodes = [node.name for node in board.thermal.nodes]
    return [nodes.index(a.power.node) for a in board.compute_accelerators if a.power]
