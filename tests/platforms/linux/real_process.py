"""A real process that does what it is told, for tests of what the kernel tells about it."""

import gc
import os
import subprocess
import sys
from pathlib import Path
from types import TracebackType

from platforms.linux.counters.perf_event import Event, close_all, open_group
from platforms.linux.managed import ProcessKey
from platforms.linux.processes.process_files import read_stat

TASK_CLOCK = Event(1, 1)
"""PERF_COUNT_SW_TASK_CLOCK: ns that a thread ran; every kernel has it, without a PMU."""

CPU_CLOCK = Event(1, 0)
PAGE_FAULTS = Event(1, 2)
SOFTWARE = (TASK_CLOCK, CPU_CLOCK, PAGE_FAULTS)
"""Stand-ins for instructions, cycles and L2D."""

_PROGRAM = """
import os, sys, threading, time

def work(seconds):
    end = time.thread_time() + seconds
    while time.thread_time() < end:
        for _ in range(1000):  # so that little of the time is the kernel's
            pass

def thread(seconds):
    one = threading.Thread(target=work, args=(seconds,))
    one.start()
    one.join()

def child(seconds):
    pid = os.fork()
    if not pid:
        work(seconds)
        os._exit(0)
    os.waitpid(pid, 0)

def orphan(seconds):
    'A grandchild that works after its parent has ended.'
    told, tell = os.pipe()
    pid = os.fork()
    if not pid:
        if not os.fork():
            work(seconds)
            os.write(tell, b'x')
        os._exit(0)
    os.waitpid(pid, 0)
    os.read(told, 1)

def storm(count):
    for _ in range(count):
        pid = os.fork()
        if not pid:
            os._exit(0)
        os.waitpid(pid, 0)

def relay(seconds):
    'A thread that starts one that works, and ends before it does.'
    done = threading.Event()
    def worker():
        work(seconds)
        done.set()
    first = threading.Thread(target=threading.Thread(target=worker).start)
    first.start()
    first.join()
    done.wait()

def background(count):
    for _ in range(count):
        threading.Thread(target=time.sleep, args=(100,), daemon=True).start()

print("ready", flush=True)
for line in sys.stdin:
    exec(line)
    print("done", flush=True)
os._exit(0)
"""


def need_perf_events() -> None:
    """Skip, aloud, where this process may not count anything (most containers)."""
    import pytest  # the emulated board, which uses this file as well, has none

    try:
        close_all(open_group([TASK_CLOCK], os.getpid(), grouped=True))
    except OSError as error:
        pytest.skip(f"perf_event_open is not to be had here ({error})")


class RealProcess:
    """A child process; `tell` it a call of one of the functions in its program."""

    def __init__(self) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-S", "-c", _PROGRAM],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._wait("ready")

    def __enter__(self) -> "RealProcess":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.end()

    @property
    def pid(self) -> int:
        """Its number."""
        return self.process.pid

    @property
    def key(self) -> ProcessKey:
        """It, for ever."""
        stat = read_stat(f"/proc/{self.pid}/stat")
        assert stat is not None
        return ProcessKey(self.pid, stat.start_ticks)

    def tids(self) -> list[int]:
        """Its threads now."""
        return [int(task.name) for task in Path(f"/proc/{self.pid}/task").iterdir()]

    def tell(self, call: str) -> None:
        """Let it do this, and wait until it is done."""
        self.start(call)
        self._wait("done")

    def start(self, call: str) -> None:
        """Let it do this; do not wait."""
        assert self.process.stdin is not None
        self.process.stdin.write(call + "\n")
        self.process.stdin.flush()

    def wait(self) -> None:
        """Return when what was started is done."""
        self._wait("done")

    def end(self) -> None:
        """Kill it, and wait for its end."""
        self.process.kill()
        self.process.communicate()

    def _wait(self, word: str) -> None:
        assert self.process.stdout is not None
        assert word == self.process.stdout.readline().strip()


def open_descriptors() -> int:
    """How many this process has, without those of objects that nobody has any more."""
    gc.collect()
    return len(list(Path("/proc/self/fd").iterdir()))
