"""Lines out of a stream of bytes, none longer than allowed."""

from collections.abc import Callable

_BEGINNING_BYTES = 64


class LineTooLong(ValueError):
    """No line break came within the longest line."""


class LineBuffer:
    """Takes bytes as they come, gives whole lines."""

    def __init__(
        self, longest_bytes: int, longest_of: Callable[[bytes], int] | None = None
    ) -> None:
        """`longest_of` says how long a line may be that is longer, by its beginning."""
        self._longest = longest_bytes
        self._longest_of = longest_of or (lambda _beginning: longest_bytes)
        self._bytes = bytearray()

    def __len__(self) -> int:
        return len(self._bytes)

    def add(self, data: bytes) -> None:
        """Append what came."""
        self._bytes += data

    def next_line(self) -> bytes | None:
        """The next line without its break, None while it is not whole. Raises LineTooLong."""
        end = self._bytes.find(b"\n", 0, self._longest + 1)
        if end < 0 and len(self._bytes) > self._longest:
            end = self._end_of_a_long_line()
        if end < 0:
            return None
        line = bytes(self._bytes[:end])
        del self._bytes[: end + 1]
        return line

    def _end_of_a_long_line(self) -> int:
        longest = self._longest_of(bytes(self._bytes[:_BEGINNING_BYTES]))
        end = self._bytes.find(b"\n", self._longest, longest + 1)
        if end < 0 and len(self._bytes) > longest:
            raise LineTooLong(f"line must have at most {longest} bytes")
        return end
