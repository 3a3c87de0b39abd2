"""Processes of a fake root: the files under /proc/PID, with counters that can be advanced."""

import shutil
from dataclasses import dataclass, field
from pathlib import Path

from tests.platforms.linux.fake_files import create

TICKS_PER_S = 100
"""USER_HZ of every Linux that ilgov runs on."""


@dataclass
class FakeThread:
    """A thread and the CPU time that it has had, seconds."""

    tid: int
    name: str
    cpu_s: float = 0.0
    core: int = 0
    start_ticks: int = 0


@dataclass
class FakeProcess:
    """A process of the fake root."""

    pid: int
    name: str
    cmdline: tuple[str, ...]
    uid: int
    ppid: int
    executable: str
    cgroup: str
    start_ticks: int
    threads: list[FakeThread] = field(default_factory=list)

    def create(self, proc: Path, cpus_allowed: str) -> None:
        """Write its folder."""
        folder = proc / str(self.pid)
        files = {
            "cmdline": "",
            "comm": self.name[:15],
            "cgroup": f"0::{self.cgroup}",
            "stat": self._stat(self.pid, self.cpu_s, len(self.threads)),
            "status": self._status(cpus_allowed),
            "schedstat": self._schedstat(self.threads[0]),
        }
        create(folder, files)
        (folder / "cmdline").write_bytes(b"".join(word.encode() + b"\0" for word in self.cmdline))
        (folder / "exe").symlink_to(self.executable)
        for thread in self.threads:
            self.create_thread(proc, thread)

    def create_thread(self, proc: Path, thread: FakeThread) -> None:
        """Write the folder of one of its threads."""
        files = {
            "stat": self._stat(thread.tid, thread.cpu_s, 1, thread),
            "schedstat": self._schedstat(thread),
            "comm": thread.name[:15],
            "children": "",
        }
        create(proc / str(self.pid) / "task" / str(thread.tid), files)

    def remove_thread(self, proc: Path, tid: int) -> None:
        """Take one of its threads away."""
        self.threads = [thread for thread in self.threads if thread.tid != tid]
        shutil.rmtree(proc / str(self.pid) / "task" / str(tid))

    @property
    def cpu_s(self) -> float:
        """CPU time of all its threads, seconds."""
        return sum(thread.cpu_s for thread in self.threads)

    def update(self, proc: Path) -> None:
        """Write its counters."""
        folder = proc / str(self.pid)
        create(
            folder,
            {
                "stat": self._stat(self.pid, self.cpu_s, len(self.threads)),
                "schedstat": self._schedstat(self.threads[0]),
            },
        )
        for thread in self.threads:
            files = {
                "stat": self._stat(thread.tid, thread.cpu_s, 1, thread),
                "schedstat": self._schedstat(thread),
            }
            create(folder / "task" / str(thread.tid), files)

    def _schedstat(self, thread: FakeThread) -> str:
        return f"{int(thread.cpu_s * 1e9)} 0 {int(thread.cpu_s * TICKS_PER_S)}"

    def _stat(self, tid: int, cpu_s: float, threads: int, thread: FakeThread | None = None) -> str:
        """All 52 fields of ``/proc/PID/stat``; see proc_pid_stat(5)."""
        name = thread.name if thread else self.name
        start = thread.start_ticks if thread else self.start_ticks
        core = thread.core if thread else self.threads[0].core
        ticks = int(cpu_s * TICKS_PER_S)
        before = f"{tid} ({name[:15]}) S {self.ppid} {self.pid} {self.pid} 0 -1 4194304 0 0 0 0"
        middle = f"{ticks} 0 0 0 20 0 {threads} 0 {start} 10000000 500 18446744073709551615"
        after = "1 1 0 0 0 0 0 0 0 0 0 0 17"
        return f"{before} {middle} {after} {core} 0 0 0 0 0 0 0 0 0 0 0 0 0"

    def _status(self, cpus_allowed: str) -> str:
        lines = {
            "Name": self.name[:15],
            "Umask": "0022",
            "State": "S (sleeping)",
            "Tgid": str(self.pid),
            "Pid": str(self.pid),
            "PPid": str(self.ppid),
            "Uid": "\t".join([str(self.uid)] * 4),
            "Gid": "\t".join([str(self.uid)] * 4),
            "Threads": str(len(self.threads)),
            "Cpus_allowed_list": cpus_allowed,
        }
        return "\n".join(f"{key}:\t{value}" for key, value in lines.items())
