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


Entry = Header | FileEntry | MasksEntry | PlacedEntry | Released

_ENCODER = msgspec.json.Encoder()
_DECODER = msgspec.json.Decoder(Entry)


class ThreadMask(Struct, frozen=True, gc=False):
    """The cores that a thread could use, and the thread's start, clock ticks since boot."""

    thread_start: int
    cores: frozenset[int]


@dataclass
class Undo:
    """What must be written to have everything as before: the first old value of each knob.

    `placed` holds, by process, the sets of cores that ilgov has put it on.
    """

    files: dict[str, str] = field(default_factory=dict)
    masks: dict[ProcessKey, dict[int, ThreadMask]] = field(default_factory=dict)
    placed: dict[ProcessKey, set[frozenset[int]]] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.files or self.masks)

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
        return b"".join((file_lines(self.files), *masks, *placed))


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
