"""Tests of the sensor watch: what follows the board is believed, what does not is doubted soon."""

import math
from itertools import islice

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from platforms.platform import Observation
from rm.safety.sensor_watch import STUCK_FOR_S, SensorWatch
from tests.rm.readings import HIKEY, observation
from tests.rm.safety.boards import (
    BOARDS,
    frozen_from,
    random_run,
    step_run,
    with_temperatures,
)

FOUND_WITHIN_S = 20.0
"""From the change of the load to the doubt: 3 to 10 s until the sensor must have moved, and 10 s in
which it did not."""

SOON_S = 60.0


def at(time_s: float, temp_c: float, *, age_s: float = 0.0) -> Observation:
    """The HiKey 970 at rest, its sensor showing this."""
    return with_temperatures(observation(time_s=time_s), temp_c, age_s=age_s)


@settings(max_examples=30)
@given(st.integers(0, 9999))
def test_a_sensor_that_follows_the_board_is_never_doubted(seed: int) -> None:
    """Two minutes under blind decisions on a random board; noise, steps and lag included."""
    run = random_run(seed, seconds=120.0)
    board_name = sorted(BOARDS)[seed % len(BOARDS)]
    watch = SensorWatch(BOARDS[board_name])
    assert [] == [problem for seen in run if (problem := watch.problem(seen)) is not None]


@pytest.mark.slow
@pytest.mark.parametrize("first", range(0, 80, 40))
def test_nor_in_many_long_runs(first: int) -> None:
    """Five hours of simulated time in all."""
    for seed in range(first, first + 40):
        watch = SensorWatch(BOARDS[sorted(BOARDS)[seed % len(BOARDS)]])
        for seen in random_run(seed, seconds=240.0):
            assert watch.problem(seen) is None, f"seed {seed}, {seen.time_s:.2f} s"


@pytest.mark.parametrize("cooling", ["fan", "passive"])
@pytest.mark.parametrize("board", BOARDS.values(), ids=list(BOARDS))
@pytest.mark.parametrize("change", ["work comes", "clocks rise", "clocks fall", "half of it"])
def test_a_frozen_sensor_is_doubted_when_the_load_changes(
    board: object, cooling: str, change: str
) -> None:
    """Within 20 s, whichever way the board is cooled: no sensor shows less of a big change."""
    assert isinstance(board, type(HIKEY))
    low, high = board.lowest_opps, board.highest_opps
    before, after = {
        "work comes": ((0, high), (8, high)),
        "clocks rise": ((8, low), (8, high)),
        "clocks fall": ((8, high), (8, low)),
        "half of it": ((4, low), (4, high)),
    }[change]
    run = step_run(board, cooling=cooling, before=before, after=after, at_s=SOON_S, seconds=90.0)
    watch = SensorWatch(board)
    found_s = None
    for seen in frozen_from(run, SOON_S - 5.0, is_frozen=lambda name: True):
        problem = watch.problem(seen)
        assert problem is None or seen.time_s > SOON_S, problem
        if problem is not None:
            found_s = seen.time_s - SOON_S
            break
    assert found_s is not None
    assert found_s <= FOUND_WITHIN_S


def test_the_sensor_is_named_with_what_it_shows() -> None:
    """The reason goes into the log and to who asks for the status."""
    high = HIKEY.highest_opps
    run = step_run(HIKEY, before=(0, high), after=(8, high), at_s=20.0, seconds=40.0)
    watch = SensorWatch(HIKEY)
    problems = [watch.problem(seen) for seen in frozen_from(run, 15.0, is_frozen=lambda name: True)]
    found = next(filter(None, problems))
    assert found.startswith("sensor cls0 must follow the load (got 2")
    assert "must have moved by more than 3.0 K 10 s ago" in found


def test_a_frozen_sensor_is_doubted_where_the_very_same_readings_come_again() -> None:
    """As a board gives them while none of its sensors shows anything new."""
    high = HIKEY.highest_opps
    run = step_run(HIKEY, before=(0, high), after=(8, high), at_s=20.0, seconds=40.0)
    first = next(run)
    watch = SensorWatch(HIKEY)
    same = [replace(seen, temperatures=first.temperatures) for seen in run]
    doubted = [seen.time_s for seen in same if watch.problem(seen) is not None]
    assert 20.0 + STUCK_FOR_S < doubted[0] < 20.0 + FOUND_WITHIN_S


def test_one_frozen_sensor_of_many_is_told_apart() -> None:
    """The others are well, and are said to be."""
    board = BOARDS["rk3588"]
    high = board.highest_opps
    run = step_run(board, before=(0, high), after=(8, high), at_s=20.0, seconds=45.0)
    watch = SensorWatch(board)
    for seen in frozen_from(run, 15.0, is_frozen=lambda name: name == "bigcore2"):
        watch.problem(seen)
    assert ["bigcore2"] == list(watch.problems)


def test_a_frozen_sensor_is_believed_again_once_it_moves() -> None:
    """Someone plugged it in; whether it is to be trusted for long is not for the watch to say."""
    high = HIKEY.highest_opps
    run = step_run(HIKEY, before=(0, high), after=(8, high), at_s=20.0, seconds=60.0)
    watch = SensorWatch(HIKEY)
    frozen = frozen_from(run, 15.0, is_frozen=lambda name: True)
    last = next(seen for seen in frozen if watch.problem(seen) is not None)
    moved = with_temperatures(replace(last, time_s=last.time_s + 0.05), 40.0)
    assert watch.problem(moved) is None


def test_a_sensor_at_rest_is_believed_for_hours() -> None:
    """A coarse sensor on a board with a steady load shows one value for ever."""
    watch = SensorWatch(HIKEY)
    for number in range(20_000):
        assert watch.problem(at(0.5 * number, 45.0)) is None


def test_a_missing_reading_is_doubted() -> None:
    """The zone has gone, or was never read."""
    nothing = replace(observation(), temperatures=())
    assert SensorWatch(HIKEY).problem(nothing) == "sensor cls0 must have a reading (got none)"


def test_sensors_that_are_not_watched_may_be_missing() -> None:
    """A kernel may show fewer than the board has."""
    board = BOARDS["rk3588"]
    seen = observation(board=board)
    some = replace(seen, temperatures=seen.temperatures[:2])
    watch = SensorWatch(board, sensors=[r.sensor for r in some.temperatures])
    assert watch.problem(some) is None
    assert SensorWatch(board).problem(some) is not None


@pytest.mark.parametrize("temp_c", [math.nan, math.inf, -math.inf, -30.1, 130.1, -73.72, 1e9])
def test_an_absurd_reading_is_doubted_at_once(temp_c: float) -> None:
    """No running board has that temperature."""
    watch = SensorWatch(HIKEY)
    assert watch.problem(at(1.0, 45.0)) is None
    problem = watch.problem(at(1.05, temp_c))
    assert problem == f"sensor cls0 must lie in -30 ... 130 degC (got {temp_c:g})"
    assert watch.problem(at(1.1, 45.0)) is None


@pytest.mark.parametrize(("age_s", "doubted"), [(0.0, False), (5.0, False), (5.01, True)])
def test_a_stale_reading_is_doubted(age_s: float, doubted: bool) -> None:
    """Five seconds; NaN is no age."""
    assert doubted == (SensorWatch(HIKEY).problem(at(9.0, 45.0, age_s=age_s)) is not None)
    assert SensorWatch(HIKEY).problem(at(9.0, 45.0, age_s=math.nan)) is not None


def test_a_sensor_that_refreshes_slowly_is_stale_later() -> None:
    """After two of its periods."""
    slow = replace(HIKEY, sensors=(replace(HIKEY.sensors[0], period_s=10.0),))
    assert SensorWatch(slow).problem(at(60.0, 45.0, age_s=19.0)) is None
    assert SensorWatch(slow).problem(at(60.0, 45.0, age_s=21.0)) is not None


@pytest.mark.parametrize(("to_c", "doubted"), [(59.9, False), (66.0, True), (9.0, True)])
def test_a_jump_beyond_what_the_board_can_do_is_doubted(to_c: float, doubted: bool) -> None:
    """Within 50 ms, from 45 degC: at most 15 K for what the description leaves out, and 1 K."""
    watch = SensorWatch(HIKEY)
    watch.problem(at(1.0, 45.0))
    problem = watch.problem(at(1.05, to_c))
    assert doubted == (problem is not None)
    if problem is not None:
        assert "sensor cls0 must not jump by more than 16 K in 0.05 s (got 45 degC, then" in problem


def test_a_jump_counts_from_the_last_of_the_very_same_readings() -> None:
    """Those are not looked at one by one, but they were there."""
    watch, first = SensorWatch(HIKEY), at(1.0, 45.0)
    for period in range(1, 60):
        assert watch.problem(replace(first, time_s=1.0 + 0.05 * period)) is None
    problem = watch.problem(at(1.05 + 0.05 * period, 80.0))
    assert problem is not None
    assert "in 0.05 s (got 45 degC, then 80)" in problem


def test_after_a_jump_the_doubt_lasts_ten_seconds() -> None:
    """What fell over once may do so again."""
    watch = SensorWatch(HIKEY)
    watch.problem(at(1.0, 45.0))
    doubted = [watch.problem(at(1.05 + 0.5 * n, 100.0)) is not None for n in range(24)]
    assert [True] * 20 + [False] * 4 == doubted


def test_after_a_long_gap_any_plausible_value_is_believed() -> None:
    """The machine slept, or the daemon was stopped: the board had the time to change."""
    watch = SensorWatch(HIKEY)
    watch.problem(at(1.0, 90.0))
    assert watch.problem(at(600.0, 25.0)) is None


def test_a_clock_that_stands_or_goes_back_is_survived() -> None:
    """Monotonic clocks do not, but nothing may break."""
    watch = SensorWatch(HIKEY)
    for time_s in (5.0, 5.0, 4.0, 4.5, 20.0, 20.0):
        assert watch.problem(at(time_s, 45.0)) is None


def test_memory_does_not_grow() -> None:
    """Only the last seconds are kept."""
    watch = SensorWatch(HIKEY)
    for seen in islice(random_run(3, seconds=120.0, board=HIKEY), 2000):
        watch.problem(seen)
    assert len(watch._past) <= 31
