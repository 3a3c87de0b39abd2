"""A line of the view: pieces of text, each with a style by its meaning."""

from collections.abc import Iterable
from typing import Literal, NamedTuple

Style = Literal["plain", "faint", "head", "good", "warn", "bad", "value"]


class Piece(NamedTuple):
    """Text in one style."""

    text: str
    style: Style = "plain"


Line = tuple[Piece, ...]

EMPTY: Line = ()


def line(*pieces: Piece | str) -> Line:
    """A line of pieces; bare text is plain."""
    return tuple(Piece(piece) if isinstance(piece, str) else piece for piece in pieces)


def plain_text(lines: Iterable[Line]) -> str:
    """The lines without their styles.

    >>> plain_text([line("soc ", Piece("61.2", "value"))])
    'soc 61.2'
    """
    return "\n".join("".join(piece.text for piece in pieces).rstrip() for pieces in lines)


def length(pieces: Line) -> int:
    """How many columns it takes."""
    return sum(len(piece.text) for piece in pieces)


def clipped(pieces: Line, width: int) -> Line:
    """What fits into so many columns.

    >>> plain_text([clipped(line("abc", Piece("def", "good")), 4)])
    'abcd'
    """
    kept, left = [], width
    for piece in pieces:
        if left > 0:
            kept.append(piece._replace(text=piece.text[:left]))
        left -= len(piece.text)
    return tuple(kept)


def at_both_ends(left: Line, right: Line, width: int) -> Line:
    """`right` ends at the last column, where both fit; else `left` alone."""
    gap = width - length(left) - length(right)
    return (*left, Piece(" " * gap), *right) if gap > 0 else left
