"""What the undo journal holds, and how its lines are read. One JSON object a line."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import msgspec
from msgspec import Struct

from platforms.linux.cpu_list import format_cpu_list, parse_cpu_list
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


class MaskEntry(Struct, frozen=True, tag_field="kind", tag="affinity", kw_only=True):
    """A thread's cores before ilgov first moved it.

    `pid` and `start_ticks` are the managed process; the thread may belong to a descendant of it.
    `thread_start` is the thread's own start, clock ticks since boot.
    """

    pid: int
    start_ticks: int
    tid: int
    thread_start: int
    old: str


class Released(Struct, frozen=True, tag_field="kind", tag="released", kw_only=True):
    """The process's threads were given back; its entries up to here are done with."""

    pid: int
    start_ticks: int


Entry = Header | FileEntry | MaskEntry | Released

_ENCODER = msgspec.json.Encoder()
_DECODER = msgspec.json.Decoder(Entry)


class ThreadMask(Struct, frozen=True, gc=False):
    """The cores that a thread could use, and the thread's start, clock ticks since boot."""

    thread_start: int
    cores: frozenset[int]


@dataclass
class Undo:
    """What must be written to have everything as before: the first old value of each knob."""

    files: dict[str, str] = field(default_factory=dict)
    masks: dict[ProcessKey, dict[int, ThreadMask]] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.files or self.masks)

    def add(self, entry: Entry) -> None:
        """Take in an entry; what is known already stays."""
        if isinstance(entry, FileEntry):
            self.files.setdefault(entry.path, entry.old)
        elif isinstance(entry, MaskEntry):
            key = ProcessKey(entry.pid, entry.start_ticks)
            mask = ThreadMask(entry.thread_start, frozenset(parse_cpu_list(entry.old)))
            self.masks.setdefault(key, {}).setdefault(entry.tid, mask)
        elif isinstance(entry, Released):
            self.masks.pop(ProcessKey(entry.pid, entry.start_ticks), None)

    def lines(self) -> bytes:
        """Return all of it as lines of a journal."""
        return file_lines(self.files) + b"".join(
            mask_lines(key, masks) for key, masks in self.masks.items()
        )


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
    """Return the lines for the old cores of a process's threads, by tid."""
    return b"".join(
        line_of(
            MaskEntry(
                pid=key.pid,
                start_ticks=key.start_ticks,
                tid=tid,
                thread_start=mask.thread_start,
                old=format_cpu_list(mask.cores),
            )
        )
        for tid, mask in masks.items()
    )


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
