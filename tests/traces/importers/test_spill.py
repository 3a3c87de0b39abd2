"""Chunks that are needed again come back the same, from memory and from disk."""

from pathlib import Path

import pyarrow as pa
import pytest

from tests.traces.importers.samples import Files, armpm, armpm_run
from traces.importers.chunks import Chunk
from traces.importers.source import Block, SourceFile
from traces.importers.spill import Spill

_ROW_BYTES = 8


def _chunks(source: SourceFile) -> list[Chunk]:
    """Three of two rows each."""
    tables = [pa.table({"a": pa.array([i, i + 1], pa.int64())}) for i in range(3)]
    return [Chunk(source, Block(b"x", 10 + 2 * i, 2), one) for i, one in enumerate(tables)]


@pytest.mark.parametrize("fit", range(4))
def test_chunks_come_back_in_order_however_many_fit_into_memory(files: Files, fit: int) -> None:
    """All, none, or some: the others are in one file, which goes in the end."""
    source = SourceFile(files.write("a.txt", "x\n"))
    given = _chunks(source)
    with Spill(source, in_memory_bytes=fit * 2 * _ROW_BYTES) as spill:
        for chunk in given:
            spill.keep(chunk)
        assert (fit < 3) == Path(spill.path or "none").exists()
        back = list(spill.chunks())
    assert [one.table for one in given] == [one.table for one in back]
    assert [one.line_of(1) for one in given] == [one.line_of(1) for one in back]
    assert not Path(spill.path or "none").exists()


@pytest.mark.parametrize("room", [0, 900, 1 << 20])
def test_armpm_writes_the_same_file_whether_rows_waited_on_disk(
    files: Files, monkeypatch: pytest.MonkeyPatch, room: int
) -> None:
    """Two files share the room, and a corrupt run is dropped."""
    monkeypatch.setattr("traces.importers.source.BLOCK_BYTES", 300)
    shares = (1.0, 0.5, 1.0, 1.0)
    runs = [armpm_run("lu", n, 1000, share=share) for n, share in enumerate(shares, 1)]
    paths = [files.write("a.tsv", armpm(*runs[:2])), files.write("b.tsv", armpm(*runs[2:]))]
    files.imported(*paths)
    expected = files.out.read_bytes()
    monkeypatch.setattr("traces.importers.armpm.IN_MEMORY_BYTES", room)
    files.imported(*paths)
    assert expected == files.out.read_bytes()
