"""The daemon: all its parts put together, the loop, reload and end.

One thread. The governor's loop runs on a clock whose waits serve the socket; after each round the
daemon writes its log line, tells the watchdog, and once in a migration period looks for processes.
Whatever ends the loop, the knobs are given back.
"""

import logging
import math
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from npu_runtime.errors import BackendUnavailable, PolicyFileError
from platforms.board_file import load_board
from platforms.errors import InvalidInput
from platforms.linux.knobs.journal import Journal
from platforms.linux.machine_memory import MachineMemory
from platforms.linux.processes.processes import ProcessTable
from platforms.linux.root_option import under
from platforms.platform import Clock, Decision, Observation
from rm.daemon.applications.applications import Applications
from rm.daemon.clients.served_clock import ServedClock
from rm.daemon.clients.server import Server
from rm.daemon.configuration.settings import Configuration
from rm.daemon.decision_log import DecisionLog, Outcome, TrainingSeen
from rm.daemon.huge_pages import gather_in_huge_pages
from rm.daemon.loop_times import RunningTimes
from rm.daemon.memory import give_back_start_up_memory
from rm.daemon.notify import Notifier
from rm.daemon.opened_board import open_board
from rm.daemon.policy_loader import PolicyWithNetwork, load_policy_with_network
from rm.daemon.status import ApplicationStatus, Counts, Status
from rm.daemon.status_report import (
    PID,
    VERSION,
    application_status,
    backend_status,
    cluster_statuses,
    core_statuses,
    temperature_statuses,
)
from rm.daemon.supervisor import Supervisor
from rm.daemon.training.enforcement import Enforcement
from rm.daemon.training.governed import Governed, with_training
from rm.daemon.training.report import training_seen, training_statuses
from rm.daemon.training.training_desk import TrainingDesk
from rm.daemon.watched_policy import WatchedPolicy
from rm.daemon.watches import watches_for
from rm.governor import Governor, Periods
from rm.safety.states import StateMachine
from rm.training.jobs import TrainingJobs

if TYPE_CHECKING:
    from rm.daemon.metrics.metrics_server import MetricsServer

logger = logging.getLogger(__name__)

NEEDS_RESTART = (
    "board",
    "backend",
    "npu_deadline_s",
    "state_dir",
    "socket",
    "dvfs_period_s",
    "migration_period_s",
    "actuator",
    "placement",
    "metrics",
    "sensors",
    "log",
    "training.enforcement",
)
"""What a reload does not change; a key in a section after the section's."""

_OWNERS_MISTAKES = (InvalidInput, PolicyFileError, BackendUnavailable, OSError)


class Daemon:
    """A running governor with its socket, on the machine at `root`."""

    def __init__(
        self,
        configuration: Configuration,
        *,
        root: Path,
        journal: Journal | None,
        clock: Clock,
        notifier: Notifier,
        reread: Callable[[], Configuration],
        wall_clock: Callable[[], float] = time.time,
    ) -> None:
        """Without a `journal` nothing is written (dry run). `reread` reads the configuration anew.

        Raises InvalidInput, PolicyFileError, BackendUnavailable for what an owner has to repair.
        """
        self._configuration = configuration
        self._root = root
        self._clock = clock
        self._notifier = notifier
        self._reread = reread
        self._dry_run = journal is None
        self._stop_reason: str | None = None
        self._reload_asked = False
        self._started_s = clock.now_s()
        self._last: Observation | None = None
        self._next_scan_s = -math.inf
        self._times = RunningTimes()
        self._clusters_before: tuple[int, ...] = ()
        self._jobs_before: tuple[tuple[int, str, str | None], ...] = ()
        self._board = load_board(configuration.board)
        self._table = ProcessTable(root)
        self._memory = MachineMemory(root)
        self._jobs = TrainingJobs(self._board)
        self._desk = TrainingDesk(
            self._jobs, self._table, configuration.training, binding=journal is not None
        )
        self._applications = Applications(
            configuration.applications, self._table, root=root, trains=self._desk.trains
        )
        self._opened = open_board(
            self._board,
            configuration,
            root=root,
            journal=journal,
            clock=clock,
            table=self._table,
            applications=self._applications.managed,
            on_interference=self._interfered,
            training=self._jobs.readings,
            training_processes=self._desk.processes,
        )
        self._enforcement = Enforcement(
            self._opened.platform, self._desk, enforces=self._opened.confinement is not None
        )
        self._loaded = self._load_policy(configuration)
        governed = self._with_training(self._loaded, configuration)
        self._desk.refusal = governed.refusal
        self._policy = WatchedPolicy(self._board, governed.policy, self._loaded.policy)
        self._supervisor = Supervisor(
            self._opened.platform,
            self._policy,
            watches=watches_for(self._board, configuration, root),
            states=StateMachine(self._started_s, well_for_s=configuration.safety.well_for_s),
            backend=self._loaded.isolated,
        )
        decisions = configuration.log.decisions
        self._log = DecisionLog(
            decisions and under(root, decisions),
            max_bytes=configuration.log.max_bytes,
            kept_files=configuration.log.keep,
            wall_clock=wall_clock,
        )
        socket = under(root, configuration.socket)
        socket.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
        self._server = Server(
            socket,
            self._applications,
            lambda: msgspec.json.encode(self.status()),
            clock,
            application_status=self._application_status,
            training=self._desk,
        )
        try:
            self._metrics = _metrics_server(configuration.metrics.listen, root)
        except InvalidInput:
            self._server.close()
            raise
        self._governor = Governor(
            self._opened.platform,
            self._policy,
            ServedClock(self._server, clock),
            periods=Periods(
                dvfs_s=configuration.dvfs_period_s, migration_s=configuration.migration_period_s
            ),
            guard=self._supervisor,
            listener=self._after_round,
        )

    # --- the way through a run ------------------------------------------------------------------

    def run(self) -> None:
        """Govern until `stop`; the knobs are given back however it ends."""
        try:
            self._look_for_processes(self._clock.now_s())
            give_back_start_up_memory()
            gather_in_huge_pages()
            self._notifier.ready(self._summary())
            logger.info("governing %s by %s", self._board.name, self._policy.name)
            self._governor.run(math.inf, stop=lambda: self._stop_reason is not None)
        finally:
            self.close()

    def stop(self, reason: str) -> None:
        """End after the present round, or its wait at once; safe to call from a signal handler."""
        self._stop_reason = reason
        self._server.end_waits()

    def reload(self) -> None:
        """Read the configuration anew after the present round; safe in a signal handler."""
        self._reload_asked = True

    def close(self) -> None:
        """Give everything back and let go of everything."""
        reason = self._stop_reason or "fault"
        self._notifier.stopping(reason)
        self._supervisor.stop(self._clock.now_s(), reason)
        self._server.close()
        if self._metrics is not None:
            self._metrics.close()
        self._log.close()
        self._loaded.close()
        self._opened.close()

    # --- what a round is followed by ------------------------------------------------------------

    def _after_round(self, observation: Observation, decision: Decision) -> None:
        self._last = observation
        now_s = self._clock.now_s()
        self._enforcement.after_round(decision, now_s, self._supervisor.steers)
        if not self._log.is_off:
            self._write_log(observation, decision, now_s - observation.time_s)
        if now_s >= self._next_scan_s:
            self._look_for_processes(now_s)
        if self._reload_asked:
            self._reload_asked = False
            self._reload()
        if self._metrics is not None and self._metrics.wanted:
            self._metrics.publish(self.status())
        self._times.new.append(self._clock.now_s() - observation.time_s)
        if now_s >= self._notifier.due_s:
            self._notifier.alive(now_s)

    def _look_for_processes(self, now_s: float) -> None:
        """Once in a migration period: who is there, and are all where they belong."""
        self._next_scan_s = now_s + self._configuration.migration_period_s
        self._applications.update(self._table.scan(), now_s)
        self._desk.update(now_s)
        self._opened.platform.rescan()
        if self._supervisor.steers:
            self._opened.platform.hold()
        self._loaded.tend()
        self._times.take_in()

    def _write_log(self, observation: Observation, decision: Decision, loop_s: float) -> None:
        platform = self._opened.platform
        steers, choice = self._supervisor.steers, decision.opp_index
        training = self._training_seen(decision)
        states = tuple([(job.id, job.state, job.held_by) for job in training.jobs])
        changes = (
            bool(decision.migrations or decision.grants or (steers and platform.refused))
            or (choice is not None and choice != self._clusters_before)
            or states != self._jobs_before
        )
        self._jobs_before = states
        if choice is not None:
            self._clusters_before = choice
        if self._log.wants(changes=changes):
            self._log.write(
                self._board,
                observation,
                decision,
                Outcome(moved=platform.moved, refused=platform.refused) if steers else Outcome(),
                number=self._governor.rounds,
                state=self._supervisor.states.state,
                reason=self._supervisor.states.reason,
                gain=self._policy.gain if decision.migrations else None,
                limited_by=self._supervisor.limited_by if steers else None,
                loop_s=loop_s,
                training=training,
            )

    def _training_seen(self, decision: Decision) -> TrainingSeen:
        return training_seen(
            self._desk,
            self._enforcement,
            decision,
            reason=self._policy.reason,
            now_s=self._clock.now_s(),
        )

    # --- reload ---------------------------------------------------------------------------------

    def _reload(self) -> None:
        """Take over what can be changed while running; what is wrong changes nothing."""
        self._notifier.reloading(self._clock.now_s())
        try:
            self._take_over(self._reread())
        except _OWNERS_MISTAKES as error:
            logger.error("reload refused, everything stays as it was: %s", error)
        except Exception:  # a policy of others may raise anything
            logger.exception("reload refused, everything stays as it was")
        self._notifier.ready(self._summary())

    def _take_over(self, wanted: Configuration) -> None:
        """First everything that can fail; the watches go on where nothing is new for them."""
        before = self._configuration
        kept = [key for key in NEEDS_RESTART if _at(before, key) != _at(wanted, key)]
        for key in kept:
            wanted = _with(wanted, key, _at(before, key))
        watches = None
        if wanted.safety != before.safety:
            watches = watches_for(self._board, wanted, self._root)
        loaded = self._load_policy(wanted)
        try:
            governed = self._with_training(loaded, wanted)
            self._applications.set_rules(wanted.applications)
        except Exception:
            loaded.close()
            raise
        self._exchange_policy(loaded, governed)
        self._desk.set_settings(wanted.training)
        if watches is not None:
            self._supervisor.exchange(watches)
            self._supervisor.states.be_well_for(wanted.safety.well_for_s)
        if kept:
            logger.warning("reload: %s take effect at the next start only", ", ".join(kept))
        self._configuration = wanted
        logger.info("reload: done")

    def _exchange_policy(self, loaded: PolicyWithNetwork, governed: Governed) -> None:
        """Jobs stay where the new policy can govern them."""
        old, self._loaded = self._loaded, loaded
        self._policy.exchange(governed.policy, loaded.policy)
        self._supervisor.backend = loaded.isolated
        self._desk.refusal = governed.refusal
        if governed.refusal is not None:
            self._desk.end_all(self._clock.now_s(), governed.refusal)
        old.close()

    def _with_training(self, loaded: PolicyWithNetwork, configuration: Configuration) -> Governed:
        return with_training(loaded.policy, self._board, self._jobs, configuration, self._root)

    def _load_policy(self, configuration: Configuration) -> PolicyWithNetwork:
        return load_policy_with_network(
            configuration,
            self._board,
            self._opened.platform,
            self._root,
            applications=self._applications.managed,
        )

    def _interfered(self, now_s: float, path: str, asked: str, found: str) -> None:
        self._supervisor.interfered(now_s, path, asked, found)

    # --- what it says of itself -----------------------------------------------------------------

    def status(self) -> Status:
        """Everything, as of the last round."""
        now_s, opened, states = self._clock.now_s(), self._opened, self._supervisor.states
        read = {app.id: app for app in opened.platform.read_applications}
        problems = self._supervisor.sensor_problems
        return Status(
            version=VERSION,
            pid=PID,
            board=self._board.name,
            policy=self._policy.name,
            dry_run=self._dry_run,
            state=states.state,
            reason=states.reason,
            state_for_s=now_s - states.since_s,
            uptime_s=now_s - self._started_s,
            features=opened.features,
            clusters=tuple(cluster_statuses(opened)),
            cores=tuple(core_statuses(opened, self._last)),
            temperatures=tuple(
                temperature_statuses(opened, self._last, now_s=now_s, problems=problems)
            ),
            applications=tuple(
                application_status(process, read.get(process.id), self._loaded.eased)
                for process in self._applications.managed()
            ),
            training=tuple(training_statuses(self._desk, self._enforcement, now_s)),
            training_refused=self._desk.refusal,
            backend=backend_status(self._loaded.network),
            loop=self._times.summary(missed_rounds=self._governor.missed_rounds),
            counts=self._counts(),
            memory=self._memory.read(),
        )

    def _counts(self) -> Counts:
        governor, opened = self._governor, self._opened
        return Counts(
            migrations=governor.migrations,
            opp_changes=governor.opp_changes,
            writes=opened.clusters.writes + opened.seating.writes,
            writes_refused=opened.clusters.refused,
            clamped=opened.clusters.clamped,
            failsafe_rounds=self._supervisor.failsafe_rounds,
            hands_off=self._supervisor.states.counts["hands-off"],
            connections=self._server.connections,
            connections_closed_for_cause=self._server.closed_for_cause,
            log_lines_lost=self._log.lost_lines,
            training_grants=self._enforcement.grants,
            training_pauses=self._enforcement.pauses,
            training_held=self._enforcement.held,
        )

    def _application_status(self, number: int) -> ApplicationStatus | None:
        read = {app.id: app for app in self._opened.platform.read_applications}
        for process in self._applications.managed():
            if process.id == number:
                return application_status(process, read.get(number), self._loaded.eased)
        return None

    def _summary(self) -> str:
        dry = ", dry run" if self._dry_run else ""
        return f"{self._supervisor.states.state}: {self._policy.name} on {self._board.name}{dry}"


def _at(section: Any, key: str) -> Any:
    """The value of a key, which may lie in a section."""
    for part in key.split("."):
        section = getattr(section, part)
    return section


def _with(section: Any, key: str, value: Any) -> Any:
    """The section with another value of a key."""
    name, _, inner = key.partition(".")
    new = _with(getattr(section, name), inner, value) if inner else value
    return msgspec.structs.replace(section, **{name: new})


def _metrics_server(listen: str | None, root: Path) -> "MetricsServer | None":
    """The server of the metrics; its HTTP library is loaded only where one is wanted (7 MB)."""
    if listen is None:
        return None
    from rm.daemon.metrics.metrics_server import MetricsServer

    kind, _, path = listen.partition(":")
    return MetricsServer(f"unix:{under(root, Path(path))}" if kind == "unix" else listen)
