"""Lines out of a stream of bytes, none longer than allowed."""


class LineTooLong(ValueError):
    """No line break came within the longest line."""


class LineBuffer:
    """Takes bytes as they come, gives whole lines."""

    def __init__(self, longest_bytes: int) -> None:
        self._longest = longest_bytes
        self._bytes = bytearray()

    def __len__(self) -> int:
        return len(self._bytes)

    def add(self, data: bytes) -> None:
        """Append what came."""
        self._bytes += data

    def next_line(self) -> bytes | None:
        """The next line without its break, None while it is not whole. Raises LineTooLong."""
        end = self._bytes.find(b"\n", 0, self._longest + 1)
        if end < 0:
            if len(self._bytes) > self._longest:
                raise LineTooLong(f"line must have at most {self._longest} bytes")
            return None
        line = bytes(self._bytes[:end])
        del self._bytes[: end + 1]
        return line
