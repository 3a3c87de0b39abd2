"""Columns of text as wide as their widest cell."""

from collections.abc import Collection, Iterator, Sequence


def table(lines: Sequence[Sequence[str]], *, left: Collection[int]) -> Iterator[str]:
    """Lines of cells, two spaces apart; the columns in `left` begin at the left.

    >>> list(table([("a", "1"), ("bb", "22")], left=(0,)))
    ['a    1', 'bb  22']
    """
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    for line in lines:
        cells = (
            cell.ljust(width) if place in left else cell.rjust(width)
            for place, (cell, width) in enumerate(zip(line, widths, strict=True))
        )
        yield "  ".join(cells).rstrip()
