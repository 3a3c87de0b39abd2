"""Tests of the mappings that the network is asked about."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from platforms.board_file import load_board
from rm.mapping.proposals import proposals
from rm.mapping.rows import describe
from rm.mapping.seatings import MOST_APPLICATIONS
from tests.rm.mapping.demands import BOARDS, groups, random_demand, seeds, somewhere
from tests.rm.readings import HIKEY

ALL = BOARDS | {"rk3588": load_board("rk3588")}


@settings(max_examples=60)
@given(seeds(), st.sampled_from(sorted(ALL)), st.integers(1, 10), st.integers(0, 1))
def test_the_present_mapping_comes_first_and_all_others_meet_the_targets(
    rng: np.random.Generator, name: str, count: int, lowest: int
) -> None:
    """On cores that there are; with three clusters what stays as it is may miss some."""
    board = ALL[name]
    bound = [lowest] * len(board.clusters)
    asked = random_demand(board, rng, count, heaviest=0.6, lowest_opp=bound)
    around = somewhere(board, rng, count)
    found = proposals(board, asked, around)
    np.testing.assert_array_equal(around.cluster, found.cluster[:1])
    np.testing.assert_array_equal(around.group, found.group[:1])
    for at in range(len(found)):
        for x, group in groups(found, at):
            assert group < len(board.clusters[x].cores)
    if len(board.clusters) == 2:
        assert not describe(board, asked, found).shortfall[1:].any()


@given(seeds(), st.integers(1, 8))
def test_with_two_clusters_they_lead_everywhere_at_once(
    rng: np.random.Generator, count: int
) -> None:
    """The points and cores asked for are the same wherever one starts."""
    asked = random_demand(HIKEY, rng, count, heaviest=0.6)
    starts = [somewhere(HIKEY, rng, count) for _ in range(2)]
    cells = []
    for start in starts:
        found = proposals(HIKEY, asked, start)
        opps = describe(HIKEY, asked, found).opp_index.tolist()
        used = [
            [len({g for x, g in groups(found, at) if x == c}) for c in (0, 1)]
            for at in range(len(found))
        ]
        cells.append(sorted(zip(used[1:], opps[1:], strict=True)))
    assert cells[0] == cells[1]


def test_of_more_than_can_be_chosen_from_there_is_the_present_mapping_alone() -> None:
    """Who asks has to look elsewhere."""
    rng = np.random.default_rng(0)
    for count, expected in ((MOST_APPLICATIONS, True), (MOST_APPLICATIONS + 1, False)):
        asked = random_demand(HIKEY, rng, count, lightest=0.02, heaviest=0.03)
        assert expected == (len(proposals(HIKEY, asked, somewhere(HIKEY, rng, count))) > 1)
