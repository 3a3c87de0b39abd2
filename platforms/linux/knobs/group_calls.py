"""Control groups of version 2, made, joined, removed: the kernel's, and their stand-in elsewhere.

A group is named by its folder as on the machine's own root, ``/sys/fs/cgroup/...``. All methods
raise OSError as the kernel does: EBUSY where processes stand in the way of controllers, ENODEV or
ENOENT for a group that is gone, ESRCH for a process that is.
"""

import errno
import os
import shutil
from pathlib import Path
from typing import Protocol

from platforms.linux.processes.process_files import read_once, unified_cgroup

GROUPS = "/sys/fs/cgroup"
"""The folder of the top group."""

_OUTSIDE = ".."
"""Stands in the path of a group that lies outside of this namespace of groups."""

_RECORDED = {
    "cpuset": {"cpuset.cpus": "\n", "cpuset.mems": "\n"},
    "cpu": {"cpu.max": "max 100000\n", "cpu.weight": "100\n", "cpu.weight.nice": "0\n"},
    "memory": {"memory.high": "max\n", "memory.max": "max\n"},
}
"""The knobs that a controller brings, and what they say in a new group."""


class GroupCalls(Protocol):
    """Makes and removes groups, and moves processes between them."""

    def make(self, group: str) -> None:
        """Make a group."""
        ...

    def remove(self, group: str) -> None:
        """Remove a group that is empty."""
        ...

    def move(self, pid: int, group: str) -> None:
        """Let a process, with all its threads, belong to a group."""
        ...

    def control(self, group: str, change: str) -> None:
        """Switch a controller for the groups in `group`: ``+cpuset``, ``-cpuset``."""
        ...

    def freeze(self, group: str, *, frozen: bool) -> None:
        """Freeze the processes of a group, or thaw them; nothing where it has no freezer."""
        ...

    def members(self, group: str) -> tuple[int, ...]:
        """The processes of a group; 0 stands for one of another namespace of processes."""
        ...

    def group_of(self, pid: int) -> str | None:
        """The group of a process; None without version 2, or outside this namespace."""
        ...

    def words(self, group: str, name: str) -> tuple[str, ...]:
        """The words in a file of a group; none where there is no such file."""
        ...

    def inner(self, group: str) -> tuple[str, ...]:
        """The groups right below a group."""
        ...

    def exists(self, group: str) -> bool:
        """Whether there is such a group."""
        ...

    def may_join(self, group: str) -> bool:
        """Whether this process may move others into a group."""
        ...


class KernelGroups:
    """The kernel's own groups."""

    def __init__(self, root: Path) -> None:
        """`root` is the root of the file system."""
        self._root = root

    def make(self, group: str) -> None:
        """Make a group."""
        self._at(group).mkdir()

    def remove(self, group: str) -> None:
        """Remove a group that is empty."""
        self._at(group).rmdir()

    def move(self, pid: int, group: str) -> None:
        """Let a process, with all its threads, belong to a group."""
        _write(self._at(group) / "cgroup.procs", str(pid))

    def control(self, group: str, change: str) -> None:
        """Switch a controller for the groups in `group`."""
        _write(self._at(group) / "cgroup.subtree_control", change)

    def freeze(self, group: str, *, frozen: bool) -> None:
        """Freeze the processes of a group, or thaw them; nothing where it has no freezer."""
        knob = self._at(group) / "cgroup.freeze"
        if knob.exists():
            _write(knob, f"{int(frozen)}\n")

    def members(self, group: str) -> tuple[int, ...]:
        """The processes of a group."""
        return tuple(map(int, (self._at(group) / "cgroup.procs").read_text().split()))

    def group_of(self, pid: int) -> str | None:
        """The group of a process; None without version 2, or outside this namespace."""
        try:
            path = unified_cgroup(read_once(f"{self._root}/proc/{pid}/cgroup"))
        except OSError:
            return None
        if path is None or _OUTSIDE in path.split("/"):
            return None
        return f"{GROUPS}/{path.strip('/')}".rstrip("/")

    def words(self, group: str, name: str) -> tuple[str, ...]:
        """The words in a file of a group; none where there is no such file."""
        try:
            return tuple((self._at(group) / name).read_text().split())
        except (OSError, UnicodeDecodeError):
            return ()

    def inner(self, group: str) -> tuple[str, ...]:
        """The groups right below a group."""
        try:
            found = sorted(entry.name for entry in self._at(group).iterdir() if entry.is_dir())
        except OSError:
            return ()
        return tuple(f"{group}/{name}" for name in found)

    def exists(self, group: str) -> bool:
        """Whether there is such a group."""
        return (self._at(group) / "cgroup.procs").exists()

    def may_join(self, group: str) -> bool:
        """Whether this process may move others into a group."""
        return os.access(self._at(group) / "cgroup.procs", os.W_OK)

    def _at(self, group: str) -> Path:
        """The folder of a group, which must lie among the groups; none of its parts is a link."""
        top = (self._root / GROUPS.lstrip("/")).resolve()
        folder = self._root / group.lstrip("/")
        place = folder.parent.resolve() / folder.name
        if not place.is_relative_to(top):
            raise PermissionError(errno.EPERM, f"must lie in {GROUPS}", group)
        if _OUTSIDE in folder.parts or place.is_symlink():
            raise PermissionError(errno.EPERM, "must be a control group", group)
        return place


class RecordedGroups(KernelGroups):
    """Plain folders in place of the kernel's, with the files that it would show."""

    def make(self, group: str) -> None:
        """Make a group with the knobs of the controllers that its parent has switched on."""
        folder = self._at(group)
        folder.mkdir()
        for name in ("cgroup.procs", "cgroup.subtree_control"):
            (folder / name).write_text("\n")
        (folder / "cgroup.freeze").write_text("0\n")
        parent = group.rpartition("/")[0]
        controllers = self.words(parent, "cgroup.subtree_control")
        (folder / "cgroup.controllers").write_text(" ".join(controllers) + "\n")
        for controller in controllers:
            self._bring(folder, controller)

    def remove(self, group: str) -> None:
        """Remove a group that is empty."""
        folder = self._at(group)
        if not folder.is_dir():
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), group)
        if self.members(group) or self.inner(group):
            raise OSError(errno.EBUSY, os.strerror(errno.EBUSY), group)
        shutil.rmtree(folder)

    def move(self, pid: int, group: str) -> None:
        """Let a process belong to a group."""
        process = self._root / f"proc/{pid}/cgroup"
        if not process.exists():
            raise ProcessLookupError(errno.ESRCH, os.strerror(errno.ESRCH))
        if not self.exists(group):
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), group)
        if group != GROUPS and self.words(group, "cgroup.subtree_control"):
            raise OSError(errno.EBUSY, os.strerror(errno.EBUSY), group)
        old = self.group_of(pid)
        if old is not None and self.exists(old):
            self._set_members(old, [other for other in self.members(old) if other != pid])
        self._set_members(group, sorted({*self.members(group), pid}))
        process.write_text(f"0::{group.removeprefix(GROUPS) or '/'}\n")

    def control(self, group: str, change: str) -> None:
        """Switch a controller for the groups in `group`."""
        sign, name = change[0], change[1:]
        now = set(self.words(group, "cgroup.subtree_control"))
        if name not in self.words(group, "cgroup.controllers"):
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), group)
        inner = [self._at(child) for child in self.inner(group)]
        if sign == "+" and group != GROUPS and self.members(group):
            raise OSError(errno.EBUSY, os.strerror(errno.EBUSY), group)
        if sign == "-" and any(name in _words(child) for child in inner):
            raise OSError(errno.EBUSY, os.strerror(errno.EBUSY), group)
        now = now | {name} if sign == "+" else now - {name}
        order = self.words(group, "cgroup.controllers")
        text = " ".join(word for word in order if word in now) + "\n"
        (self._at(group) / "cgroup.subtree_control").write_text(text)
        for child in inner:
            (child / "cgroup.controllers").write_text(text)
            if sign == "+":
                self._bring(child, name)
            else:
                for knob in _RECORDED.get(name, {}):
                    (child / knob).unlink(missing_ok=True)

    def _set_members(self, group: str, pids: list[int]) -> None:
        text = "".join(f"{pid}\n" for pid in pids) or "\n"
        (self._at(group) / "cgroup.procs").write_text(text)

    def _bring(self, folder: Path, controller: str) -> None:
        for name, text in _RECORDED.get(controller, {}).items():
            if not (folder / name).exists():
                (folder / name).write_text(text)


def groups_for(root: Path) -> GroupCalls:
    """The kernel's groups for the machine's own root, recorded ones for any other folder."""
    return KernelGroups(root) if root.resolve() == Path("/") else RecordedGroups(root)


def _words(folder: Path) -> list[str]:
    try:
        return (folder / "cgroup.subtree_control").read_text().split()
    except OSError:
        return []


def _write(path: Path, text: str) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        os.write(descriptor, text.encode())
    finally:
        os.close(descriptor)
