"""What the undo journal holds, and how its lines are read. One JSON object a line."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import msgspec
from msgspec import Struct

from platforms.linux.files.cpu_list import format_cpu_list, parse_cpu_list
from platforms.linux.managed import ProcessKey

SCHEMA = 1


class Header(Struct, frozen=True, tag_field="kind", tag="header", kw_only=True):
    """The run that writes from here on; `boot_id` says for which boot the entries hold."""

    schema: int = SCHEMA
    boot_id: str
    pid: int


class FileEntry(Struct, frozen=True, tag_field="kind", tag="file", kw_only=True):
    """A file's content before ilgov first wrote to it; `path` as on the machine's own root."""

    path: str
    old: str


class ThreadEntry(Struct, frozen=True, kw_only=True):
    """A thread, its own start (clock ticks since boot), and its cores before ilgov moved it."""

    tid: int
    start: int
    old: str


class MasksEntry(Struct, frozen=True, tag_field="kind", tag="affinity", kw_only=True):
    """All threads of a managed process before the first of them is moved, or later ones.

    One line, so that it is there as a whole or not at all: a thread of the process that is not in
    the journal was born after the move. Threads may belong to descendants of the process.
    """

    pid: int
    start_ticks: int
    threads: list[ThreadEntry]


class PlacedEntry(Struct, frozen=True, tag_field="kind", tag="placed", kw_only=True):
    """Cores that ilgov has put a process on: a thread that is found there may have inherited it."""

    pid: int
    start_ticks: int
    cores: str


class Released(Struct, frozen=True, tag_field="kind", tag="released", kw_only=True):
    """The process's threads were given back; its entries up to here are done with."""

    pid: int
    start_ticks: int


class GroupEntry(Struct, frozen=True, tag_field="kind", tag="group", kw_only=True):
    """A control group that ilgov is about to make; `path` is its folder."""

    path: str


class ControllerEntry(Struct, frozen=True, tag_field="kind", tag="controller", kw_only=True):
    """A controller that ilgov is about to switch on for the groups in `path`."""

    path: str
    name: str


class MemberEntry(Struct, frozen=True, kw_only=True):
    """A process, its start, and the control group that it was in."""

    pid: int
    start: int
    old: str


class MembersEntry(Struct, frozen=True, tag_field="kind", tag="members", kw_only=True):
    """Processes that are about to be moved into a group of ilgov's."""

    path: str
    processes: list[MemberEntry]


class GroupRemoved(Struct, frozen=True, tag_field="kind", tag="group-removed", kw_only=True):
    """The group is gone, its processes are back; its entries up to here are done with."""

    path: str


class StoppedEntry(Struct, frozen=True, tag_field="kind", tag="stopped", kw_only=True):
    """A process that ilgov is about to stop."""

    pid: int
    start_ticks: int


class Continued(Struct, frozen=True, tag_field="kind", tag="continued", kw_only=True):
    """The process goes on again."""

    pid: int
    start_ticks: int


Entry = (
    Header
    | FileEntry
    | MasksEntry
    | PlacedEntry
    | Released
    | GroupEntry
    | ControllerEntry
    | MembersEntry
    | GroupRemoved
    | StoppedEntry
    | Continued
)

_ENCODER = msgspec.json.Encoder()
_DECODER = msgspec.json.Decoder(Entry)


class ThreadMask(Struct, frozen=True, gc=False):
    """The cores that a thread could use, and the thread's start, clock ticks since boot."""

    thread_start: int
    cores: frozenset[int]


@dataclass
class Undo:
    """What must be written to have everything as before: the first old value of each knob.

    `placed` holds, by process, the sets of cores that ilgov has put it on. `groups` are the control
    groups that it has made, each with its processes' old groups; `controllers` those that it has
    switched on, as group and name; `stopped` the processes that it has stopped.
    """

    files: dict[str, str] = field(default_factory=dict)
    masks: dict[ProcessKey, dict[int, ThreadMask]] = field(default_factory=dict)
    placed: dict[ProcessKey, set[frozenset[int]]] = field(default_factory=dict)
    groups: dict[str, dict[ProcessKey, str]] = field(default_factory=dict)
    controllers: list[tuple[str, str]] = field(default_factory=list)
    stopped: set[ProcessKey] = field(default_factory=set)

    def __bool__(self) -> bool:
        return bool(self.files or self.masks or self.groups or self.controllers or self.stopped)

    def copy(self) -> "Undo":
        """Return another one with the same in it."""
        return Undo(
            dict(self.files),
            {key: dict(masks) for key, masks in self.masks.items()},
            {key: set(placed) for key, placed in self.placed.items()},
            {path: dict(members) for path, members in self.groups.items()},
            list(self.controllers),
            set(self.stopped),
        )

    def add(self, entry: Entry) -> None:
        """Take in an entry; what is known already stays."""
        if isinstance(entry, FileEntry):
            self.files.setdefault(entry.path, entry.old)
        elif isinstance(entry, MasksEntry):
            known = self.masks.setdefault(ProcessKey(entry.pid, entry.start_ticks), {})
            for thread in entry.threads:
                cores = frozenset(parse_cpu_list(thread.old))
                known.setdefault(thread.tid, ThreadMask(thread.start, cores))
        elif isinstance(entry, PlacedEntry):
            placed = self.placed.setdefault(ProcessKey(entry.pid, entry.start_ticks), set())
            placed.add(frozenset(parse_cpu_list(entry.cores)))
        elif isinstance(entry, Released):
            self.forget(ProcessKey(entry.pid, entry.start_ticks))
        else:
            self._add_of_groups(entry)

    def _add_of_groups(self, entry: Entry) -> None:
        if isinstance(entry, GroupEntry):
            self.groups.setdefault(entry.path, {})
        elif isinstance(entry, MembersEntry):
            members = self.groups.setdefault(entry.path, {})
            for process in entry.processes:
                members.setdefault(ProcessKey(process.pid, process.start), process.old)
        elif isinstance(entry, GroupRemoved):
            self.groups.pop(entry.path, None)
        elif isinstance(entry, ControllerEntry):
            if (entry.path, entry.name) not in self.controllers:
                self.controllers.append((entry.path, entry.name))
        elif isinstance(entry, StoppedEntry):
            self.stopped.add(ProcessKey(entry.pid, entry.start_ticks))
        elif isinstance(entry, Continued):
            self.stopped.discard(ProcessKey(entry.pid, entry.start_ticks))

    def forget(self, key: ProcessKey) -> bool:
        """Drop a process; return whether there was anything."""
        self.placed.pop(key, None)
        return self.masks.pop(key, None) is not None

    def only(self, key: ProcessKey) -> "Undo":
        """Return what there is of one process."""
        masks = {key: dict(self.masks[key])} if key in self.masks else {}
        return Undo(masks=masks, placed={key: set(self.placed.get(key, ()))})

    def lines(self) -> bytes:
        """Return all of it as lines of a journal."""
        masks = [mask_lines(key, masks) for key, masks in self.masks.items()]
        placed = [placed_line(key, cores) for key, sets in self.placed.items() for cores in sets]
        controllers = [controller_line(*controller) for controller in self.controllers]
        groups = [group_line(path) + members_line(path, m) for path, m in self.groups.items()]
        stopped = [stopped_line(key) for key in self.stopped]
        return b"".join((file_lines(self.files), *masks, *placed, *controllers, *groups, *stopped))


@dataclass
class Contents:
    """A journal as read: `good_bytes` are those up to the last whole line."""

    header: Header | None = None
    undo: Undo = field(default_factory=Undo)
    good_bytes: int = 0
    damaged_lines: int = 0


def line_of(entry: Entry) -> bytes:
    """Return an entry as a line."""
    return _ENCODER.encode(entry) + b"\n"


def file_lines(old: Mapping[str, str]) -> bytes:
    """Return the lines for files' old contents, by path."""
    return b"".join(line_of(FileEntry(path=path, old=text)) for path, text in old.items())


def mask_lines(key: ProcessKey, masks: Mapping[int, ThreadMask]) -> bytes:
    """Return the line for the old cores of a process's threads, by tid."""
    threads = [
        ThreadEntry(tid=tid, start=mask.thread_start, old=format_cpu_list(mask.cores))
        for tid, mask in masks.items()
    ]
    return line_of(MasksEntry(pid=key.pid, start_ticks=key.start_ticks, threads=threads))


def placed_line(key: ProcessKey, cores: frozenset[int]) -> bytes:
    """Return the line for cores that a process is put on."""
    text = format_cpu_list(cores)
    return line_of(PlacedEntry(pid=key.pid, start_ticks=key.start_ticks, cores=text))


def group_line(path: str) -> bytes:
    """Return the line for a control group that is about to be made."""
    return line_of(GroupEntry(path=path))


def controller_line(path: str, name: str) -> bytes:
    """Return the line for a controller that is about to be switched on."""
    return line_of(ControllerEntry(path=path, name=name))


def members_line(path: str, old: Mapping[ProcessKey, str]) -> bytes:
    """Return the line for the old groups of processes that are about to be moved; b"" for none."""
    processes = [
        MemberEntry(pid=key.pid, start=key.start_ticks, old=group) for key, group in old.items()
    ]
    return line_of(MembersEntry(path=path, processes=processes)) if processes else b""


def stopped_line(key: ProcessKey) -> bytes:
    """Return the line for a process that is about to be stopped."""
    return line_of(StoppedEntry(pid=key.pid, start_ticks=key.start_ticks))


def read_contents(data: bytes) -> Contents:
    """Read a journal's bytes.

    The last line counts only if it is whole: what it would have undone was not yet written. Entries
    of other boots, told by the header before them, are void; later headers of the same boot go on.
    """
    contents = Contents(good_bytes=data.rfind(b"\n") + 1)
    for line in data[: contents.good_bytes].splitlines():
        try:
            entry = _DECODER.decode(line)
            if isinstance(entry, Header):
                _take_header(contents, entry)
            else:
                contents.undo.add(entry)
        except (msgspec.DecodeError, ValueError):
            contents.damaged_lines += 1
    return contents


def _take_header(contents: Contents, header: Header) -> None:
    if contents.header is not None and contents.header.boot_id != header.boot_id:
        contents.undo = Undo()
    contents.header = header
