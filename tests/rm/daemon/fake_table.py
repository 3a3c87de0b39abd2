"""Processes as a scan shows them, without any."""

from collections.abc import Mapping

from platforms.linux.managed import ProcessKey
from platforms.linux.processes.processes import ProcessInfo


def process(
    pid: int,
    *,
    start_ticks: int | None = None,
    name: str = "worker",
    executable: str = "/usr/bin/worker",
    command_line: str = "worker --fast",
    uid: int = 1000,
    cgroup: str = "/",
    unit: str = "",
) -> ProcessInfo:
    """A process; its start follows from its number."""
    return ProcessInfo(
        key=ProcessKey(pid, pid * 10 if start_ticks is None else start_ticks),
        name=name,
        executable=executable,
        command_line=command_line,
        uid=uid,
        cgroup=cgroup,
        unit=unit,
    )


class FakeTable:
    """The part of `ProcessTable` that applications need; processes come and go as a test says."""

    def __init__(self, *processes: ProcessInfo) -> None:
        self.running = {info.key.pid: info for info in processes}
        self.parents: Mapping[int, int] = {}

    def scan(self) -> tuple[ProcessInfo, ...]:
        """All that run."""
        return tuple(self.running.values())

    def info(self, pid: int) -> ProcessInfo | None:
        """The process of this number."""
        return self.running.get(pid)

    def is_alive(self, key: ProcessKey) -> bool:
        """Whether it runs."""
        info = self.running.get(key.pid)
        return info is not None and info.key == key
