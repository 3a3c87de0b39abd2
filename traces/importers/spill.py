"""Chunks that are needed again, parsed once: kept in memory, and on disk where they are many."""

import tempfile
from collections import deque
from collections.abc import Iterator
from contextlib import ExitStack
from types import TracebackType

import pyarrow as pa

from traces.importers.chunks import Chunk
from traces.importers.source import Block, SourceFile

IN_MEMORY_BYTES = 128 << 20
"""What all files of an import may keep in memory together: 0.8 million rows of 20 columns."""


class Spill:
    """A file's chunks without their text: the first in memory, the others in Arrow's own form.

    From the first that is too much for `in_memory_bytes`, they lie at `path`, in $TMPDIR. Errors
    found in a chunk that comes back name a wrong line where the block has blank ones: what can be
    wrong is to be looked for before.
    """

    def __init__(self, source: SourceFile, in_memory_bytes: int) -> None:
        """Nothing is kept yet."""
        self._source = source
        self._room = in_memory_bytes
        self._held: deque[Chunk] = deque()
        self._open = ExitStack()
        self.path: str | None = None
        self._writer: pa.RecordBatchStreamWriter | None = None
        self._blocks: list[Block] = []

    def __enter__(self) -> "Spill":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._held.clear()
        self._open.close()

    def keep(self, chunk: Chunk) -> None:
        """Put a chunk that has rows behind the others."""
        block = Block(b"", chunk.block.line, chunk.block.lines)
        self._room -= chunk.table.nbytes
        if self._room >= 0:
            self._held.append(Chunk(self._source, block, chunk.table))
            return
        if self._writer is None:
            self._writer = self._on_disk(chunk.table.schema)
        self._writer.write_table(chunk.table.combine_chunks())
        self._blocks.append(block)

    def _on_disk(self, schema: pa.Schema) -> pa.RecordBatchStreamWriter:
        file = tempfile.NamedTemporaryFile(suffix=".arrow")  # noqa: SIM115, closed by the stack
        self.path = self._open.enter_context(file).name
        return self._open.enter_context(pa.ipc.new_stream(self.path, schema))

    def chunks(self) -> Iterator[Chunk]:
        """All chunks in order, once."""
        while self._held:
            yield self._held.popleft()
        if self._writer is None:
            return
        self._writer.close()
        with pa.OSFile(self.path) as file, pa.ipc.open_stream(file) as reader:
            for block, batch in zip(self._blocks, reader, strict=True):
                yield Chunk(self._source, block, pa.Table.from_batches([batch]))
