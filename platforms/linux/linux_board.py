"""The board that this machine is, as the governor sees it: `platforms.Platform` on Linux.

`Machine` holds the pieces that read and the one that writes; `LinuxBoard` makes an observation of
what they read and turns a decision into writes. It never raises for what happens on a living
machine: a core is unplugged, an application ends, the kernel clamps or refuses. It notes what it
did instead (`refused`), and what the governor's guard has to know (`knob_problem`).
"""

import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from platforms.board import Board
from platforms.decision_check import IllegalDecision, decision_problems
from platforms.linux.applications.application_reader import ApplicationReader
from platforms.linux.applications.followed_application import FollowedApplication, ReadApplication
from platforms.linux.clocks.steered_accelerators import SteeredAccelerators
from platforms.linux.clocks.steered_clusters import ClusterReading, SteeredClusters
from platforms.linux.confinement.confinement import Confinement
from platforms.linux.core_time import CoreTime
from platforms.linux.errors import JournalUnusable, Unreadable
from platforms.linux.knobs.knobs import KnobWriter
from platforms.linux.managed import ManagedProcess, TrainingProcess
from platforms.linux.online_cores import OnlineCores
from platforms.linux.processes.seating import Seating
from platforms.linux.thermal_zones import ThermalZones
from platforms.platform import Clock, Decision, Observation, TrainingGrant, TrainingReading

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Machine:
    """The pieces that read this machine, and `writer`, the only one that writes to it."""

    clusters: SteeredClusters
    seating: Seating
    zones: ThermalZones
    online: OnlineCores
    core_time: CoreTime
    reader: ApplicationReader
    writer: KnobWriter
    accelerators: SteeredAccelerators | None = None


class LinuxBoard:
    """A platform whose knobs must be taken before a decision, and are given back at the end.

    `moved` and `refused` tell what became of the decision since the last observation.
    """

    def __init__(
        self,
        board: Board,
        machine: Machine,
        clock: Clock,
        *,
        applications: Callable[[], Sequence[ManagedProcess]],
        training: Callable[[float], Sequence[TrainingReading]] = lambda _now_s: (),
        training_processes: Callable[[], Sequence[TrainingProcess]] = lambda: (),
        confinement: Confinement | None = None,
    ) -> None:
        """`applications` are those that are looked after now; they may change at any time.

        So may `training`, what is known at a time of the training jobs, and `training_processes`,
        those of them whose process is known. `confinement` holds these to their grants; without it
        a job is told its grant, and keeps it or not.
        """
        self._board = board
        self._machine = machine
        self._clock = clock
        self._applications = applications
        self._training = training
        self._training_processes = training_processes
        self._confinement = confinement
        self._last_s = clock.now_s()
        self.clusters: tuple[ClusterReading, ...] = ()
        self._freqs_hz: tuple[float, ...] = ()
        self._opps: tuple[int, ...] = ()
        self._caps: tuple[int, ...] = ()
        self._read: tuple[FollowedApplication, ...] = ()
        self.cores_online: frozenset[int] = frozenset(range(board.core_count))
        self.moved: tuple[int, ...] = ()
        self.refused: tuple[str, ...] = ()
        self.knob_problem: str | None = None

    @property
    def board(self) -> Board:
        """The board's description."""
        return self._board

    # --- what is seen ---------------------------------------------------------------------------

    @property
    def read_applications(self) -> tuple[ReadApplication, ...]:
        """All applications that were there at the last observation."""
        return tuple([app.state() for app in self._read])

    def observe(self) -> Observation:
        """The present state; rates are means since the previous call."""
        machine, now_s = self._machine, self._clock.now_s()
        window_s, self._last_s = now_s - self._last_s, now_s
        self.moved, self.refused = (), ()
        try:
            online = machine.online.read()
        except Unreadable:
            online = self.cores_online
        self.cores_online = online
        clusters = machine.clusters.read(now_s)
        if clusters != self.clusters:
            self.clusters = clusters
            self._freqs_hz = tuple([float(cluster.freq_hz) for cluster in clusters])
            self._opps = tuple([cluster.opp for cluster in clusters])
            self._caps = tuple([cluster.cap for cluster in clusters])
        # Called in place, Python would look for methods first.
        applications, training = self._applications, self._training
        self._read = machine.reader.read(applications(), self._freqs_hz, window_s)
        seen = []
        for app in self._read:
            if app.reading is not None:
                seen.append(app.reading)
        return Observation(
            now_s,
            window_s,
            tuple(seen),
            self._opps,
            self._caps,
            machine.core_time.read(),
            machine.zones.read(now_s),
            tuple(training(now_s)),
            () if machine.accelerators is None else machine.accelerators.read(now_s),
        )

    def rescan(self) -> None:
        """Look for new threads and children of the applications, and put them where they belong.

        Once in a migration period: it walks /proc.
        """
        training = frozenset(process.key.pid for process in self._training_processes())
        self._machine.reader.others = training
        self._machine.reader.rescan(self._applications())

    # --- what is done ---------------------------------------------------------------------------

    def apply(self, decision: Decision) -> None:
        """Carry a decision out; what cannot be done is in `refused`, IllegalDecision for nonsense.

        Applications that are gone by now are passed over.
        """
        threads = {app.process.id: app.seat[1] for app in self._read}
        jobs = {job.id: None for job in self._training(self._last_s)} if decision.grants else {}
        for problem in decision_problems(self._board, threads, decision, jobs):
            raise IllegalDecision(problem)
        self.moved, self.refused = (), ()
        try:
            self._migrate(decision)
            self._confine(decision.grants)
            if decision.opp_index is not None:
                self.refused += self._machine.clusters.set(decision.opp_index)
            if decision.accelerator_opp and self._machine.accelerators is not None:
                self.refused += self._machine.accelerators.set(decision.accelerator_opp)
            self.knob_problem = self._machine.clusters.problem
        except JournalUnusable as error:
            self._give_up(str(error))

    def hold(self) -> None:
        """Keep every application on the cores that it was seen on, its new threads as well.

        Training jobs are kept to their grants; those that are not there any more are let go.
        """
        try:
            wanted = {app.process.id: app.seat[0] for app in self._read}
            self._machine.seating.hold(self._applications(), wanted, self.cores_online)
            self._hold_training()
        except JournalUnusable as error:
            self._give_up(str(error))

    def enforce(self, *, pause: Iterable[int] = (), throttle: Iterable[int] = ()) -> None:
        """Act on training jobs that do not keep to their grant; their next one lets them go on.

        Those in `pause` should have paused by themselves and are frozen; those in `throttle` say
        nothing any more, and get hardly any time until they are not named any more.
        """
        if self._confinement is None:
            return
        processes = {process.id: process for process in self._training_processes()}
        silent = tuple(throttle)
        try:
            self.refused += self._confinement.relieve(silent)
            for act, job_ids in (
                (self._confinement.pause, pause),
                (self._confinement.throttle, silent),
            ):
                for process in [processes[job_id] for job_id in job_ids if job_id in processes]:
                    self.refused += act(process.id, process.key, uid=process.uid)
        except JournalUnusable as error:
            self._give_up(str(error))

    def take(self) -> None:
        """Store how the knobs are, and take them; on an error they are as they were."""
        self.knob_problem = None
        try:
            self._machine.clusters.take()
        except OSError:
            self.release()
            raise

    def release(self) -> None:
        """Put every knob back as it was before `take`."""
        report = self._machine.writer.restore_all()
        for problem in report.problems:
            logger.error("not restored: %s", problem)
        self.knob_problem = None
        self._machine.clusters.forget()
        self._machine.seating.forget()
        if self._machine.accelerators is not None:
            self._machine.accelerators.forget()
        if self._confinement is not None:
            self._confinement.forget()

    def _migrate(self, decision: Decision) -> None:
        processes = {process.id: process for process in self._applications()}
        for move in decision.migrations:
            process = processes.get(move.application_id)
            if process is None:
                continue
            seated = self._machine.seating.seat(process, move.cores, self.cores_online)
            self.refused += seated.problems
            if seated.moved:
                self.moved += (move.application_id,)

    def _confine(self, grants: Sequence[TrainingGrant]) -> None:
        """Hold jobs to what they were granted; those without a process here keep it by themselves.

        One that is to pause is given the time to: see `enforce`.
        """
        if self._confinement is None or not grants:
            return
        self._spare_applications(self._confinement)
        processes = {process.id: process for process in self._training_processes()}
        for grant in grants:
            process = processes.get(grant.job_id)
            if process is not None:
                self.refused += self._confinement.confine(
                    process.id, process.key, grant, process.memory_bytes, uid=process.uid
                )

    def _spare_applications(self, confinement: Confinement) -> None:
        """None of them is confined with a job that it descends from."""
        confinement.without = frozenset(process.key.pid for process in self._applications())

    def _hold_training(self) -> None:
        if self._machine.accelerators is not None and not self._training(self._last_s):
            self._machine.accelerators.give_back()
        if self._confinement is not None:
            self._spare_applications(self._confinement)
            present = frozenset(process.id for process in self._training_processes())
            self.refused += self._confinement.keep_only(present)
            self.refused += self._confinement.hold()

    def _give_up(self, problem: str) -> None:
        """Nothing more can be written, since it could not be undone."""
        self.knob_problem = problem
        self.refused += (problem,)
