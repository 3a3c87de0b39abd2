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
from typing import TYPE_CHECKING

import msgspec

from npu_runtime.errors import BackendUnavailable, PolicyFileError
from npu_runtime.isolation import IsolatedBackend
from npu_runtime.load import LoadedPolicy
from platforms.board_file import load_board
from platforms.errors import InvalidInput
from platforms.linux.journal import Journal
from platforms.linux.processes import ProcessTable
from platforms.platform import Clock, Decision, Observation
from rm.daemon.applications import Applications
from rm.daemon.decision_log import DecisionLog, Outcome
from rm.daemon.loop_times import RunningTimes
from rm.daemon.memory import give_back_start_up_memory
from rm.daemon.notify import Notifier
from rm.daemon.opened_board import critical_c, open_board, sensor_zones
from rm.daemon.served_clock import ServedClock
from rm.daemon.server import Server
from rm.daemon.settings import Configuration
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
from rm.daemon.watched_policy import WatchedPolicy
from rm.governor import Governor, Periods
from rm.policies.registry import PolicyContext, policy_factory
from rm.policy import Policy
from rm.safety.failsafe import Failsafe
from rm.safety.rival_watch import RivalWatch
from rm.safety.sensor_watch import SensorWatch
from rm.safety.states import StateMachine

if TYPE_CHECKING:
    from rm.daemon.metrics_server import MetricsServer

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
)
"""What a reload does not change."""


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
        self._rivals = self._rival_watch(configuration)
        self._board = load_board(configuration.board)
        self._table = ProcessTable(root)
        self._applications = Applications(configuration.applications, self._table, root=root)
        self._opened = open_board(
            self._board,
            configuration,
            root=root,
            journal=journal,
            clock=clock,
            table=self._table,
            applications=self._applications.managed,
            on_interference=self._interfered,
        )
        self._network: LoadedPolicy | None = None
        self._policy = WatchedPolicy(self._board, self._load_policy(configuration))
        self._supervisor = Supervisor(
            self._opened.platform,
            self._policy,
            sensors=self._sensor_watch(configuration),
            failsafe=self._failsafe(configuration),
            rivals=self._rivals,
            states=StateMachine(self._started_s, well_for_s=configuration.safety.well_for_s),
            backend_problem=self._backend_problem,
        )
        self._log = DecisionLog(
            _below(root, configuration.log.decisions),
            max_bytes=configuration.log.max_bytes,
            kept_files=configuration.log.keep,
            wall_clock=wall_clock,
        )
        socket = _under(root, configuration.socket)
        socket.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
        self._server = Server(
            socket,
            self._applications,
            lambda: msgspec.json.encode(self.status()),
            clock,
            application_status=self._application_status,
        )
        self._metrics = _metrics_server(configuration.metrics.listen)
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
        self._look_for_processes(self._clock.now_s())
        give_back_start_up_memory()
        self._notifier.ready(self._summary())
        logger.info("governing %s by %s", self._board.name, self._policy.name)
        try:
            self._governor.run(math.inf, stop=lambda: self._stop_reason is not None)
        finally:
            self.close()

    def stop(self, reason: str) -> None:
        """End after the present round; safe to call from a signal handler."""
        self._stop_reason = reason

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
        if self._network is not None:
            self._network.close()
        self._opened.close()

    # --- what a round is followed by ------------------------------------------------------------

    def _after_round(self, observation: Observation, decision: Decision) -> None:
        self._last = observation
        now_s = self._clock.now_s()
        self._write_log(observation, decision, now_s - observation.time_s)
        if now_s >= self._next_scan_s:
            self._look_for_processes(now_s)
        if self._reload_asked:
            self._reload_asked = False
            self._reload()
        if self._metrics is not None and self._metrics.wanted:
            self._metrics.publish(self.status())
        self._times.add(self._clock.now_s() - observation.time_s)
        self._notifier.alive(now_s)

    def _look_for_processes(self, now_s: float) -> None:
        """Once in a migration period: who is there, and are all where they belong."""
        self._next_scan_s = now_s + self._configuration.migration_period_s
        self._applications.update(self._table.scan(), now_s)
        self._opened.platform.rescan()
        if self._supervisor.steers:
            self._opened.platform.hold()
        if self._network is not None and isinstance(self._network.backend, IsolatedBackend):
            self._network.backend.tend()

    def _write_log(self, observation: Observation, decision: Decision, loop_s: float) -> None:
        platform = self._opened.platform
        steers = self._supervisor.steers
        outcome = Outcome(moved=platform.moved, refused=platform.refused) if steers else Outcome()
        choice = decision.opp_index
        changes = bool(decision.migrations or outcome.refused) or (
            choice is not None and choice != self._clusters_before
        )
        if choice is not None:
            self._clusters_before = choice
        if self._log.wants(changes=changes):
            self._log.write(
                self._board,
                observation,
                decision,
                outcome,
                number=self._governor.rounds,
                state=self._supervisor.states.state,
                reason=self._supervisor.states.reason,
                gain=self._policy.gain if decision.migrations else None,
                limited_by=self._supervisor.limited_by if steers else None,
                loop_s=loop_s,
            )

    # --- reload ---------------------------------------------------------------------------------

    def _reload(self) -> None:
        """Take over what can be changed while running; what is wrong changes nothing."""
        self._notifier.reloading(self._clock.now_s())
        try:
            wanted = self._reread()
            self._take_over(wanted)
        except (InvalidInput, PolicyFileError, BackendUnavailable, OSError) as error:
            logger.error("reload refused, everything stays as it was: %s", error)
        self._notifier.ready(self._summary())

    def _take_over(self, wanted: Configuration) -> None:
        policy = self._load_policy(wanted)
        sensors, failsafe = self._sensor_watch(wanted), self._failsafe(wanted)
        self._applications.set_rules(wanted.applications)
        self._supervisor.exchange_sensors(sensors, failsafe)
        self._policy.exchange(policy)
        before = self._configuration
        kept = [key for key in NEEDS_RESTART if getattr(before, key) != getattr(wanted, key)]
        if kept:
            logger.warning("reload: %s take effect at the next start only", ", ".join(kept))
        self._configuration = msgspec.structs.replace(
            wanted, **{key: getattr(before, key) for key in NEEDS_RESTART}
        )
        logger.info("reload: done")

    # --- parts ----------------------------------------------------------------------------------

    def _load_policy(self, configuration: Configuration) -> Policy:
        """The policy with its network, which takes the place of the one before."""
        context = PolicyContext(
            self._board,
            self._opened.platform,
            policy_file=_below(self._root, configuration.policy_file),
            backend=configuration.backend,
            deadline_s=configuration.npu_deadline_s,
        )
        policy = policy_factory(configuration.policy)(context)
        network = context.networks[-1] if context.networks else None
        if self._network is not None:
            self._network.close()
        self._network = network
        if network is not None:
            logger.info(
                "network %s on %s (%s)",
                network.file.path,
                network.capabilities.device,
                network.why,
            )
        return policy

    def _sensor_watch(self, configuration: Configuration) -> SensorWatch:
        safety = configuration.safety
        return SensorWatch(
            self._board,
            sensors=sensor_zones(self._board, configuration),
            stale_after_s=safety.stale_after_s,
            moved_k=safety.stuck_after_k,
            stuck_for_s=safety.stuck_for_s,
        )

    def _failsafe(self, configuration: Configuration) -> Failsafe:
        safety = configuration.safety
        return Failsafe(
            self._board,
            critical_c=critical_c(self._board, configuration, self._root),
            hysteresis_k=safety.hysteresis_k,
            stale_after_s=safety.stale_after_s,
        )

    def _rival_watch(self, configuration: Configuration) -> RivalWatch:
        safety = configuration.safety
        return RivalWatch(tolerance=safety.rival_writes, within_s=safety.rival_within_s)

    def _interfered(self, now_s: float, path: str, asked: str, found: str) -> None:
        logger.warning("%s must read %s as written (got %s)", path, asked, found)
        self._rivals.differs(now_s, path=path, written=asked, found=found)

    def _backend_problem(self) -> str | None:
        backend = None if self._network is None else self._network.backend
        return backend.degraded if isinstance(backend, IsolatedBackend) else None

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
                application_status(process, read.get(process.id))
                for process in self._applications.managed()
            ),
            backend=backend_status(self._network),
            loop=self._times.summary(missed_rounds=self._governor.missed_rounds),
            counts=self._counts(),
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
        )

    def _application_status(self, number: int) -> ApplicationStatus | None:
        read = {app.id: app for app in self._opened.platform.read_applications}
        for process in self._applications.managed():
            if process.id == number:
                return application_status(process, read.get(number))
        return None

    def _summary(self) -> str:
        dry = ", dry run" if self._dry_run else ""
        return f"{self._supervisor.states.state}: {self._policy.name} on {self._board.name}{dry}"


def _metrics_server(listen: str | None) -> "MetricsServer | None":
    """The server of the metrics; its HTTP library is loaded only where one is wanted (7 MB)."""
    if listen is None:
        return None
    from rm.daemon.metrics_server import MetricsServer

    return MetricsServer(listen)


def _under(root: Path, path: Path) -> Path:
    """A path of the configuration below another root.

    >>> str(_under(Path("/fake"), Path("/run/ilgov/socket")))
    '/fake/run/ilgov/socket'
    """
    return root / str(path).lstrip("/")


def _below(root: Path, path: Path | None) -> Path | None:
    return None if path is None else _under(root, path)
