"""A program in the guest that runs as one on the board would: busy, and as fast as its core is.

The emulated cores all run at one speed, so the program's speed is worked out: what its profile
gives at the frequency that the kernel has programmed for the core it is on, for as long as it had
that core. Every so many instructions make a heartbeat, which goes to the daemon through
`rm.client` and into the program's report.

Contention for memory and refilled caches are left out.
"""

import argparse
import ctypes
import json
import os
import signal
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType

from platforms.application import ApplicationProfile
from platforms.application_file import find_applications
from platforms.board import Board
from platforms.board_file import load_board
from tests.rig.registers import Registers
from tests.rig.spin import Spinner

RUNNING = Path("/run/rig/applications")
"""Here every application says what it is: a file named by its pid that holds its profile's name."""

LONGEST_SLICE_S = 0.05
SHORTEST_SLICE_S = 0.002
_NOTE_EVERY_S = 0.25


@dataclass
class Progress:
    """Instructions done, as whole heartbeats and what is left over."""

    instructions_per_heartbeat: float
    left: float = 0.0

    def add(self, instructions: float) -> int:
        """The heartbeats that these instructions complete.

        >>> progress = Progress(100.0)
        >>> progress.add(250.0), progress.add(50.0)
        (2, 1)
        """
        whole, self.left = divmod(self.left + instructions, self.instructions_per_heartbeat)
        return int(whole)

    def next_s(self, speed_ips: float) -> float:
        """Seconds until the next heartbeat at a speed."""
        return (self.instructions_per_heartbeat - self.left) / speed_ips


@dataclass
class Report:
    """What the application did: times are the guest's monotonic seconds."""

    name: str
    pid: int
    heartbeats: list[tuple[float, int]] = field(default_factory=list)
    cores: list[tuple[float, int]] = field(default_factory=list)

    def note(self, now_s: float, heartbeats: int, core: int) -> None:
        """Count heartbeats, a quarter of a second at a time, and remember where they came from."""
        if not self.heartbeats or now_s - self.heartbeats[-1][0] >= _NOTE_EVERY_S:
            self.heartbeats.append((now_s, 0))
        start_s, count = self.heartbeats[-1]
        self.heartbeats[-1] = (start_s, count + heartbeats)
        if not self.cores or self.cores[-1][1] != core:
            self.cores.append((now_s, core))

    def write(self, path: Path) -> None:
        """As JSON, at once or not at all."""
        part = path.with_suffix(".part")
        part.write_text(json.dumps(self.__dict__))
        part.rename(path)


class SpeedOfCore:
    """Instructions/s of a program on a core at the frequency that is programmed now."""

    def __init__(self, board: Board, profile: ApplicationProfile, registers: Registers) -> None:
        """Look the tables up once."""
        self._registers = registers
        self._owner = board.cluster_of_core
        self._clusters = board.clusters
        self._profile = profile

    def __call__(self, core: int) -> float:
        """Instructions/s now."""
        cluster = self._owner[core]
        return self._profile.ips(self._clusters[cluster], self._registers.freq_hz(cluster))


def work(
    *,
    speed: Callable[[int], float],
    progress: Progress,
    beat: Callable[[int, int], None],
    stopped: threading.Event,
) -> None:
    """One thread's life: keep the core busy, and tell `beat` (heartbeats, core) when one is due."""
    spinner = Spinner()
    current_core = ctypes.CDLL(None).sched_getcpu
    before_s, speed_before = time.thread_time(), speed(current_core())
    while not stopped.is_set():
        due_s = progress.next_s(speed_before)
        spinner.spin(min(max(due_s, SHORTEST_SLICE_S), LONGEST_SLICE_S))
        core = current_core()
        now_s, speed_now = time.thread_time(), speed(core)
        done = (speed_before + speed_now) / 2 * (now_s - before_s)
        beat(progress.add(done), core)
        before_s, speed_before = now_s, speed_now


def main() -> None:
    """Run until SIGTERM."""
    args = _arguments()
    board = load_board(args.board)
    (profile,) = find_applications([args.profile])
    stopped = threading.Event()
    signal.signal(signal.SIGTERM, lambda number, frame: _stop(stopped, number, frame))
    report = Report(args.name, os.getpid())
    send = _connect(args)
    lock = threading.Lock()

    def beat(heartbeats: int, core: int) -> None:
        with lock:
            report.note(time.monotonic(), heartbeats, core)
            if heartbeats:
                send(heartbeats)

    speed = SpeedOfCore(board, profile, Registers())
    threads = [
        threading.Thread(
            target=work,
            kwargs={
                "speed": speed,
                "progress": Progress(args.instructions_per_heartbeat),
                "beat": beat,
                "stopped": stopped,
            },
        )
        for _ in range(args.threads)
    ]
    for thread in threads:
        thread.start()
    RUNNING.mkdir(parents=True, exist_ok=True)
    (RUNNING / str(os.getpid())).write_text(profile.name)
    for thread in threads:
        thread.join()
    report.write(args.report)


def _stop(stopped: threading.Event, _number: int, _frame: FrameType | None) -> None:
    stopped.set()


def _connect(args: argparse.Namespace) -> Callable[[int], None]:
    """Register with the daemon where one is named; returns what sends heartbeats."""
    if args.socket is None:
        return lambda heartbeats: None
    from rm.client import Client

    client = Client(socket_path=args.socket)
    client.register(target=args.target, unit="heartbeats/s", name=args.name)
    return client.heartbeat


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--board", required=True, help="board file")
    parser.add_argument("--name", required=True)
    parser.add_argument("--profile", required=True, help="an application that ilgov ships")
    parser.add_argument("--instructions-per-heartbeat", type=float, required=True)
    parser.add_argument("--target", type=float, default=30.0, help="heartbeats/s [30]")
    parser.add_argument("--threads", type=int, default=1, help="[1]")
    parser.add_argument("--socket", help="the daemon's; without it nobody is told")
    parser.add_argument("--report", type=Path, required=True, help="JSON, written at SIGTERM")
    return parser.parse_args()


if __name__ == "__main__":
    main()
