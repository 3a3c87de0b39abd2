"""A text file, gzipped or not, as blocks of whole lines; its digest; where in it something is."""

import hashlib
import io
import os
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import NoReturn

import numpy as np
import pyarrow as pa
from msgspec import Struct

from platforms.errors import InvalidInput

BLOCK_BYTES = 4 << 20
_LONGEST_LINE_BYTES = 16 << 20
_HEAD_BYTES = 1 << 16
_SMALL_BYTES = 1 << 8
_LOOK_BACK_BYTES = 1 << 14
_PIECE_BYTES = 1 << 16
_LINE_BREAK = ord("\n")
_GZIP = b"\x1f\x8b"


class Block(Struct, frozen=True):
    """Whole lines of a file: how many, and the number of the first, from 1."""

    text: bytes
    line: int
    lines: int

    def line_of(self, row: int, *, leaving_out: frozenset[str] = frozenset()) -> int:
        r"""The number of the line that holds a row (from 0): rows are the lines that are not blank.

        Nor any of those that read as in `leaving_out`.

        >>> Block(b"a\n\nb\n", 10, 3).line_of(1)
        12
        """
        rows = -1
        for number, text in enumerate(self.text.splitlines(), self.line):
            rows += bool(text.strip()) and str(text, "utf-8", "replace").strip() not in leaving_out
            if rows == row:
                return number
        return self.line


class SourceFile:
    """One input file. `path` is what the user called it, and what errors call it."""

    def __init__(self, path: Path, *, on_bytes: Callable[[int], None] = lambda count: None) -> None:
        """`on_bytes` hears how many bytes of the file were read, whenever some were."""
        if not path.is_file():
            found = "a folder" if path.is_dir() else "no such file"
            raise InvalidInput(f"{path}: must be a file of measurements ({found})")
        self.path = path
        self.sha256 = ""
        self._on_bytes = on_bytes

    @property
    def stem(self) -> str:
        """The file's name without its endings.

        >>> SourceFile(Path(__file__)).stem
        'source'
        """
        return self.path.name.partition(".")[0] or self.path.name

    def head(self) -> list[str]:
        """The first lines, for a look at what it is; bytes that are no text are replaced."""
        raw = _Hashed(self.path, lambda count: None, is_known=True)
        try:
            with raw, _decompressed(raw, self.path) as stream:
                text = stream.read(_HEAD_BYTES)
        except OSError as error:
            self._unreadable(error)
        if not text:
            raise InvalidInput(f"{self.path}: must be a file of measurements (it is empty)")
        return str(text, "utf-8", "replace").removeprefix("\ufeff").splitlines()

    def blocks(self, block_bytes: int | None = None) -> Iterator[Block]:
        """The file in blocks of about `block_bytes` (None: 4 MB); `sha256` is known after the last.

        Raises InvalidInput where it is cut off: in a compressed stream, or in the midst of a line.
        """
        line, rest = 1, b""
        raw = _Hashed(self.path, self._on_bytes, is_known=bool(self.sha256))
        try:
            with raw, _decompressed(raw, self.path) as stream:
                while data := stream.read(block_bytes or BLOCK_BYTES):
                    text, rest = self._split(rest, data, line)
                    if text:
                        count = _line_breaks(text)
                        yield Block(text, line, count)
                        line += count
        except OSError as error:
            self._unreadable(error, f"line {self._last_line()}: ")
        if rest:
            end = str(rest[-40:], "utf-8", "replace")
            raise InvalidInput(
                f"{self.path}: line {line}: must end with a line break (got the end of the file "
                f"after {end!r}): the file seems to be cut off; fetch it again, or add a line "
                "break where the line is whole"
            )
        self.sha256 = self.sha256 or raw.hexdigest()

    def _last_line(self) -> int:
        """The line in which a compressed stream that breaks off does so."""
        line = 1
        raw = _Hashed(self.path, lambda count: None, is_known=True)
        try:
            with raw, _decompressed(raw, self.path) as stream:
                while text := stream.read(_SMALL_BYTES):
                    line += text.count(b"\n")
        except OSError:
            pass
        return line

    def _split(self, rest: bytes, data: bytes, line: int) -> tuple[bytes, bytes]:
        """The whole lines, and what is left of the last one."""
        end = data.rfind(b"\n") + 1
        if end == 0 and len(rest) + len(data) > _LONGEST_LINE_BYTES:
            raise InvalidInput(
                f"{self.path}: line {line}: must be shorter than {_LONGEST_LINE_BYTES} bytes"
            )
        if end == 0:
            return b"", rest + data
        if not rest and end == len(data):
            return data, b""
        return b"".join((rest, memoryview(data)[:end])), data[end:]

    def fail(self, problem: str, *, line: int = 1, column: str | None = None) -> NoReturn:
        """Raise InvalidInput for what is wrong at a place of this file."""
        where = f"line {line}" if column is None else f"line {line}, column {column!r}"
        raise InvalidInput(f"{self.path}: {where}: {problem}")

    def _unreadable(self, error: OSError, where: str = "") -> NoReturn:
        if error.errno is not None:
            raise error
        raise InvalidInput(
            f"{self.path}: {where}must be a whole gzip file ({error}); fetch it again"
        ) from error


def _line_breaks(text: bytes) -> int:
    """As ``text.count`` does, in a fifth of its time and without holding up other threads.

    Piece by piece: what is compared then lies in memory that is in use already.
    """
    every = np.frombuffer(text, np.uint8)
    pieces = range(0, len(every), _PIECE_BYTES)
    return sum(
        int(np.count_nonzero(every[start : start + _PIECE_BYTES] == _LINE_BREAK))
        for start in pieces
    )


class _Hashed(io.RawIOBase):
    """A file whose bytes are counted, and hashed where that `is_known` not yet, when read.

    Another thread hashes, one block behind: it takes as long as a fifth of the parsing.
    """

    def __init__(self, path: Path, on_bytes: Callable[[int], None], *, is_known: bool) -> None:
        self._file = path.open("rb", buffering=0)
        self._on_bytes = on_bytes
        self._is_known = is_known
        self._read = 0
        self._digest = hashlib.sha256()
        self._hashing = ThreadPoolExecutor(max_workers=1)
        self._waiting: Future[None] | None = None

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        data = self._file.read(self._to_a_line_break(size)) or b""
        if not self._is_known:
            self._wait()
            self._waiting = self._hashing.submit(self._digest.update, data)
        self._read += len(data)
        self._on_bytes(self._read)
        return data

    def _to_a_line_break(self, size: int) -> int:
        """How much to read so that it ends with a line: whoever needs lines then copies nothing."""
        if size < _LOOK_BACK_BYTES:
            return size
        near_the_end = self._read + size - _LOOK_BACK_BYTES
        tail = os.pread(self._file.fileno(), _LOOK_BACK_BYTES, near_the_end)
        return size - _LOOK_BACK_BYTES + tail.rfind(b"\n") + 1 if b"\n" in tail else size

    def hexdigest(self) -> str:
        """The digest of all that was read."""
        self._wait()
        return self._digest.hexdigest()

    def close(self) -> None:
        self._wait()
        self._hashing.shutdown()
        self._file.close()
        super().close()

    def _wait(self) -> None:
        if self._waiting is not None:
            self._waiting.result()
            self._waiting = None


def _decompressed(raw: _Hashed, path: Path) -> "pa.NativeFile | _Hashed":
    with path.open("rb") as file:
        is_gzip = file.read(2) == _GZIP
    return pa.CompressedInputStream(pa.PythonFile(raw, mode="r"), "gzip") if is_gzip else raw
