"""Chunks that are needed again, parsed once: kept in a temporary file in between."""

import tempfile
from collections.abc import Iterator
from types import TracebackType

import pyarrow as pa

from traces.importers.chunks import Chunk
from traces.importers.source import Block, SourceFile


class Spill:
    """A file's chunks, on disk in Arrow's own form (in $TMPDIR), without their text.

    Errors found in a chunk that comes back name a wrong line where the block has blank ones: what
    can be wrong is to be looked for before.
    """

    def __init__(self, source: SourceFile) -> None:
        """Nothing is kept yet."""
        self._source = source
        self._file = tempfile.NamedTemporaryFile(suffix=".arrow")  # noqa: SIM115, closed by exit
        self._writer: pa.RecordBatchStreamWriter | None = None
        self._blocks: list[tuple[int, int]] = []

    def __enter__(self) -> "Spill":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._file.close()

    def keep(self, chunk: Chunk) -> None:
        """Put a chunk that has rows behind the others."""
        if self._writer is None:
            self._writer = pa.ipc.new_stream(self._file.name, chunk.table.schema)
        self._writer.write_table(chunk.table.combine_chunks())
        self._blocks.append((chunk.block.line, chunk.block.lines))

    def chunks(self) -> Iterator[Chunk]:
        """All chunks in order, once."""
        if self._writer is None:
            return
        self._writer.close()
        with pa.OSFile(self._file.name) as file, pa.ipc.open_stream(file) as reader:
            for (line, lines), batch in zip(self._blocks, reader, strict=True):
                yield Chunk(self._source, Block(b"", line, lines), pa.Table.from_batches([batch]))
