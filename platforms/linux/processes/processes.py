"""All processes of the machine, looked at anew only where something may have changed.

A scan lists ``/proc`` and knows a process again by the inode number of its folder, which the kernel
gives anew to every process; so a process that is known costs no file to open. It is read when it is
first seen, at the next scan (it may have become another program by then), and from then on in
turns. Where a list is the one before, as mostly, nothing else is looked at for it.
"""

import os
from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from msgspec import Struct

from platforms.linux.managed import ProcessKey
from platforms.linux.processes.process_files import (
    Beginning,
    Stat,
    parse_cgroup,
    parse_command_line,
    parse_stat,
    parse_uid,
    read_once,
    read_stat,
    unit_of,
)

TURNS = 16
"""The name of every process is read again once in so many scans: programs change by exec."""

FULL_TURNS = 8
"""And once in so many of these turns the rest, for programs that keep their name over an exec."""

MOST_NEWCOMERS = 128
"""Processes that a scan reads for the first time; more wait for the next scan. A storm of new
processes must not hold up who scans."""


class ProcessInfo(Struct, frozen=True, kw_only=True):
    """What rules can name a process by. Text that cannot be seen is empty, `uid` then -1.

    `command_line` has its arguments divided by spaces. `unit` is the systemd unit.
    """

    key: ProcessKey
    name: str
    executable: str
    command_line: str
    uid: int
    cgroup: str
    unit: str


_Identity = int | tuple[int, int]
"""What tells a process's folder from a later one with its name: its inode's number, and the time of
its last change where that is not enough."""

_inode = os.DirEntry.inode


@dataclass(slots=True)
class _Known:
    """A process as of the scan that read it last; `info` None where it is dead or hidden.

    `beginning` is that of the line which said so.
    """

    identity: _Identity
    parent: int
    info: ProcessInfo | None
    fresh: bool
    dead: bool = False
    beginning: Beginning | None = None


class ProcessTable:
    """The processes as of the last scan.

    `hidden` is the number of those that are listed but cannot be read (``/proc`` mounted with
    ``hidepid``). The processes in `watched` are read at every scan: one that is dead but not yet
    waited for keeps its folder, and nothing else tells.
    """

    def __init__(self, root: Path) -> None:
        """`root` is the root of the file system, ``/`` on the machine itself."""
        self._proc = str(root / "proc")
        # Other file systems than procfs give a freed inode number to the next folder at once.
        self._inodes_are_unique = os.path.realpath(self._proc) == "/proc"
        self._known: dict[int, _Known] = {}
        self._scans = 0
        # All entries of the last list in its order, and whether it still has to be gone through.
        self._listed: Sequence[_Identity | None] = ()
        self._is_behind = True
        # What follows from `_known`, None until somebody asks.
        self._seen: tuple[ProcessInfo, ...] | None = None
        self._parents: dict[int, int] | None = None
        self._children: dict[int, list[int]] | None = None
        # Whom the scans of each turn read, with the path, as long as `_due_for` is who is watched.
        self._due: dict[int, list[tuple[int, str]]] = {}
        self._due_for: frozenset[int] = frozenset()
        self.watched: frozenset[int] = frozenset()
        self.hidden = 0

    def scan(self) -> tuple[ProcessInfo, ...]:
        """Look at the processes again; the living ones that can be read.

        The same tuple as before where all of them are as they were.
        """
        newcomers = self.update()
        for pid, path in self._due_in(-self._scans % TURNS):
            known = self._known[pid]
            if not known.fresh:
                self._read_again(pid, path, known)
            elif pid not in newcomers:
                self._read(pid, known.identity, fresh=False)
        self._scans += 1
        if self._seen is None:
            living = [known.info for known in self._known.values() if not known.dead]
            self._seen = tuple([info for info in living if info is not None])
            self.hidden = len(living) - len(self._seen)
        return self._seen

    def update(self) -> frozenset[int]:
        """Look only at who has come, whose numbers are returned, and at who is gone."""
        entries, listed = self._list()
        if listed == self._listed and not self._is_behind:
            return frozenset()
        present = {
            int(entry.name): identity
            for entry, identity in zip(entries, listed, strict=True)
            if identity is not None and entry.name.isdecimal()
        }
        for pid in self._known.keys() - present.keys():
            self._forget(pid)
        most = MOST_NEWCOMERS if self._scans or self._known else len(present)
        newcomers: list[int] = []
        self._listed, self._is_behind = listed, False
        for pid, identity in present.items():
            known = self._known.get(pid)
            if known is not None and known.identity == identity:
                continue
            self._forget(pid)
            if len(newcomers) < most:
                newcomers.append(pid)
                self._read(pid, identity, fresh=True)
            else:
                self._is_behind = True
        self._follow_orphans()
        return frozenset(newcomers)

    def info(self, pid: int) -> ProcessInfo | None:
        """The process that has this number now; None where there is none or it is hidden."""
        stat = read_stat(self._stat_of(pid))
        return None if stat is None or stat.is_dead else self._describe(pid, stat)

    def is_alive(self, key: ProcessKey) -> bool:
        """Whether the process runs now; another one with its number is not it."""
        stat = read_stat(self._stat_of(key.pid))
        return stat is not None and stat.start_ticks == key.start_ticks and not stat.is_dead

    def key_of(self, pid: int) -> ProcessKey | None:
        """The process that had this number at the last scan; None where none was seen."""
        known = self._known.get(pid)
        return None if known is None or known.info is None else known.info.key

    @property
    def parents(self) -> Mapping[int, int]:
        """The parent of every process as of the last scan; the same mapping until one changes."""
        if self._parents is None:
            self._parents = {pid: one.parent for pid, one in self._known.items() if not one.dead}
        return self._parents

    def family(self, pid: int, *, without: Container[int] = ()) -> tuple[int, ...]:
        """A process and its descendants as of the last scan, it first.

        Those in `without` are left out, with their descendants.
        """
        if self._children is None:
            self._children = _children(self.parents)
        if pid not in self._children:
            return (pid,)
        found, position = [pid], 0
        while position < len(found):
            found += [c for c in self._children.get(found[position], ()) if c not in without]
            position += 1
        return tuple(found)

    def _list(self) -> tuple[list[os.DirEntry[str]], list[_Identity | None]]:
        """All entries of ``/proc`` and the identity of each: of processes, and of what else is.

        None for one that ended while the folder was listed.
        """
        with os.scandir(self._proc) as listing:
            entries = list(listing)
        if self._inodes_are_unique:
            return entries, list(map(_inode, entries))
        return entries, list(map(_inode_and_change, entries))

    def _due_in(self, turn: int) -> list[tuple[int, str]]:
        """Who is to be read in a turn, with the paths of their ``stat``: also who is fresh."""
        if self._due_for != self.watched:
            self._due_for = self.watched
            self._due.clear()
        due = self._due.get(turn)
        if due is None:
            due = self._due[turn] = [
                (pid, self._stat_of(pid))
                for pid, known in self._known.items()
                if known.fresh or pid % TURNS == turn or pid in self._due_for
            ]
        return due

    def _stat_of(self, pid: int) -> str:
        return f"{self._proc}/{pid}/stat"

    def _know(self, pid: int, known: _Known) -> None:
        """Take a process down as it was read."""
        before = self._known.get(pid)
        self._known[pid] = known
        if before is None or before.fresh != known.fresh:
            self._due.clear()
        if before is None or before.info is not known.info or before.dead != known.dead:
            self._seen = self._parents = self._children = None
        elif before.parent != known.parent:
            self._parents = self._children = None

    def _forget(self, pid: int) -> None:
        if self._known.pop(pid, None) is not None:
            self._due.clear()
            self._seen = self._parents = self._children = None

    def _read_again(self, pid: int, path: str, known: _Known) -> None:
        """Read a known process; in most turns only what changes by itself."""
        line = _content(path)
        beginning = known.beginning
        if beginning is None or not beginning.is_that_of_a_living(line) or self._is_full_turn(pid):
            self._take(pid, line, known.identity, fresh=False, known=known)

    def _read(self, pid: int, identity: _Identity, *, fresh: bool) -> None:
        """Read a process."""
        self._take(pid, _content(self._stat_of(pid)), identity, fresh=fresh)

    def _take(
        self,
        pid: int,
        line: bytes,
        identity: _Identity,
        *,
        fresh: bool,
        known: _Known | None = None,
    ) -> None:
        """Take a process down as `line`, its ``stat``, says, and as its other files say.

        These are left closed for one that is `known` and has kept its name, in most turns.
        """
        stat = _stat_in(line)
        if stat is not None and not stat.is_dead:
            info = None if known is None else known.info
            if info is None or info.name != stat.name or self._is_full_turn(pid):
                now = self._describe(pid, stat)
                info = info if info == now else now
            beginning = Beginning.of(line)
            self._know(pid, _Known(identity, stat.parent, info, fresh, beginning=beginning))
        elif stat is not None:
            self._know(pid, _Known(identity, stat.parent, None, fresh, dead=True))
        elif os.path.exists(f"{self._proc}/{pid}"):  # noqa: PTH110 - no Path for every process
            self._know(pid, _Known(identity, 0, None, fresh))
        else:
            self._forget(pid)

    def _is_full_turn(self, pid: int) -> bool:
        return (pid + self._scans) % (TURNS * FULL_TURNS) == 0

    def _follow_orphans(self) -> None:
        """Read the parent again of those whose parent is gone: another process took them.

        One who is taken by a process that was not seen yet is looked at the next time as well.
        """
        for pid, known in self._known.items():
            if known.parent and known.parent not in self._known:
                stat = read_stat(self._stat_of(pid))
                known.parent = stat.parent if stat is not None else 0
                known.beginning = None  # it must be taken apart again
                self._parents = self._children = None
                if known.parent and known.parent not in self._known:
                    self._is_behind = True

    def _describe(self, pid: int, stat: Stat) -> ProcessInfo:
        folder = f"{self._proc}/{pid}"
        cgroup = parse_cgroup(_content(f"{folder}/cgroup"))
        uid = parse_uid(_content(f"{folder}/status"))
        return ProcessInfo(
            key=ProcessKey(pid, stat.start_ticks),
            name=stat.name,
            executable=_executable(f"{folder}/exe"),
            command_line=parse_command_line(_content(f"{folder}/cmdline")),
            uid=-1 if uid is None else uid,
            cgroup=cgroup,
            unit=unit_of(cgroup),
        )


def hidepid(root: Path) -> str | None:
    """The option ``hidepid`` that ``/proc`` is mounted with, None where nothing is hidden."""
    for line in _content(str(root / "proc/self/mounts"), most_bytes=1 << 16).splitlines():
        fields = line.split()
        if len(fields) > 3 and fields[1] == b"/proc":
            for option in fields[3].split(b","):
                name, _, value = option.partition(b"=")
                if name == b"hidepid" and value not in (b"0", b"off"):
                    return value.decode("ascii", "replace")
    return None


def _children(parents: Mapping[int, int]) -> dict[int, list[int]]:
    children: dict[int, list[int]] = {}
    for pid, parent in parents.items():
        children.setdefault(parent, []).append(pid)
    return children


def _inode_and_change(entry: os.DirEntry[str]) -> _Identity | None:
    try:
        return (entry.inode(), entry.stat(follow_symlinks=False).st_ctime_ns)
    except OSError:
        return None


def _stat_in(line: bytes) -> Stat | None:
    """`parse_stat`, None where the line makes no sense."""
    try:
        return parse_stat(line)
    except ValueError:
        return None


def _content(path: str, *, most_bytes: int = 4096) -> bytes:
    """A file's first bytes, none where it cannot be read."""
    try:
        return read_once(path, most_bytes)
    except OSError:
        return b""


def _executable(link: str) -> str:
    """The program's file; one that was replaced since by an update keeps its name."""
    try:
        return os.readlink(link).removesuffix(" (deleted)")  # noqa: PTH115 - as above
    except OSError:
        return ""
