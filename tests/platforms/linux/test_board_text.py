"""A board as text: what was written is read again."""

import tomllib

import pytest
from msgspec.structs import replace

from platforms.board_file import load_board, parse_board, shipped_boards
from platforms.linux.probe.board_text import board_text


@pytest.mark.parametrize("name", shipped_boards())
def test_every_shipped_board_is_read_again_as_it_was(name: str) -> None:
    """With all its sources, in whatever order they come."""
    board = load_board(name)
    assert board == parse_board(board_text(board), origin="written")


def test_the_head_is_a_comment() -> None:
    """It is for people, and lines of it may be empty."""
    board = load_board("hikey970")
    text = board_text(board, head=("Where it comes from.", "", "And more."))
    assert text.startswith("# Where it comes from.\n#\n# And more.\n\nschema = 1\n")
    assert board == parse_board(text, origin="written")


@pytest.mark.parametrize("title", ['say "board"', "back\\slash", "Überboard ✓", "line\nbreak"])
def test_any_title_survives(title: str) -> None:
    """A machine may call itself anything."""
    board = replace(load_board("hikey970"), title=title)
    assert title == parse_board(board_text(board), origin="written").title


def test_operating_points_have_a_line_each() -> None:
    """As in the shipped files: people edit them."""
    text = board_text(load_board("hikey970"))
    line = next(line for line in text.splitlines() if "2_362_000_000" in line)
    assert line.startswith("    { freq_hz = 2_362_000_000, volt_v = 1.05, core_busy_w = 1.105, ")
    assert 2_362_000_000 == tomllib.loads(text)["clusters"][1]["opps"][-1]["freq_hz"]
