"""Tests of lines out of a stream."""

import pytest
from hypothesis import given
from hypothesis import strategies as some

from rm.daemon.clients.line_buffer import LineBuffer, LineTooLong

LONGEST = 8
LINES = some.lists(some.binary(max_size=LONGEST).map(lambda line: line.replace(b"\n", b" ")))


def taken(buffer: LineBuffer) -> list[bytes]:
    """All whole lines."""
    found = []
    while (line := buffer.next_line()) is not None:
        found.append(line)
    return found


@given(lines=LINES, sizes=some.lists(some.integers(1, 20), min_size=1))
def test_lines_are_the_same_in_whatever_pieces_they_come(
    lines: list[bytes], sizes: list[int]
) -> None:
    """Streams know no messages."""
    stream = b"".join(line + b"\n" for line in lines)
    buffer, found, position, turn = LineBuffer(LONGEST), [], 0, 0
    while position < len(stream):
        size = sizes[turn % len(sizes)]
        buffer.add(stream[position : position + size])
        found += taken(buffer)
        position, turn = position + size, turn + 1
    assert lines == found
    assert 0 == len(buffer)


def test_a_line_that_is_too_long_is_an_error_before_it_ends() -> None:
    """Nor does its end help."""
    buffer = LineBuffer(LONGEST)
    buffer.add(b"x" * LONGEST)
    assert buffer.next_line() is None
    buffer.add(b"x")
    with pytest.raises(LineTooLong, match="line must have at most 8 bytes"):
        buffer.next_line()
    buffer.add(b"\n")
    with pytest.raises(LineTooLong):
        buffer.next_line()
