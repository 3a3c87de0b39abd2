"""Tests of what an agent sees: the table, its ranges, the slots; and that nothing else gets in."""

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from msgspec.structs import replace

from platforms.application import ApplicationProfile
from platforms.application_file import find_applications
from platforms.board import Board
from platforms.board_file import load_board, shipped_boards
from platforms.observation_check import observation_problems
from platforms.platform import ApplicationReading, TemperatureReading
from rm.features import table as features_of_topil
from tests.rm.readings import HIKEY, observation, reading
from training.environment.observations import (
    HIGHEST_IPC,
    HIGHEST_L2D_PER_INSTRUCTION,
    Encoder,
    board_rows,
    slot_rows,
    table,
)
from training.environment.slots import Slots

SLOTS = 3
RATES = st.floats(0.0, 1e11)


@st.composite
def applications(draw: st.DrawFn) -> list[ApplicationReading]:
    """Up to two more applications than there are slots, anywhere, as fast as may be."""
    count = draw(st.integers(0, SLOTS + 2))
    return [
        reading(
            number,
            cores=(draw(st.integers(0, 7)),),
            rate_ips=draw(RATES),
            target_ips=draw(st.floats(1e3, 1e11)),
            l2d_per_s=draw(RATES),
        )
        for number in range(count)
    ]


def value_of(name: str, vector: np.ndarray, board: Board = HIKEY) -> float:
    """A number of a vector by its name, in its unit."""
    features = {feature.name: feature for feature in table(board, SLOTS)}
    feature = features[name]
    return feature.low + float(vector[feature.index]) * (feature.high - feature.low)


def seen(*running: ApplicationReading, board: Board = HIKEY, **shown: object) -> np.ndarray:
    """What an agent sees of a board with these applications."""
    now = observation(*running, board=board, **shown)  # type: ignore[arg-type]
    return Encoder(board, SLOTS).encode(now, Slots(SLOTS).seat(running))


@given(applications(), st.floats(-300.0, 1000.0), st.floats(0.0, 1e6))
@example([reading(rate_ips=2e-308, l2d_per_s=1.0)], 45.0, 0.5)
def test_whatever_is_read_the_vector_lies_between_0_and_1(
    running: list[ApplicationReading], temp_c: float, age_s: float
) -> None:
    """An agent must not be thrown off by a reading that nobody thought of."""
    hot = (TemperatureReading("cls0", temp_c, age_s),)
    now = replace(observation(*running), temperatures=hot)
    assert not list(observation_problems(HIKEY, now))
    vector = Encoder(HIKEY, SLOTS).encode(now, Slots(SLOTS).seat(running))
    assert np.float32 == vector.dtype
    assert (len(table(HIKEY, SLOTS)),) == vector.shape
    assert np.all((0.0 <= vector) & (vector <= 1.0))


@given(applications())
def test_every_number_within_its_range_can_be_read_back(running: list[ApplicationReading]) -> None:
    """The table says what the numbers mean: undoing it gives the readings."""
    encoder = Encoder(HIKEY, SLOTS)
    slotted = Slots(SLOTS).seat(running)
    vector = encoder.encode(observation(*running), slotted)
    readings = encoder.readings(observation(*running), slotted)
    for feature, read in zip(encoder.features, readings, strict=True):
        if feature.low <= read <= feature.high:
            width = feature.high - feature.low
            back = feature.low + float(vector[feature.index]) * width
            assert back == pytest.approx(read, abs=1e-6 * width), feature.name


@pytest.mark.parametrize("name", shipped_boards())
def test_the_table_is_of_any_board(name: str) -> None:
    """Indices without a gap, names of their own, ranges that are none of nothing."""
    board = load_board(name)
    features = table(board, SLOTS)
    assert list(range(len(features))) == [feature.index for feature in features]
    assert len(features) == len({feature.name for feature in features})
    assert all(feature.low < feature.high for feature in features)
    assert len(features) == len(board_rows(board, SLOTS)) + SLOTS * len(slot_rows(board))
    assert len(features) == len(seen(board=board))


def test_each_reading_is_at_the_place_that_the_table_names() -> None:
    """One of everything, each of another value."""
    first = reading(7, cores=(2,), rate_ips=0.6e9, target_ips=0.8e9, l2d_per_s=1.2e7)
    second = reading(8, cores=(4, 5, 6, 7), threads=4)
    vector = seen(first, second, opp_index=(1, 3), opp_cap=(2, 5), utilisation=[0.1] * 7 + [0.9])
    expected = {
        "freq_hz_little": 1018e6,
        "freq_hz_big": 1364e6,
        "freq_cap_hz_little": 1210e6,
        "freq_cap_hz_big": 1652e6,
        "utilisation_core0": 0.1,
        "utilisation_core7": 0.9,
        "temp_c_cls0": 45.0,
        "age_s_cls0": 0.5,
        "waiting_applications": 0.0,
        "app0_present": 1.0,
        "app0_rate_per_target": 0.75,
        "app0_target_ips": 0.8e9,
        "app0_l2d_per_instruction": 0.02,
        "app0_threads": 1.0,
        "app0_on_core2": 1.0,
        "app0_on_core3": 0.0,
        "app1_threads": 4.0,
        "app1_on_core3": 0.0,
        "app1_on_core4": 1.0,
        "app1_on_core7": 1.0,
        "app2_present": 0.0,
    }
    found = {name: value_of(name, vector) for name in expected}
    assert found == pytest.approx(expected, rel=1e-6)


def test_an_application_that_stands_still_has_no_accesses_per_instruction() -> None:
    """Nothing is divided by nothing."""
    assert 0.0 == value_of("app0_l2d_per_instruction", seen(reading(rate_ips=0.0)))


def test_an_empty_slot_is_all_zeros() -> None:
    """Whatever stood there before."""
    block = len(slot_rows(HIKEY))
    assert not seen(reading(0))[-2 * block :].any()


@pytest.mark.parametrize("name", shipped_boards())
@pytest.mark.parametrize("suite", ["parsec", "cbench"])
def test_what_the_shipped_applications_do_is_not_cut(name: str, suite: str) -> None:
    """A range that cuts ordinary values would hide them."""
    board = load_board(name)
    top_hz = max(cluster.freqs_hz[-1] for cluster in board.clusters)
    for profile in find_applications([suite]):
        assert profile.l2d_per_instruction < HIGHEST_L2D_PER_INSTRUCTION, profile.name
        assert fastest_ips(board, profile) < HIGHEST_IPC * top_hz, profile.name


def fastest_ips(board: Board, profile: ApplicationProfile) -> float:
    """The best rate of a program alone on a board."""
    return max(profile.ips(cluster, cluster.freqs_hz[-1]) for cluster in board.clusters)


def test_what_topil_sees_of_a_board_an_agent_sees_as_well() -> None:
    """Rates, accesses, places, targets and utilisation; what others demand follows from them."""
    names = {feature.name for feature in table(HIKEY, 1)}
    assert {f.name for f in features_of_topil(HIKEY) if f.name.startswith("utilisation_")} <= names
    assert {f"app0_on_{core}" for core in HIKEY.core_names} <= names


def ids(slotted: tuple[ApplicationReading | None, ...]) -> list[int | None]:
    """Who sits where."""
    return [None if app is None else app.id for app in slotted]


def test_an_application_keeps_its_slot_while_others_come_and_go() -> None:
    """An agent could not learn who it moves if the slots changed under it."""
    slots = Slots(SLOTS)
    one, two, three, four = (reading(number) for number in range(1, 5))
    assert [1, 2, None] == ids(slots.seat([one, two]))
    assert [None, 2, None] == ids(slots.seat([two]))
    assert [3, 2, None] == ids(slots.seat([two, three]))
    assert [3, 2, 4] == ids(slots.seat([two, three, four]))


def test_who_finds_no_slot_waits_for_the_next_that_is_free() -> None:
    """In the order in which they came, and counted meanwhile."""
    slots = Slots(1)
    one, two, three = (reading(number) for number in (1, 2, 3))
    encoder = Encoder(HIKEY, 1)
    seated = slots.seat([one, two, three])
    assert [1] == ids(seated)
    waiting = [f.index for f in encoder.features if f.name == "waiting_applications"]
    assert 2.0 == encoder.readings(observation(one, two, three), seated)[waiting[0]]
    assert [2] == ids(slots.seat([two, three]))
    assert [3] == ids(slots.seat([three]))


@given(st.lists(st.sets(st.integers(0, 9)), max_size=12))
def test_nobody_has_two_slots_and_nobody_loses_one(crowds: list[set[int]]) -> None:
    """Whoever comes and goes in whatever order; no slot stays empty while somebody waits."""
    slots = Slots(SLOTS)
    before: list[int | None] = [None] * SLOTS
    for crowd in crowds:
        after = ids(slots.seat([reading(number) for number in sorted(crowd)]))
        taken = [number for number in after if number is not None]
        assert len(taken) == len(set(taken)) == min(SLOTS, len(crowd))
        assert set(taken) <= crowd
        for slot, number in enumerate(before):
            assert number not in crowd or number is None or after[slot] == number
        before = after
