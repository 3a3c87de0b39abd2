"""Files of other formats made into one file of measurements: as a whole, or not at all."""

import ctypes
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
from msgspec import Struct

from platforms.errors import InvalidInput
from traces.importers.importer import Reading, Request, Tally
from traces.importers.registry import importer_for
from traces.importers.source import SourceFile
from traces.measurements import MeasurementWriter, writing_measurements
from traces.schema import MeasurementMetadata, Source

_ROWS_PER_GROUP = 65536
_WAITING = 2
"""Row groups that wait to be written: what bounds the memory."""

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3
"""What ``malloc.h`` calls them."""
_KEPT_BYTES = 64 << 20
"""Freed memory that is kept."""


class Imported(Struct, frozen=True, kw_only=True):
    """What an import came to: the metadata that were written, and the rows."""

    out: str
    format: str
    rows: int
    runs: int
    applications: int
    metadata: MeasurementMetadata


def import_files(
    paths: Sequence[Path],
    out: Path,
    *,
    format_name: str,
    board: str,
    asked: Request,
    on_bytes: Callable[[int], None] = lambda count: None,
) -> Imported:
    """Import files of one format and one machine into `out`.

    `on_bytes` hears how many bytes were read, all passes over all files together. Raises
    InvalidInput, and writes nothing, for what the files must not be.
    """
    _keep_freed_memory()
    progress = _Progress(on_bytes)
    sources = [SourceFile(path, on_bytes=progress.of(number)) for number, path in enumerate(paths)]
    if len({path.absolute() for path in paths}) < len(paths):
        raise InvalidInput("FILE must be named once each (one is named twice)")
    importer = importer_for(format_name, sources)
    if asked.runs and importer.name != "sbc-bench":
        raise InvalidInput(f"--runs must be given for sbc-bench only (got {importer.name})")
    tally = Tally()
    reading = importer.read(sources, asked, tally)
    names = _Distinct()
    with writing_measurements(out, reading.layout, reading.extra) as writer:
        _write(names.watch(reading.batches), writer)
        if not writer.rows:
            raise InvalidInput(f"{paths[0]}: must have rows to import (got none{_why(tally)})")
        metadata = _metadata(reading, sources, importer.name, board, tally)
        writer.finish(metadata)
    return Imported(
        out=str(out),
        format=importer.name,
        rows=writer.rows,
        runs=names.runs,
        applications=len(names.applications),
        metadata=metadata,
    )


def _keep_freed_memory() -> None:
    """Have glibc keep freed blocks for the next ones: new memory costs a page fault every 4 kB."""
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_MMAP_THRESHOLD, _KEPT_BYTES // 2)
        mallopt(_TRIM_THRESHOLD, _KEPT_BYTES)


def _why(tally: Tally) -> str:
    return "".join(f"; {one.count} dropped: {one.rule}" for one in tally.dropped)


def _metadata(
    reading: Reading, sources: Sequence[SourceFile], name: str, board: str, tally: Tally
) -> MeasurementMetadata:
    origin = tuple(Source(format=name, file=one.path.name, sha256=one.sha256) for one in sources)
    return MeasurementMetadata(
        board=board,
        clusters=reading.layout.clusters,
        cores=reading.layout.cores,
        sensors=reading.layout.sensors,
        source=origin,
        averaged=reading.averaged,
        power_of=reading.power_of,
        dropped=tally.dropped,
        notes=tally.notes,
        simulated=name == "hotspot",
    )


class _Progress:
    """The bytes read of several files, which may be read more than once."""

    def __init__(self, on_bytes: Callable[[int], None]) -> None:
        self._on_bytes = on_bytes
        self._read: dict[int, int] = {}

    def of(self, number: int) -> Callable[[int], None]:
        """What one file tells of itself."""

        def count(read: int) -> None:
            self._read[number] = read
            self._on_bytes(sum(self._read.values()))

        return count


class _Distinct:
    """Counts runs, whose rows stand together, and applications."""

    def __init__(self) -> None:
        self.runs = 0
        self.applications: set[str] = set()
        self._last: str | None = None

    def watch(self, batches: Iterable[pa.Table]) -> Iterator[pa.Table]:
        """The same batches."""
        for batch in batches:
            if batch.num_rows:
                self._count(batch)
                yield batch

    def _count(self, batch: pa.Table) -> None:
        runs = batch["run"].combine_chunks()
        changes = pc.sum(pc.not_equal(runs[1:], runs[:-1])).as_py() or 0
        self.runs += changes + (runs[0].as_py() != self._last)
        self._last = runs[-1].as_py()
        self.applications.update(pc.unique(batch["application"]).to_pylist())


def _write(batches: Iterable[pa.Table], writer: MeasurementWriter) -> None:
    """Write batches in another thread, as row groups of about the same size."""
    with ThreadPoolExecutor(max_workers=1) as thread:
        waiting: deque[Future[None]] = deque()
        try:
            for group in _groups(batches):
                waiting.append(thread.submit(writer.write, group))
                if len(waiting) > _WAITING:
                    waiting.popleft().result()
            while waiting:
                waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()


def _groups(batches: Iterable[pa.Table]) -> Iterator[pa.Table]:
    held: list[pa.Table] = []
    count = 0
    for batch in batches:
        held.append(batch)
        count += batch.num_rows
        if count >= _ROWS_PER_GROUP:
            yield pa.concat_tables(held)
            held, count = [], 0
    if held:
        yield pa.concat_tables(held)
