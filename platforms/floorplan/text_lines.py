"""Lines of a text file with their numbers, and complaints that point into them."""

import math
from collections.abc import Iterator
from pathlib import Path

from platforms.errors import InvalidInput

_LONGEST = 1 << 20


def fault(path: Path, line: int, message: str, *, column: int | None = None) -> InvalidInput:
    """What is wrong at a place of a file; columns are those of the table, counted from 1."""
    place = f"{path}, line {line}"
    return InvalidInput(f"{place}, column {column}: {message}" if column else f"{place}: {message}")


class TextLines:
    """The lines of a file, one after another: however long the file is, one line is held.

    `bytes_read` says how far reading came. A last line without an end is refused: the file was cut
    there, or its writer has not finished (HotSpot ignores such a line without a word).
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.bytes_read = 0

    def __iter__(self) -> Iterator[tuple[int, str]]:
        """Pairs of line number, from 1, and text. Raises InvalidInput where that cannot be."""
        try:
            with self.path.open("rb") as handle:
                number = 0
                while raw := handle.readline(_LONGEST):
                    number += 1
                    self.bytes_read += len(raw)
                    yield number, self._text(number, raw)
        except OSError as error:
            raise InvalidInput(f"{self.path}: cannot be read ({error.strerror})") from error

    def _text(self, number: int, raw: bytes) -> str:
        if not raw.endswith(b"\n"):
            if len(raw) == _LONGEST:
                raise fault(self.path, number, f"must be shorter than {_LONGEST} bytes")
            raise fault(
                self.path,
                number,
                "must end with a line break (the file ends within the line: it was cut, or else "
                "end its last line)",
            )
        try:
            text = raw.decode("utf-8-sig" if number == 1 else "utf-8")
        except UnicodeDecodeError as error:
            raise fault(self.path, number, f"must be text ({error})") from error
        if "\0" in text:
            raise fault(self.path, number, "must be text (got a zero byte)")
        return text


def significant(lines: TextLines) -> Iterator[tuple[int, list[str]]]:
    """Line number and words of every line that is neither empty nor a comment (``# ...``)."""
    for number, text in lines:
        words = text.split()
        if words and not words[0].startswith("#"):
            yield number, words


def number_in(path: Path, line: int, column: int, name: str, word: str) -> float:
    """The finite number that `word` is; InvalidInput says where it stands and what it should be."""
    try:
        value = math.nan if "_" in word else float(word)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise fault(path, line, f"{name} must be a number (got {word[:40]!r})", column=column)
    return value
