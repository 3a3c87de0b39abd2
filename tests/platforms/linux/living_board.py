"""A `LinuxBoard` on a fake root that lives while a fake clock runs: no time passes for the test."""

from collections.abc import Mapping
from pathlib import Path
from types import TracebackType

from platforms.board import Board
from platforms.board_file import load_board
from platforms.linux.applications.application_reader import ApplicationReader
from platforms.linux.clocks.frequency_domain import find_domains
from platforms.linux.clocks.steered_accelerators import SteeredAccelerators
from platforms.linux.clocks.steered_clusters import SteeredClusters, actuators_for
from platforms.linux.confinement.confinement import Confinement
from platforms.linux.core_time import CoreTime
from platforms.linux.counters.counters import Count
from platforms.linux.files.cpu_list import parse_cpu_list
from platforms.linux.knobs.journal import JOURNAL_NAME, Journal, read_boot_id
from platforms.linux.knobs.knobs import KnobWriter
from platforms.linux.knobs.system_calls import SchedulerCalls, calls_for
from platforms.linux.linux_board import LinuxBoard, Machine
from platforms.linux.managed import ManagedProcess, ProcessKey, Target, TrainingProcess
from platforms.linux.online_cores import OnlineCores
from platforms.linux.processes.cpusets import Cpusets
from platforms.linux.processes.processes import ProcessTable
from platforms.linux.processes.seating import Seating, no_cpuset
from platforms.linux.thermal_zones import ThermalZones
from platforms.platform import TrainingReading
from tests.platforms.linux.fake_counters import FakeCounters
from tests.platforms.linux.fake_root import FakeRoot

RATE_IPS = 1e9
"""What every application does, whatever its core and clock."""


class LivingClock:
    """Time that passes only where somebody sleeps; the root's counters go on with it."""

    def __init__(self, root: FakeRoot) -> None:
        self._root = root
        self._now_s = 100.0
        self.busy: Mapping[int, float] = {}
        self.process_cpu: dict[int, float] = {}

    def now_s(self) -> float:
        """Seconds."""
        return self._now_s

    def sleep_until(self, time_s: float) -> None:
        """Let the root live until then."""
        passed_s = time_s - self._now_s
        if passed_s > 0.0:
            self._now_s = time_s
            self._root.run_for(passed_s, busy=self.busy, process_cpu=self.process_cpu)
            self._root.settle()

    def jump(self, seconds: float) -> None:
        """Let time pass at once, as when the machine was stopped."""
        self.sleep_until(self._now_s + seconds)


class LivingBoard:
    """The board, its root, its clock, the applications that it looks after (`managed`), and jobs.

    `described` is another description of the board than the one that ships.
    """

    def __init__(
        self,
        path: Path,
        name: str = "hikey970",
        *,
        actuator: str = "setspeed",
        cpuset: bool = False,
        dry_run: bool = False,
        calls: SchedulerCalls | None = None,
        root: FakeRoot | None = None,
        described: Board | None = None,
    ) -> None:
        described = described or load_board(name)
        sensors = [sensor.name for sensor in described.sensors]
        self.root = FakeRoot(path / "root", name, zones=sensors) if root is None else root
        self.clock = LivingClock(self.root)
        self.managed: list[ManagedProcess] = []
        self.training: list[TrainingReading] = []
        self.training_processes: list[TrainingProcess] = []
        self.interference: list[tuple[float, str, str, str]] = []
        at = self.root.path
        self.calls = calls_for(at) if calls is None else calls
        self.journal: Journal | None = None
        if not dry_run:
            state = path / "state"
            boot_id = read_boot_id(at)
            self.journal = Journal.open(state / JOURNAL_NAME, boot_id=boot_id, strict=False)
        self.writer = KnobWriter(
            at, self.journal, self.calls, dry_run=dry_run, pause=lambda _s: self.root.settle()
        )
        self.clusters = SteeredClusters(
            described,
            actuators_for(described, find_domains(at), actuator),
            self.writer,
            on_interference=lambda *what: self.interference.append(what),
        )
        self.counters = FakeCounters()
        self.table = ProcessTable(at)
        self.reader = ApplicationReader(
            at,
            self.counters,
            self.clock,
            clusters=[cluster.cores for cluster in described.clusters],
            table=self.table,
            calls=self.calls,
        )
        self.seating = Seating(
            described,
            self.writer,
            self.calls,
            self.reader.threads_of,
            own_cpuset=Cpusets(at).own_knob if cpuset else no_cpuset,
        )
        machine = Machine(
            clusters=self.clusters,
            seating=self.seating,
            zones=ThermalZones(at, {sensor: sensor for sensor in sensors}),
            online=OnlineCores(at),
            core_time=CoreTime(at, cores=described.core_count),
            reader=self.reader,
            writer=self.writer,
            accelerators=SteeredAccelerators(
                at,
                described,
                self.writer,
                on_interference=lambda *what: self.interference.append(what),
            ),
        )
        self.board = LinuxBoard(
            described,
            machine,
            self.clock,
            applications=lambda: self.managed,
            training=lambda _now_s: self.training,
            training_processes=lambda: self.training_processes,
            confinement=Confinement(at, self.writer, self.calls, table=self.table),
        )

    def __enter__(self) -> "LivingBoard":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.reader.close()
        self.writer.close()
        if self.journal is not None:
            self.journal.close()

    def manage(self, pid: int, *, threads: int = 1, cgroup: str = "/") -> int:
        """Start a process whose threads are all busy, and look after it; its id."""
        self.root.add_process(pid, threads=threads, cgroup=cgroup)
        self.clock.process_cpu[pid] = float(threads)
        key = ProcessKey(pid, self.root.processes[pid].start_ticks)
        number = max((process.id for process in self.managed), default=0) + 1
        self.managed.append(
            ManagedProcess(
                id=number, name=f"app{pid}", key=key, target=Target(RATE_IPS, "instructions/s")
            )
        )
        self.counters.counts[pid] = Count(0.05, 0.05, RATE_IPS * 0.05)
        return number

    def train(self, pid: int, *, memory_bytes: float | None = None) -> int:
        """Start a process that trains, as a job; its id."""
        self.root.add_process(pid)
        key = ProcessKey(pid, self.root.processes[pid].start_ticks)
        number = 1000 + pid
        self.training.append(TrainingReading(number, 0.0, 0.0, (), False))
        self.training_processes.append(TrainingProcess(number, key, memory_bytes))
        return number

    def die(self, pid: int) -> None:
        """End a process; that it is managed nobody has noticed yet."""
        self.root.remove_process(pid)
        self.clock.process_cpu.pop(pid, None)

    def release(self, pid: int) -> None:
        """Look after a process no more; it goes on."""
        self.managed = [process for process in self.managed if process.key.pid != pid]

    def rescan(self) -> None:
        """What the daemon does once in a migration period."""
        self.table.scan()
        self.board.rescan()

    def live(self, seconds: float = 0.05) -> None:
        """Let time pass."""
        self.clock.jump(seconds)

    def mask(self, tid: int) -> frozenset[int]:
        """The cores that a thread may run on."""
        return frozenset(self.calls.get_affinity(tid))

    def masks(self) -> dict[str, str]:
        """Every mask that is not "all"."""
        return self.root.snapshot(("ilgov-affinity",))

    def place(self, tid: int, text: str) -> None:
        """Let a thread be moved by somebody else."""
        self.calls.set_affinity(tid, parse_cpu_list(text))

    def knobs(self) -> dict[str, str]:
        """Every knob; not what follows from them."""
        return {
            path: text
            for path, text in self.root.snapshot(("sys", "ilgov-affinity")).items()
            if not path.endswith(("cur_freq", "cgroup.procs", "/temp", "cur_state"))
        }
