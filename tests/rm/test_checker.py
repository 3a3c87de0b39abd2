"""Tests of the policies' contract checker: ours keep it, and what breaks it is told."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from platforms.board import Board
from platforms.board_file import load_board, shipped_boards
from platforms.checker import BrokenContract
from platforms.platform import Migration, Observation
from rm.checker import check_policy
from rm.policies.gts import Gts, make_ondemand, make_performance, make_powersave, make_qos
from rm.policies.registry import PolicyContext
from rm.policies.topil import TopIl
from tests.platforms.programs import simulated
from tests.rm.readings import HIKEY


class _Restless:
    """Scores that make somebody move in every epoch."""

    def __init__(self, board: Board) -> None:
        self._weights = np.random.default_rng(0).normal(size=board.core_count)

    def run(self, rows: NDArray[np.float32]) -> NDArray[np.float32]:
        drawn = np.sin(rows.sum(axis=1, keepdims=True) * self._weights)
        return np.asarray(drawn, dtype=np.float32)


@pytest.mark.parametrize("name", shipped_boards())
@pytest.mark.parametrize("make", [make_ondemand, make_powersave, make_performance, make_qos])
def test_the_baselines_keep_the_contract_on_every_shipped_board(
    make: Callable[[PolicyContext], Gts], name: str
) -> None:
    """No policy may assume one board."""
    board = load_board(name)
    platform = simulated(board=board)
    check_policy(lambda: make(PolicyContext(board, platform)), board)


@pytest.mark.parametrize("name", shipped_boards())
def test_topil_keeps_the_contract_whatever_its_network_says(name: str) -> None:
    """A network is data; the moves that it may cause are the policy's."""
    board = load_board(name)
    check_policy(lambda: TopIl(board, _Restless(board)), board)


class _Broken(Gts):
    """A baseline that is spoiled in one place."""

    def __init__(self, **spoiled: Any) -> None:
        super().__init__("broken", HIKEY, lambda seen: HIKEY.lowest_opps)
        self.__dict__ |= spoiled


def _moves(*moves: Migration) -> Callable[[Observation], tuple[Migration, ...]]:
    """Migrations that are decided as soon as application 0 is there."""
    return lambda seen: moves if any(app.id == 0 for app in seen.applications) else ()


def _first_single(cores: tuple[int, ...]) -> Callable[[Observation], tuple[Migration, ...]]:
    def migrate(seen: Observation) -> tuple[Migration, ...]:
        single = [app.id for app in seen.applications if app.threads == 1]
        return tuple(Migration(number, cores) for number in single[:1])

    return migrate


def _unclear() -> Callable[[], _Broken]:
    made: list[_Broken] = []

    def make() -> _Broken:
        number = len(made)
        made.append(_Broken(scale=lambda seen: (number, 0)))
        return made[-1]

    return make


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: _Broken(name=""), "name must be a text that is not empty (got '')"),
        (
            lambda: _Broken(scale=lambda seen: (0,)),
            "opp_index must have one entry for each of 2 clusters (got [0])",
        ),
        (
            lambda: _Broken(scale=lambda seen: (7, 0)),
            "opp_index of little must be out of 0 ... 6 (got 7)",
        ),
        (
            lambda: _Broken(scale=lambda seen: None),
            "scale must give an operating point per cluster (got None)",
        ),
        (
            lambda: _Broken(scale=lambda seen: 1 / 0),
            "a policy must not raise (got ZeroDivisionError: division by zero)",
        ),
        (
            lambda: _Broken(migrate=_moves(Migration(99, (0,)))),
            "migrations must be of applications that were observed (got ids [99])",
        ),
        (lambda: _Broken(migrate=_first_single((8,))), "cores must be out of 0 ... 7 (got [8])"),
        (
            lambda: _Broken(migrate=_first_single((4, 5))),
            "cores must be one core for one thread (got [4, 5])",
        ),
        (
            lambda: _Broken(migrate=lambda seen: _first_single((4,))(seen) * 2),
            "migrations must move an application once at most",
        ),
        (_unclear(), "equal observations must give equal decisions"),
    ],
)
def test_what_a_policy_does_wrong_is_told(make: Callable[[], _Broken], message: str) -> None:
    """All of it, in one error."""
    with pytest.raises(BrokenContract, match=r"^policy \w* ?breaks \d+ promises:\n- ") as told:
        check_policy(make, HIKEY)
    assert any(message in violation for violation in told.value.violations)
