"""Tests of the heat observer on the simulated board, whose true temperatures it never sees."""

from collections.abc import Iterator
from copy import deepcopy

import numpy as np
import pytest
from msgspec.structs import replace

from platforms.platform import Decision, Observation, TemperatureReading
from platforms.simulated.simulated_board import SimulatedBoard
from rm.training.heat_filters import ACTIVITY, HeatFilters
from rm.training.heat_observer import REMEMBERED_S, HeatObserver
from tests.platforms.programs import COMPUTE, HIKEY, MEMORY, job

FIRST_S = 30.0
"""Before that the filters still look for the level."""


def loaded(cooling: str, *, start_temp_c: float | None = None, seed: int = 0) -> SimulatedBoard:
    """Four programs on big cores, two on LITTLE ones, of different activities, for 300 s."""
    programs = [COMPUTE, MEMORY, COMPUTE, MEMORY, COMPUTE, MEMORY]
    jobs = [
        job(number, profile, cores=(core,))
        for number, (profile, core) in enumerate(zip(programs, (4, 5, 6, 7, 0, 1), strict=True))
    ]
    return SimulatedBoard(
        HIKEY,
        cooling=HIKEY.cooling_named(cooling),
        rng=np.random.default_rng(seed),
        jobs=jobs,
        start_temp_c=start_temp_c,
        run_s=300.0,
    )


class Watched:
    """What the observer said of a board that runs, set against the truth."""

    def __init__(self, simulated: SimulatedBoard, *, until_s: float = 120.0) -> None:
        """The board changes its clocks every 7 s, as governors do."""
        self.observer = HeatObserver(HIKEY)
        self.errors_k: list[np.ndarray] = []
        self.said: list[tuple[float, str]] = []
        opps = [(3, 3), (6, 5), (1, 2), (6, 4)]
        for number in range(1, round(until_s / 0.05) + 1):
            simulated.advance_to(number * 0.05)
            self.observer.update(simulated.observe())
            if number % 140 == 1:
                simulated.apply(Decision((), opps[number // 140 % len(opps)]))
            field = self.observer.temperatures_c
            if field is not None and number * 0.05 >= FIRST_S:
                self.errors_k.append(field - simulated.temperatures_c)
                self.said.append((number * 0.05, self.observer.cooling.name))

    @property
    def error_of_cores_k(self) -> float:
        """Root mean square over all cores, after the first seconds."""
        return float(np.sqrt((np.array(self.errors_k)[:, :8] ** 2).mean()))

    @property
    def worst_of_cores_k(self) -> float:
        """The largest error of any core, after the first seconds."""
        return float(np.abs(np.array(self.errors_k)[:, :8]).max())


@pytest.mark.parametrize("cooling", ["fan", "passive"])
@pytest.mark.parametrize("start_temp_c", [None, 55.0])
def test_all_cores_are_known_within_a_kelvin_and_a_half(
    cooling: str, start_temp_c: float | None
) -> None:
    """From one sensor that shows the mean of the big ones, whatever the board starts at."""
    watched = Watched(loaded(cooling, start_temp_c=start_temp_c))
    assert watched.error_of_cores_k < 0.6
    assert watched.worst_of_cores_k < 1.5


@pytest.mark.parametrize("cooling", ["fan", "passive", "heatsink", "fan-hot", "fan-cold"])
def test_the_cooling_in_force_is_mostly_found(cooling: str) -> None:
    """Of six that differ in how well they cool or in the air's temperature.

    At times two of them cannot be told apart: measured were 87 % to all of the readings.
    """
    watched = Watched(loaded(cooling), until_s=200.0)
    late = [name for time_s, name in watched.said if time_s >= 80.0]
    assert late.count(cooling) > 0.8 * len(late)


def test_a_fan_that_fails_is_noticed_within_a_minute() -> None:
    """It does after 150 s, and the errors before that are forgotten.

    Passive cooling in a warm room is hard to tell from a cool one then, but no fan is seen.
    """
    watched = Watched(loaded("fan-fails"), until_s=240.0)
    before = [name for time_s, name in watched.said if 80.0 <= time_s < 150.0]
    assert before.count("fan") > 0.9 * len(before)
    after = {name for time_s, name in watched.said if time_s >= 200.0}
    assert {"passive", "passive-35"} >= after
    assert watched.worst_of_cores_k < 1.5


def test_what_programs_switch_is_learnt() -> None:
    """Between the 0.8 of those that compute and the 0.3 of those that wait for memory."""
    activity = Watched(loaded("fan")).observer.activity
    assert 0.3 < activity < 0.7
    assert activity < ACTIVITY - 0.1


def test_what_training_switches_is_not_taken_for_the_applications() -> None:
    """A core that is said to train at 0.3 leaves all other heat to the others."""
    simulated = loaded("fan")
    with_training, without = HeatObserver(HIKEY), HeatObserver(HIKEY)
    simulated.apply(Decision((), (6, 6)))
    for number in range(1, 800):
        simulated.advance_to(number * 0.05)
        seen = simulated.observe()
        with_training.update(seen, {4: 0.3})
        without.update(seen)
    assert with_training.activity > without.activity + 0.05


def _cold(time_s: float, *readings: TemperatureReading) -> Observation:
    return Observation(time_s, 0.05, (), (0, 0), (6, 8), (0.0,) * 8, readings)


def test_nothing_is_claimed_before_the_first_reading() -> None:
    """There is no field, and all setups are equally likely."""
    observer = HeatObserver(HIKEY)
    observer.update(_cold(0.05))
    assert observer.temperatures_c is None
    assert ACTIVITY == observer.activity
    assert pytest.approx(1 / len(observer.setups)) == observer.share


def test_a_reading_that_cannot_be_is_passed_over() -> None:
    """A broken sensor is the failsafe's business."""
    observer = HeatObserver(HIKEY)
    for number in range(1, 100):
        temp_c = 30.0 if number < 50 else float("nan")
        seen = _cold(float(number), TemperatureReading("cls0", temp_c, 0.0))
        observer.update(seen)
    field = observer.temperatures_c
    assert field is not None
    assert np.isfinite(field).all()


def test_the_same_reading_again_is_not_counted_twice() -> None:
    """A sensor shows its last sample until the next."""
    once, often = HeatObserver(HIKEY), HeatObserver(HIKEY)
    for number in range(1, 10):
        reading = TemperatureReading("cls0", 30.0 + number, 0.0)
        once.update(_cold(float(number), reading))
        often.update(_cold(float(number), reading))
        often.update(_cold(number + 0.5, replace(reading, age_s=0.5)))
    assert pytest.approx(once.shares, abs=1e-6) == often.shares


def _rounds(cooling: str, until_s: float) -> Iterator[tuple[Observation, np.ndarray]]:
    """What a daemon without jobs hears of the loaded board, with the true temperatures.

    A round in half a second, while clocks change every 7 s.
    """
    simulated = loaded(cooling)
    opps = [(3, 3), (6, 5), (1, 2), (6, 4)]
    for number in range(1, round(until_s / 0.5) + 1):
        simulated.advance_to(number * 0.5 - 0.05)
        simulated.observe()
        simulated.advance_to(number * 0.5)
        yield simulated.observe(), simulated.temperatures_c
        if number % 14 == 1:
            simulated.apply(Decision((), opps[number // 14 % len(opps)]))


def test_who_asks_soon_is_told_the_same_as_if_rounds_had_been_worked_off_at_once() -> None:
    """To the last bit, and again after more rounds."""
    at_once, later = HeatFilters(HIKEY), HeatObserver(HIKEY)
    for number, (seen, _) in enumerate(_rounds("fan", REMEMBERED_S)):
        at_once.update(seen)
        later.remember(seen)
        if number in (100, 239):
            assert np.array_equal(at_once.temperatures_c, later.temperatures_c)  # type: ignore[arg-type]
            assert np.array_equal(at_once.shares, later.shares)
            assert (at_once.activity, at_once.bias_k) == (later.activity, later.bias_k)


def test_rounds_are_worked_off_by_and_by_once_somebody_trains() -> None:
    """Whoever asks before that is done is told the same."""
    at_once, later = HeatFilters(HIKEY), HeatObserver(HIKEY)
    for number, (seen, _) in enumerate(_rounds("fan", 60.0)):
        if number < 100:
            at_once.update(seen)
            later.remember(seen)
        else:
            at_once.update(seen, {4: 0.3})
            later.update(seen, {4: 0.3})
        if number in (100, 102, 119):
            asked = deepcopy(later)
            assert np.array_equal(at_once.temperatures_c, asked.temperatures_c)  # type: ignore[arg-type]


def test_a_round_with_a_job_works_off_only_so_many(monkeypatch: pytest.MonkeyPatch) -> None:
    """The loops go on meanwhile, and after a while all is worked off."""
    work, worked = HeatFilters.update, []

    def update(self: HeatFilters, seen: Observation, *args: object, **more: object) -> None:
        worked.append(seen.time_s)
        work(self, seen, *args, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(HeatFilters, "update", update)
    observer, done = HeatObserver(HIKEY), []
    for number in range(100):
        observer.remember(_cold(0.5 * number))
    for number in range(10):
        observer.update(_cold(50.0 + 0.05 * number))
        done.append(len(worked))
    assert [16, 32, 48, 64, 80, 96, 107, 108, 109, 110] == done
    assert sorted(worked) == worked


def test_who_asks_late_is_told_as_well_as_if_nothing_had_been_forgotten() -> None:
    """Whatever the cooling and whenever a job comes.

    Measured over 380 arrivals with seven coolings and other programs: all cores within 0.21 K of
    the truth (root mean square) either way, and within 0.05 K of each other, 0.4 K at worst; the
    cooling in force found in 94 % of the cases either way.
    """
    found = []
    for cooling in ("fan", "passive", "heatsink", "fan-hot", "passive-35"):
        at_once, later = HeatFilters(HIKEY), HeatObserver(HIKEY)
        for seen, truth_c in _rounds(cooling, 300.0):
            at_once.update(seen)
            later.remember(seen)
            if seen.time_s > REMEMBERED_S and seen.time_s % 10.0 == 0.0:
                asked = deepcopy(later)
                told_c, expected_c = asked.temperatures_c, at_once.temperatures_c
                assert told_c is not None
                assert expected_c is not None
                assert np.abs(told_c - expected_c)[:8].max() < 0.4
                assert np.abs(told_c - truth_c)[:8].max() < 0.8
                found.append(asked.cooling.name == cooling)
    assert found.count(True) > 0.8 * len(found)


def test_what_is_older_than_that_has_no_say() -> None:
    """Who heard of it and who did not are told the same."""
    hot, cold = HeatObserver(HIKEY), HeatObserver(HIKEY)
    hot.remember(_cold(1.0, TemperatureReading("cls0", 80.0, 0.0)))
    for number in range(10):
        seen = _cold(500.0 + number, TemperatureReading("cls0", 30.0, 0.0))
        hot.remember(seen)
        cold.remember(seen)
    assert np.array_equal(hot.temperatures_c, cold.temperatures_c)  # type: ignore[arg-type]


def test_setups_that_cool_alike_are_followed_once() -> None:
    """A fan that is about to fail is a fan."""
    names = [setup.name for setup in HeatObserver(HIKEY).setups]
    assert "fan" in names
    assert "fan-fails" not in names
