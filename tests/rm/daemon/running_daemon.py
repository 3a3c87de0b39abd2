"""``ilgov run`` as a process of its own, on a fake root whose clocks and applications live."""

import os
import resource
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from types import TracebackType

from platforms.linux.files.cpu_list import parse_cpu_list
from rm.client import Client
from rm.daemon.status import Status
from rm.status_reader import NoAnswer, NoDaemon, read_status
from tests.platforms.linux.fake_root import FakeKernel, FakeRoot

ROOT = Path(__file__).parents[3]
PATIENCE_S = 60.0
BEATS_PER_GHZ = 40.0
"""What a fake application does per second and GHz; twice that on the big cores."""


class RunningDaemon:
    """The daemon, its fake root, and what it says; all ends with the block."""

    def __init__(
        self,
        folder: Path,
        *,
        settings: str = "",
        sections: str = "",
        arguments: Sequence[str] = (),
        environment: Mapping[str, str] | None = None,
        most_file_bytes: int | None = None,
        root: FakeRoot | None = None,
    ) -> None:
        """`settings` are lines before, `sections` lines after the first section of the file."""
        self.root = FakeRoot(folder / "root") if root is None else root
        self.before = self.root.snapshot()
        self.socket = self.root.path / "run/ilgov/socket"
        self.config = folder / "ilgov.toml"
        self.config.write_text(f'board = "hikey970"\n{settings}\n{sections}\n')
        self._arguments = ["--config", str(self.config), "--root", str(self.root.path), *arguments]
        self._environment = os.environ | {"PYTHONPATH": str(ROOT)} | dict(environment or {})
        self._most_file_bytes = most_file_bytes
        self._log_path = folder / "log"
        self._kernel = FakeKernel(self.root)
        self.process: subprocess.Popen[str] | None = None

    def __enter__(self) -> "RunningDaemon":
        self._kernel.__enter__()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        self._kernel.__exit__(kind, error, trace)
        if kind is not None:
            print(f"--- the daemon's log\n{self.log}", file=sys.stderr)  # noqa: T201 - for pytest

    @property
    def log(self) -> str:
        """All that it has said so far."""
        return self._log_path.read_text() if self._log_path.exists() else ""

    def start(self) -> "RunningDaemon":
        """Start it, and return when it has completed a round."""
        self.launch()
        self.wait_until(lambda: self.status().loop.rounds > 0, "the first round")
        return self

    def launch(self) -> None:
        """Start it, and wait for nothing."""
        with self._log_path.open("a") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "rm.main", "run", *self._arguments],
                env=self._environment,
                stdout=log,
                stderr=log,
                preexec_fn=self._limit_files,  # noqa: PLW1509 - no thread holds a lock it needs
                text=True,
            )

    def command(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run another command of ilgov on the same root."""
        return subprocess.run(
            [sys.executable, "-m", "rm.main", *words, "--root", str(self.root.path)],
            env=self._environment,
            capture_output=True,
            text=True,
            check=False,
        )

    def end(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Send a signal and wait for the end; the exit code."""
        assert self.process is not None
        self.process.send_signal(number)
        return self.process.wait(PATIENCE_S)

    def ended(self) -> int:
        """Wait for an end that comes by itself; the exit code."""
        assert self.process is not None
        return self.process.wait(PATIENCE_S)

    def status(self) -> Status:
        """What it answers to ``ilgov status``."""
        return read_status(self.socket)

    def wait_until(self, condition: Callable[[], bool], what: str) -> None:
        """Return when the condition holds; fail when the daemon ends before, or in vain."""
        end_s = time.monotonic() + PATIENCE_S
        while not self._holds(condition):
            assert self.process is not None
            assert self.process.poll() is None, f"ended before {what}:\n{self.log}"
            assert time.monotonic() < end_s, f"waited in vain for {what}:\n{self.log}"
            time.sleep(0.01)

    def wait_for_log(self, text: str) -> None:
        """Return when the daemon has said this."""
        self.wait_until(lambda: text in self.log, f"{text!r} in the log")

    def changes(self) -> dict[str, tuple[str | None, str | None]]:
        """What differs from before the start: knobs, not what follows from them."""
        now = self.root.snapshot()
        return {
            path: (self.before.get(path), now.get(path))
            for path in sorted(self.before.keys() | now.keys())
            if self.before.get(path) != now.get(path)
            and not path.endswith(("cur_freq", "cgroup.procs", "thermal_zone0/temp"))
        }

    def _holds(self, condition: Callable[[], bool]) -> bool:
        try:
            return condition()
        except (NoAnswer, NoDaemon):
            return False

    def _limit_files(self) -> None:
        if self._most_file_bytes is not None:
            resource.setrlimit(resource.RLIMIT_FSIZE, (self._most_file_bytes,) * 2)


class LivingApplications:
    """Fake processes that compute all the time, and beat as often as clock and core let them."""

    def __init__(
        self,
        daemon: RunningDaemon,
        pids: Sequence[int],
        *,
        target: float,
        period_s: float = 0.03,
        important: Collection[int] = (),
    ) -> None:
        """Registers every pid with `target` heartbeats/s; they share their cores.

        Those that are `important` have a higher priority than the others.
        """
        self._daemon = daemon
        self._pids = list(pids)
        self._target = target
        self._period_s = period_s
        self._important = important
        self._lock = threading.Lock()
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._live, daemon=True)

    def __enter__(self) -> "LivingApplications":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._thread.join()

    def core_of(self, pid: int) -> int:
        """Where a process runs: the first core of its mask."""
        mask = self._daemon.root.path / f"ilgov-affinity/{pid}"
        return parse_cpu_list(mask.read_text())[0] if mask.exists() else 4

    def leave(self, pid: int) -> None:
        """End a process."""
        with self._lock:
            self._pids.remove(pid)
            self._daemon.root.remove_process(pid)

    def _live(self) -> None:
        owed = dict.fromkeys(self._pids, 0.0)
        with Client(socket_path=str(self._daemon.socket)) as client:
            for pid in list(self._pids):
                client.register(
                    target=self._target,
                    unit="heartbeats/s",
                    name=f"app{pid}",
                    pid=pid,
                    priority=int(pid in self._important),
                )
            lived_s = time.monotonic()
            while not self._done.wait(self._period_s):
                before_s, lived_s = lived_s, time.monotonic()
                with self._lock:
                    self._step(client, owed, lived_s - before_s)

    def _step(self, client: Client, owed: dict[int, float], passed_s: float) -> None:
        root = self._daemon.root
        seats = {pid: self.core_of(pid) for pid in list(self._pids)}
        sharing = {core: list(seats.values()).count(core) for core in seats.values()}
        for pid, core in seats.items():
            policy = root.policy(core)
            freq_ghz = int(
                root.read(f"{_CPUFREQ}/policy{policy.cluster.cores[0]}/scaling_cur_freq")
            )
            speed = BEATS_PER_GHZ * freq_ghz / 1e6 * (2.0 if core >= 4 else 1.0)
            owed[pid] += speed / sharing[core] * passed_s
            if owed[pid] >= 1.0:
                client.heartbeat(int(owed[pid]), pid=pid)
                owed[pid] %= 1.0
        root.run_for(
            passed_s,
            busy=dict.fromkeys(seats.values(), 1.0),
            process_cpu={pid: 1.0 / sharing[core] for pid, core in seats.items()},
        )


_CPUFREQ = "/sys/devices/system/cpu/cpufreq"
