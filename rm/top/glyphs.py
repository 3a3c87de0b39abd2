"""Bars and sparklines, of block elements or of ASCII where a terminal shows nothing else."""

from collections.abc import Sequence
from typing import NamedTuple


class Glyphs(NamedTuple):
    """`levels`: a column's heights, from low to full. `parts`: a bar's last cell, likewise."""

    levels: str
    parts: str
    full: str
    gap: str
    degree: str
    dots: str


BLOCKS = Glyphs("▁▂▃▄▅▆▇█", "▏▎▍▌▋▊▉", "█", "·", "°C", "…")
ASCII = Glyphs(".:-=+*#@", "", "#", " ", "C", "..")

LEAST_SPAN_K = 5.0
"""A sparkline covers at least this range, so that noise does not look like a change."""


def sparkline(
    values: Sequence[float | None], glyphs: Glyphs, *, least_span: float = LEAST_SPAN_K
) -> str:
    """One column a value, scaled from the lowest to the highest; None is a gap.

    >>> sparkline([40, 45, None, 50], BLOCKS), sparkline([50.0, 50.1], ASCII)
    ('▁▅·█', '..')
    """
    known = [value for value in values if value is not None]
    if not known:
        return glyphs.gap * len(values)
    low = min(known)
    span = max(max(known) - low, least_span)
    top = len(glyphs.levels) - 1
    return "".join(
        glyphs.gap if value is None else glyphs.levels[round((value - low) / span * top)]
        for value in values
    )


def bar(share: float, width: int, glyphs: Glyphs) -> str:
    """A bar of `width` columns, filled to `share`, 0 to 1.

    >>> bar(0.55, 4, BLOCKS), bar(0.55, 4, ASCII), bar(7, 2, ASCII)
    ('██▎ ', '##  ', '##')
    """
    steps = len(glyphs.parts) + 1
    filled = round(min(max(share, 0.0), 1.0) * width * steps)
    cells = glyphs.full * (filled // steps)
    if filled % steps:
        cells += glyphs.parts[filled % steps - 1]
    return cells.ljust(width)
