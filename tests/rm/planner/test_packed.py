"""First fit over all operating points at once, against the groups that it stands for."""

import numpy as np
import pytest

from rm.planner.foreground import needs
from rm.planner.packed import grouped, groups_at, packed
from tests.rm.mapping.demands import BOARDS, random_demand

SINGLE = 1e-6
"""A few times single precision, in which activities are summed up in another order."""


@pytest.mark.parametrize("name", BOARDS)
def test_what_is_said_of_first_fit_is_what_its_groups_make(name: str) -> None:
    """Cores, their activities and who is served, for every set of applications."""
    board = BOARDS[name]
    for seed in range(8):
        rng = np.random.default_rng(seed)
        asked = needs(board, random_demand(board, rng, 5, heaviest=0.5), training_load=0.1)
        members = (np.arange(32)[:, None] >> np.arange(5)) & 1 > 0
        for x in range(len(board.clusters)):
            found = packed(asked, members, x)
            everybody, group = groups_at(asked, members, x)
            expected = grouped(asked, everybody, group, x)
            served = expected.served
            np.testing.assert_array_equal(served, found.served)
            np.testing.assert_array_equal(expected.used[served], found.used[served])
            np.testing.assert_allclose(expected.active[served], found.active[served], SINGLE)
            np.testing.assert_allclose(expected.hottest[served], found.hottest[served], SINGLE)


def test_training_s_traffic_lengthens_stalls_only() -> None:
    """More of it serves nobody better, and cores that wait longer switch less."""
    board = BOARDS["hikey970"]
    demand = random_demand(board, np.random.default_rng(3), 4)
    idle, loaded = needs(board, demand), needs(board, demand, training_load=0.5)
    for x in range(2):
        assert (loaded.demand.served[x] <= idle.demand.served[x] + 1e-12).all()
        assert (loaded.active[x] <= idle.active[x] + 1e-12).all()


def test_nobody_asks_for_nothing() -> None:
    """No applications: one empty set, on no core."""
    asked = needs(BOARDS["hikey970"], None)
    found = packed(asked, np.zeros((1, 0), dtype=bool), 1)
    assert found.served.all()
    assert 0 == found.used.sum()
