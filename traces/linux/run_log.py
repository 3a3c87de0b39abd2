"""The runs of a recording as they are made: lines of JSON, each on disk before the next run begins.

Needs no Parquet library, which small boards lack; `traces.join_command` makes Parquet of it. The
first line describes the recording, every other is a run's number and its row. A line that a kill or
a power cut tore is dropped: its run is made again.
"""

import os
from pathlib import Path
from types import TracebackType
from typing import Any

import msgspec
from msgspec import Struct

from platforms.errors import InvalidInput
from traces.plan import Conduct


class LogHeader(Struct, frozen=True, kw_only=True):
    """What a log is of: the metadata of the traces, how runs are made, and how many there are."""

    metadata: dict[str, Any]
    conduct: Conduct
    runs: int
    format: int = 1


class _Line(Struct, frozen=True):
    run: int
    row: dict[str, Any]


def log_path(out: Path, digest: str) -> Path:
    """Where the log of a recording to `out` lies; each plan has its own."""
    return out.with_name(f"{out.name}.runs-{digest[:12]}.jsonl")


def read_log(path: Path) -> tuple[LogHeader, dict[int, dict[str, Any]]]:
    """The header and the rows by their run's number; raises InvalidInput for what is no log."""
    header, rows, _ = _read(path)
    return header, rows


def _read(path: Path) -> tuple[LogHeader, dict[int, dict[str, Any]], int]:
    """As `read_log`, and the length of what is sound, in bytes."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise InvalidInput(f"{path}: must be a log of runs ({error.strerror})") from error
    lines = content.splitlines(keepends=True)
    try:
        header = msgspec.json.decode(lines[0], type=LogHeader)
    except (IndexError, msgspec.DecodeError) as error:
        raise InvalidInput(f"{path}: line 1 must describe a recording ({error})") from error
    rows, sound = {}, len(lines[0])
    for number, line in enumerate(lines[1:], start=2):
        if not line.endswith(b"\n"):
            break  # torn
        try:
            found = msgspec.json.decode(line, type=_Line)
        except msgspec.DecodeError as error:
            raise InvalidInput(f"{path}: line {number} must be a run ({error})") from error
        rows[found.run] = found.row
        sound += len(line)
    return header, rows, sound


class RunLog:
    """An open log; `rows` are the runs that are in it."""

    def __init__(self, path: Path, header: LogHeader) -> None:
        """Open the log, or begin it; raises InvalidInput where `path` is of another recording."""
        self.rows: dict[int, dict[str, Any]] = {}
        if path.exists() and b"\n" in path.read_bytes():
            found, self.rows, sound = _read(path)
            if found.metadata.get("plan_sha256") != header.metadata.get("plan_sha256"):
                raise InvalidInput(f"{path}: must be the log of this plan; remove it, or --fresh")
            os.truncate(path, sound)
            self._file = path.open("ab")
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = path.open("wb")
            self._add(header)

    def __enter__(self) -> "RunLog":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._file.close()

    def add(self, run: int, row: dict[str, Any]) -> None:
        """Keep a run; it is on disk when this returns."""
        self._add(_Line(run, row))
        self.rows[run] = row

    def _add(self, line: Struct) -> None:
        self._file.write(msgspec.json.encode(line) + b"\n")
        self._file.flush()
        os.fsync(self._file.fileno())
