"""Tests of how the plant adds up what the cores ran."""

import pytest

from platforms.application_file import find_applications
from platforms.board_file import load_board
from tests.rig.heat_plant import BACKGROUND_ACTIVITY, IDLE
from tests.rig.places import RIG
from tests.rig.plant import Slice, core_uses

BOARD = load_board(str(RIG / "boards" / "rig44.toml"))
(PROGRAM,) = find_applications(["automotive_bitcount"])
FREQS_HZ = [408_000_000, 408_000_000]


def test_two_programs_on_a_core_add_up() -> None:
    """Each has half the core; the activity is their mean."""
    slices = [Slice(4, 0.1, PROGRAM), Slice(4, 0.1, PROGRAM)]
    use = core_uses(BOARD, FREQS_HZ, [0.0] * 8, slices, 0.2)[4]
    assert use.busy_share == pytest.approx(1.0)
    assert use.activity == pytest.approx(PROGRAM.activity)


def test_what_nobody_accounts_for_is_background() -> None:
    """The busy share of the kernel's account, less what the applications had."""
    busy = [0.5] + [0.0] * 7
    uses = core_uses(BOARD, FREQS_HZ, busy, [], 0.2)
    assert (0.5, BACKGROUND_ACTIVITY) == (uses[0].busy_share, uses[0].activity)
    assert [IDLE] * 7 == uses[1:]


def test_no_core_is_busier_than_all_the_time() -> None:
    """Accounts that are read one after the other overlap a little."""
    use = core_uses(BOARD, FREQS_HZ, [1.0] * 8, [Slice(0, 0.25, PROGRAM)], 0.2)[0]
    assert 1.0 == use.busy_share
