"""The default temperature limit: half-way to the full load's heat, within the kernel's own."""

import pytest

from platforms.board_file import load_board, shipped_boards
from rm.evaluation.training.limits import default_limit_c
from tests.rm.readings import HIKEY


def test_with_a_fan_it_is_half_of_what_the_board_heats_up_by() -> None:
    """The HiKey 970 settles at 54.6 degC with everything busy, in air of 25 degC."""
    assert 40.0 == default_limit_c(HIKEY, "fan")


def test_it_is_never_above_where_the_kernel_begins_to_look() -> None:
    """Without a fan full load would run away."""
    assert HIKEY.protection is not None
    assert HIKEY.protection.switch_on_c == default_limit_c(HIKEY, "passive")


@pytest.mark.parametrize("name", shipped_boards())
def test_it_lies_above_the_air_under_every_cooling_of_every_board(name: str) -> None:
    """Else nothing could run."""
    board = load_board(name)
    for setup in board.cooling:
        assert setup.ambient_c + 5.0 < default_limit_c(board, setup.name)
