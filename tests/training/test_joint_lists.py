"""Tests of lists: mappings of one situation, with what the models say of each."""

from typing import NamedTuple

import numpy as np
import pytest
from msgspec.structs import replace
from numpy.typing import NDArray

from oracle.joint import JointSearch
from oracle.whatif import Placement, WhatIf
from platforms.application_file import shipped_applications
from platforms.board_file import load_board
from rm.mapping.packing import Mappings, groups_of_cores
from rm.mapping.rows import describe
from rm.mapping.search import SHORTFALL_STEP
from tests.oracle import small_boards
from training.joint.lists import MISS_K, OracleJudge, RatedList, rated_list
from training.joint.options import JointOptions
from training.joint.situations import Situation, drawn, true_demand

HIKEY = load_board("hikey970")
MODELS = WhatIf(HIKEY, HIKEY.cooling_named("fan"))
PROFILES = tuple(
    profile for profile in shipped_applications().values() if profile.suite == "cbench"
)
OPTIONS = JointOptions(list_length=12)


class Recorder:
    """The judge, with what it was asked."""

    def __init__(self) -> None:
        self._judge = OracleJudge(MODELS)
        self.best: Placement = ()
        self.asked: list[Placement] = []
        self.heats: list[float] = []

    def optimum(self, situation: Situation) -> Placement:
        """Remembered."""
        self.best = self._judge.optimum(situation)
        return self.best

    def heats_k(self, situation: Situation, mappings: Mappings) -> NDArray[np.float64]:
        """Remembered."""
        found = self._judge.heats_k(situation, mappings)
        self.asked = [placement(mappings, at) for at in range(len(mappings))]
        self.heats = found.tolist()
        return found


def placement(mappings: Mappings, at: int) -> Placement:
    """A mapping with every group on the core of its number."""
    pairs = zip(mappings.cluster[at].tolist(), mappings.group[at].tolist(), strict=True)
    return tuple((HIKEY.clusters[x].cores[group],) for x, group in pairs)


class Rated(NamedTuple):
    """A list with the placements of its rows."""

    situation: Situation
    best: Placement
    asked: list[Placement]
    heats: list[float]
    entry: RatedList


def rated(seed: int, options: JointOptions = OPTIONS) -> Rated:
    """A situation that was drawn and leaves a choice, rated."""
    rng, judge = np.random.default_rng(seed), Recorder()
    while True:
        situation = drawn(HIKEY, PROFILES, rng)
        entry = rated_list(HIKEY, judge, situation, options, rng)
        if entry is not None:
            return Rated(situation, judge.best, judge.asked, judge.heats, entry)


@pytest.fixture(scope="module")
def lists() -> list[Rated]:
    """Ten of them, with one to a dozen applications."""
    return [rated(seed) for seed in range(10)]


def unnamed(placement: Placement) -> tuple[tuple[int, int], ...]:
    """A mapping without the names of its cores: cluster, and the first who is on the same core."""
    cores = [core for (core,) in placement]
    return tuple((HIKEY.cluster_of_core[core], cores.index(core)) for core in cores)


def features(situation: Situation, placement: Placement) -> np.ndarray:
    """As the governor computes them."""
    cores = [core for (core,) in placement]
    return describe(HIKEY, situation.demand, groups_of_cores(HIKEY, cores)).features[0]


def test_every_row_is_labelled_with_what_the_judge_says_of_its_mapping(lists: list[Rated]) -> None:
    """And with the features that the governor computes of it; half of them are the coolest."""
    for situation, _, asked, heats, entry in lists:
        told = dict(zip(asked, heats, strict=True))
        assert min(heats) == entry.optimum_k
        coolest = sorted(told.values())[: OPTIONS.list_length // 2]
        np.testing.assert_allclose(
            entry.excess_k[: len(coolest)] + entry.optimum_k, coolest[: len(entry.excess_k)]
        )
        rows = {tuple(features(situation, one).tolist()) for one in asked}
        assert {tuple(row) for row in entry.features.tolist()} <= rows


class Sour(Recorder):
    """A judge who finds that all targets are missed where the first application is on LITTLE."""

    def heats_k(self, situation: Situation, mappings: Mappings) -> NDArray[np.float64]:
        """A miss counts as heat."""
        return super().heats_k(situation, mappings) + MISS_K * (mappings.cluster[:, 0] == 0)


def test_mappings_that_miss_targets_which_others_meet_are_left_out() -> None:
    """The governor could not know; it is not for the network to learn."""
    situation, judge = drawn(HIKEY, PROFILES, np.random.default_rng(1)), Sour()
    entry = rated_list(HIKEY, judge, situation, OPTIONS, np.random.default_rng(0))
    assert entry is not None
    meets = [one for one in judge.asked if one[0][0] >= 4]
    assert 0 < len(meets) < len(judge.asked)
    rows = {tuple(features(situation, one).tolist()) for one in meets}
    assert {tuple(row) for row in entry.features.tolist()} <= rows


def test_a_list_holds_no_more_than_was_asked_for_and_each_mapping_is_looked_at_once(
    lists: list[Rated],
) -> None:
    """Whatever its cores are called."""
    for rated_ in lists:
        asked = rated_.asked
        assert len({unnamed(one) for one in asked}) == len(asked)
    assert max(len(rated_.entry.excess_k) for rated_ in lists) == OPTIONS.list_length


def shortfall_steps(situation: Situation, placement: Placement) -> int:
    """As the governor tells them apart."""
    cores = [core for (core,) in placement]
    described = describe(HIKEY, situation.demand, groups_of_cores(HIKEY, cores))
    return round(float(described.shortfall[0]) / SHORTFALL_STEP)


def test_the_oracles_mapping_and_the_present_one_are_in_where_they_may_be(
    lists: list[Rated],
) -> None:
    """Only mappings that meet the targets best, as far as the governor can tell."""
    held = 0
    for situation, best, asked, _, _ in lists:
        (least,) = {shortfall_steps(situation, placement) for placement in asked}
        for wanted in (best, tuple(app.cores for app in situation.wanted)):
            may_be = shortfall_steps(situation, wanted) <= least
            assert may_be == (unnamed(wanted) in {unnamed(placement) for placement in asked})
            held += may_be
    assert held > 10


def test_no_mapping_of_a_list_is_cooler_than_the_oracles(lists: list[Rated]) -> None:
    """Where all targets can be met; the oracle says how close it is to the truth."""
    search, compared = JointSearch(models=MODELS), 0
    for situation, _, _, _, entry in lists:
        solution = search.solve(situation.wanted)
        if solution.optimal and solution.shortfall == 0.0:
            assert entry.optimum_k >= solution.peak_c - search.tolerance_k - 0.02
            compared += 1
    assert compared > 3


def test_for_one_question_each_mapping_is_one_move_away() -> None:
    """The choices of TOP-IL, the present mapping among them."""
    situation, _, asked, _, _ = rated(3, replace(OPTIONS, question="one", list_length=60))
    present = tuple(app.cores for app in situation.wanted)
    for placement in asked:
        cores = [core for (core,) in placement]
        near = False
        for k in range(len(cores)):
            for core in range(HIKEY.core_count):
                other = (*present[:k], (core,), *present[k + 1 :])
                near |= unnamed(other) == unnamed(placement)
        assert near
    assert len(asked) > len(present)


def test_a_board_with_one_core_leaves_no_choice() -> None:
    """There is nothing to learn from it."""
    rng = np.random.default_rng(0)
    board = small_boards.board(rng, sizes=(1,))
    models = WhatIf(board, small_boards.COOLING)
    apps = small_boards.wanted(board, rng, count=2)
    situation = Situation(tuple(apps), true_demand(board, apps, stall_aware=True))
    for question in ("joint", "one"):
        options = JointOptions(question=question)
        assert rated_list(board, OracleJudge(models), situation, options, rng) is None


def test_the_dice_decide_which_mappings_are_looked_at() -> None:
    """The same dice give the same list, others look at other mappings."""
    situation, judge = drawn(HIKEY, PROFILES, np.random.default_rng(1)), Recorder()
    assert len(situation.wanted) > 3
    found = [
        rated_list(HIKEY, judge, situation, OPTIONS, np.random.default_rng(dice))
        for dice in (0, 0, 1)
    ]
    one, same, other = (entry.features.tolist() for entry in found if entry is not None)
    assert one == same
    assert sorted(one) != sorted(other)
