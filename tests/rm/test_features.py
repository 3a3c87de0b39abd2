"""Tests of TOP-IL's features: one table for every board, and rows that agree with it."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from platforms.board_file import load_board, shipped_boards
from rm.features import HIGHEST_RATIO, row, rows, table
from tests.rm.readings import HIKEY, observation, reading

NAMES = [
    "aoi_rate_ips",
    "aoi_l2d_per_s",
    *(f"aoi_on_core{core}" for core in range(8)),
    "aoi_target_ips",
    "others_freq_ratio_little",
    "others_freq_ratio_big",
    *(f"utilisation_core{core}" for core in range(8)),
]
AT = {name: index for index, name in enumerate(NAMES)}


def _row(which: int, *applications: object, **fields: object) -> dict[str, float]:
    """The features of one of these applications, by name."""
    seen = observation(*applications, **fields)  # type: ignore[arg-type]
    (values,) = rows(HIKEY, seen, [seen.applications[which]]).tolist()
    return dict(zip(NAMES, values, strict=True))


def test_the_hikey_970_has_the_21_features_of_the_paper_in_their_order() -> None:
    """The policy file carries this table; another order is another policy."""
    features = table(HIKEY)
    assert 21 == len(features)
    assert NAMES == [feature.name for feature in features]
    assert list(range(21)) == [feature.index for feature in features]


@pytest.mark.parametrize("name", shipped_boards())
def test_rows_are_as_long_as_the_boards_table(name: str) -> None:
    """3 + 2 x cores + clusters, whatever the board."""
    board = load_board(name)
    width = 3 + 2 * board.core_count + len(board.clusters)
    last = board.core_count - 1
    seen = observation(reading(0, cores=(0,)), reading(1, cores=(last,)), board=board)
    assert width == len(table(board))
    assert (2, width) == rows(board, seen, seen.applications).shape
    one = row(
        rate_ips=1.0,
        l2d_per_s=1.0,
        cores=(0,),
        target_ips=1.0,
        others_freq_ratio=[0.0] * len(board.clusters),
        utilisation=[0.0] * board.core_count,
    )
    assert width == len(one)


@pytest.mark.parametrize("name", shipped_boards())
def test_a_batch_of_no_application_has_the_boards_width_too(name: str) -> None:
    """A back end checks the shape before it looks for work."""
    board = load_board(name)
    assert (0, len(table(board))) == rows(board, observation(board=board), ()).shape


@pytest.mark.parametrize("name", shipped_boards())
def test_every_feature_has_a_unit_and_a_range(name: str) -> None:
    """What trains and what runs scale by it."""
    features = table(load_board(name))
    assert len({feature.name for feature in features}) == len(features)
    for feature in features:
        assert feature.unit
        assert 0.0 == feature.low < feature.high


def test_every_value_stands_where_the_table_says() -> None:
    """Rate, L2D accesses, core, target, utilisation."""
    aoi = reading(0, cores=(5,), rate_ips=1.5e9, l2d_per_s=2e7, target_ips=1.25e9)
    found = _row(0, aoi, utilisation=(0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7))
    assert found["aoi_rate_ips"] == pytest.approx(1.5e9)
    assert found["aoi_l2d_per_s"] == pytest.approx(2e7)
    assert found["aoi_target_ips"] == pytest.approx(1.25e9)
    assert [0, 0, 0, 0, 0, 1, 0, 0] == [found[f"aoi_on_core{core}"] for core in range(8)]
    shown = [found[f"utilisation_core{core}"] for core in range(8)]
    assert [0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7] == pytest.approx(shown)


def test_several_threads_are_on_all_their_cores() -> None:
    """They may run on any of them."""
    found = _row(0, reading(0, cores=(0, 1, 2, 3), threads=2))
    assert [1] * 4 + [0] * 4 == [found[f"aoi_on_core{core}"] for core in range(8)]


def test_the_demands_of_others_leave_the_application_itself_out() -> None:
    """How low could the clusters go if it went elsewhere?"""
    found = _row(
        0,
        reading(0, cores=(4,), rate_ips=1e9, target_ips=3.5e9),
        reading(1, cores=(5,), rate_ips=1e9, target_ips=0.5e9),
        reading(2, cores=(6,), rate_ips=1e9, target_ips=0.7e9),
        reading(3, cores=(0,), rate_ips=1e9, target_ips=1.2e9),
        opp_index=(3, 3),
    )
    assert found["others_freq_ratio_big"] == pytest.approx(0.7)
    assert found["others_freq_ratio_little"] == pytest.approx(1.2)


def test_who_is_alone_sees_no_demand_of_others() -> None:
    """Zero, not its own."""
    found = _row(0, reading(0, rate_ips=1e9, target_ips=3e9))
    assert 0.0 == found["others_freq_ratio_little"] == found["others_freq_ratio_big"]


def test_an_infinite_demand_is_cut() -> None:
    """Who stands still demands infinity; a network needs a number."""
    found = _row(0, reading(0), reading(1, cores=(0,), rate_ips=0.0))
    assert HIGHEST_RATIO == found["others_freq_ratio_little"]


APPLICATIONS = st.lists(
    st.builds(
        lambda core, rate_ips, target_ips: (core, rate_ips, target_ips),
        st.integers(0, 7),
        st.floats(0.0, 5e9),
        st.floats(1e6, 5e9),
    ),
    min_size=1,
    max_size=8,
)


@given(APPLICATIONS, st.tuples(st.integers(0, 6), st.integers(0, 8)))
def test_the_batch_has_one_row_for_every_application_and_all_are_finite(
    apps: list[tuple[int, float, float]], opps: tuple[int, int]
) -> None:
    """In the order that was asked for, within the table's ranges."""
    readings = [
        reading(number, cores=(core,), rate_ips=rate_ips, target_ips=target_ips)
        for number, (core, rate_ips, target_ips) in enumerate(apps)
    ]
    seen = observation(*readings, opp_index=opps)
    batch = rows(HIKEY, seen, seen.applications)
    assert (len(apps), 21) == batch.shape
    assert np.float32 == batch.dtype
    for feature in table(HIKEY):
        assert (batch[:, feature.index] >= feature.low).all()
        assert (batch[:, feature.index] <= np.float32(feature.high)).all()
    assert [app.target_ips for app in readings] == pytest.approx(
        batch[:, AT["aoi_target_ips"]].tolist()
    )


@given(APPLICATIONS)
def test_a_row_does_not_depend_on_who_else_is_asked_for(
    apps: list[tuple[int, float, float]],
) -> None:
    """One batch of all, or a batch of one: the same numbers."""
    readings = [
        reading(number, cores=(core,), rate_ips=rate_ips, target_ips=target_ips)
        for number, (core, rate_ips, target_ips) in enumerate(apps)
    ]
    seen = observation(*readings)
    together = rows(HIKEY, seen, readings)
    alone = np.concatenate([rows(HIKEY, seen, [app]) for app in readings])
    np.testing.assert_array_equal(together, alone)
