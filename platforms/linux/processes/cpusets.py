"""The cores that a process's control group leaves it, and whether the group can place it.

Only version 2 of control groups is looked at; with others the masks of threads have to do.
"""

from collections.abc import Collection
from pathlib import Path

from platforms.linux.files.cpu_list import parse_cpu_list
from platforms.linux.processes.process_files import read_once, unified_cgroup

_GROUPS = "sys/fs/cgroup"

SeenGroups = dict[bytes, frozenset[int] | None]
"""The cores that groups leave, by what ``/proc/PID/cgroup`` says: most processes share theirs."""


class Cpusets:
    """Control groups with a cpuset, below ``/sys/fs/cgroup``."""

    def __init__(self, root: Path) -> None:
        """`root` is the root of the file system."""
        self._root = root
        self._proc = str(root / "proc")
        self._top = str(root / _GROUPS)

    def effective_cores(self, pid: int, seen: SeenGroups | None = None) -> frozenset[int] | None:
        """The cores that the process's group may use; None where no cpuset says so.

        Who asks for several processes at a time may give the same `seen` for all of them.
        """
        text = self._text(pid)
        if text is None or seen is None:
            return self._left(text)
        if text not in seen:
            seen[text] = self._left(text)
        return seen[text]

    def _left(self, text: bytes | None) -> frozenset[int] | None:
        """The cores of the nearest cpuset."""
        folder = self._folder(text)
        while folder is not None and folder.startswith(self._top):
            cores = _cores(f"{folder}/cpuset.cpus.effective")
            if cores:
                return cores
            folder = folder.rpartition("/")[0]
        return None

    def own_knob(self, pids: Collection[int]) -> str | None:
        """The file ``cpuset.cpus`` of a group that holds these processes and nothing else.

        As the path under the root, ``/sys/fs/cgroup/...``. None where they are not in one group, it
        holds others or groups of its own, or has no cpuset: only its own masks may place them then.
        """
        folders = {self._folder(self._text(pid)) for pid in pids}
        name = folders.pop() if len(folders) == 1 else None
        if name is None or name == self._top:
            return None
        folder = Path(name)
        members = _members(folder)
        if not members or not members <= set(pids) or _has_groups(folder):
            return None
        knob = folder / "cpuset.cpus"
        return f"/{knob.relative_to(self._root)}" if knob.exists() else None

    def _text(self, pid: int) -> bytes | None:
        """What the kernel says of a process's groups; None when it has ended."""
        try:
            return read_once(f"{self._proc}/{pid}/cgroup")
        except OSError:
            return None

    def _folder(self, text: bytes | None) -> str | None:
        """The folder of a group in the unified hierarchy."""
        path = None if text is None else unified_cgroup(text)
        if path is None or ".." in path.split("/"):  # "..": outside this namespace of groups
            return None
        return f"{self._top}/{path.strip('/')}".rstrip("/")


def _cores(path: str) -> frozenset[int]:
    try:
        return frozenset(parse_cpu_list(read_once(path).decode()))
    except (OSError, ValueError):
        return frozenset()


def _members(folder: Path) -> set[int]:
    try:
        return {int(pid) for pid in (folder / "cgroup.procs").read_text().split()}
    except (OSError, ValueError):
        return set()


def _has_groups(folder: Path) -> bool:
    try:
        return any(entry.is_dir() for entry in folder.iterdir())
    except OSError:
        return True
