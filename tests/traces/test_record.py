"""Tests of recording one scenario, on a platform that is no simulated board.

What is written down must come from what any `Platform` shows.
"""

from collections.abc import Callable, Sequence

import msgspec
import numpy as np
import pytest
from msgspec import Struct

from platforms.application_file import shipped_applications
from platforms.board import Board
from platforms.board_file import load_board
from platforms.errors import ThermalLimit
from platforms.platform import ApplicationReading, Decision, Observation, TemperatureReading
from traces.experiment import open_simulated
from traces.experiment_protocol import RunSpoiled
from traces.plan import Conduct, Plan, PlannedScenario, opp_grid
from traces.record import Row, RunPlace, merged, record_scenario

BOARD = load_board("hikey970")
PERIOD_S = BOARD.sensors[0].period_s
SCENARIO = PlannedScenario(3, "adi", ("lu", "syr2k"), (1, 6), 0)


def plan(window_s: float = 4.0) -> Plan:
    """Four points for one scenario."""
    return Plan(
        board=BOARD.name,
        board_sha256="ab",
        applications_sha256="cd",
        cooling="fan",
        seed=0,
        window_s=window_s,
        variation=0.0,
        diversity=0.2,
        grid=opp_grid(BOARD, 2),
        scenarios=(SCENARIO,),
    )


class Applied(Struct, frozen=True):
    """A decision, and when it came."""

    time_s: float
    core: int
    opps: tuple[int, ...]


class ToyBoard:
    """Platform, clock and experiment in one: figures that are easily predicted.

    The application of interest runs at ``1e9 + core``, its speed alternating by 1 % from one
    observation to the next; the sensor shows the core's number and the time since the decision.
    """

    def __init__(self) -> None:
        self.time_s = 100.0
        self.applied: list[Applied] = []
        self.caps: Callable[[float], tuple[int, ...] | None] = lambda since_s: None
        self.limit_at_s: float | None = None
        self.settled = 0
        self._seen_s = 0.0
        self._observed = 0

    @property
    def board(self) -> Board:
        """The reference board."""
        return BOARD

    @property
    def platform(self) -> "ToyBoard":
        """Itself."""
        return self

    @property
    def clock(self) -> "ToyBoard":
        """Itself."""
        return self

    def now_s(self) -> float:
        """The time."""
        return self.time_s

    def sleep_until(self, time_s: float) -> None:
        """Jump there, or to where it grows too hot."""
        began_s = self.applied[-1].time_s
        if self.limit_at_s is not None and time_s - began_s > self.limit_at_s:
            self.time_s = began_s + self.limit_at_s
            raise ThermalLimit("too hot")
        self.time_s = time_s

    def settle(self, settle_s: float | None) -> None:
        """Wait three seconds."""
        assert settle_s is None
        self.settled += 1
        self.time_s += 3.0

    def set(self, core: int, opps: tuple[int, ...]) -> None:
        """Note it."""
        self.applied.append(Applied(self.time_s, core, opps))

    def apply(self, decision: Decision) -> None:
        """Nobody decides but by `set`."""
        raise AssertionError

    def clocks(self, opps: tuple[int, ...]) -> None:
        """Nobody asks for a start temperature."""
        raise AssertionError

    def pause(self, paused: bool) -> None:
        """Nor for a pause."""
        raise AssertionError

    def check(self, seen: Sequence[Observation]) -> None:
        """Its programs never fail."""

    def observe(self) -> Observation:
        """Three applications, not in the order of their ids."""
        last = self.applied[-1]
        since_s = self.time_s - last.time_s
        self._observed += 1
        uneven = 1.01 if self._observed % 2 else 0.99
        window_s, self._seen_s = self.time_s - self._seen_s, self.time_s
        apps = [
            ApplicationReading(2, "syr2k", 1.0, 2e9, 2e6, (6,), 1),
            ApplicationReading(0, "adi", 1.0, uneven * (1e9 + last.core), 5e6, (last.core,), 1),
            ApplicationReading(1, "lu", 1.0, 1e9, 1e6, (1,), 1),
        ]
        busy = [0.9 if core in (1, 6, last.core) else 0.1 * uneven for core in range(8)]
        caps = self.caps(since_s)
        opps = last.opps
        if caps is not None:
            opps = tuple(min(pair) for pair in zip(opps, caps, strict=True))
        temp_c = 40.0 + last.core + since_s
        return Observation(
            self.time_s,
            window_s,
            tuple(apps),
            opps,
            caps or BOARD.highest_opps,
            tuple(busy),
            (TemperatureReading("cls0", temp_c, 0.0), TemperatureReading("other", 99.0, 0.0)),
        )


def recorded(toy: ToyBoard, window_s: float = 4.0) -> list[Row]:
    """The rows of the scenario on a toy."""
    asked: list[PlannedScenario] = []

    def open_(scenario: PlannedScenario) -> ToyBoard:
        asked.append(scenario)
        return toy

    rows = record_scenario(BOARD, plan(window_s), SCENARIO, open_)
    assert [SCENARIO] == asked
    return rows


def test_every_free_core_is_visited_at_every_point_of_the_grid() -> None:
    """One row each, and the platform was told just that."""
    toy = ToyBoard()
    rows = recorded(toy)
    expected = [(core, opps) for core in (0, 2, 3, 4, 5, 7) for opps in plan().grid]
    assert expected == [(applied.core, applied.opps) for applied in toy.applied]
    assert expected == [(row["application_core"], tuple(row["opp_index"])) for row in rows]
    assert len(expected) == toy.settled
    little, big = BOARD.clusters
    for row, (_, opps) in zip(rows, expected, strict=True):
        assert [little.freqs_hz[opps[0]], big.freqs_hz[opps[1]]] == row["freq_hz"]
        assert (3, "adi") == (row["scenario"], row["application"])
        assert (["lu", "syr2k"], [1, 6]) == (row["background"], row["background_cores"])


def test_figures_are_means_over_the_window_after_settling() -> None:
    """Rates, utilisation and temperature alike; the background in the order of its ids."""
    row = recorded(ToyBoard())[4]
    samples = round(4.0 / PERIOD_S)
    assert samples == row["temp_samples"]
    assert pytest.approx(4.0) == row["window_s"]
    assert pytest.approx(1e9 + 2) == row["rate_ips"]
    assert [1e9, 2e9] == row["background_rate_ips"]
    assert pytest.approx([0.1, 0.9, 0.9, 0.1, 0.1, 0.1, 0.9, 0.1]) == row["core_utilisation"]
    times_s = 3.0 + PERIOD_S * np.arange(1, samples + 1)
    assert pytest.approx(40.0 + 2 + times_s.mean()) == row["temp_c"]
    assert row["throttled"] is False


def test_a_window_shorter_than_the_sensors_period_has_one_sample() -> None:
    """No window is empty."""
    row = recorded(ToyBoard(), window_s=0.1 * PERIOD_S)[0]
    assert (1, PERIOD_S) == (row["temp_samples"], pytest.approx(row["window_s"]))


def capped_between(start_s: float, end_s: float) -> Callable[[float], tuple[int, ...] | None]:
    """A kernel that allows the lowest points only, for a while after the decision."""
    return lambda since_s: BOARD.lowest_opps if start_s <= since_s < end_s else None


@pytest.mark.parametrize(
    ("start_s", "end_s"),
    [(0.0, np.inf), (3.0, 3.5), (4.5, 5.5), (7.0, np.inf)],
    ids=["always", "when the window begins", "in between", "at the end"],
)
def test_a_run_that_the_kernel_throttles_is_marked(start_s: float, end_s: float) -> None:
    """Its rows are of other operating points than they say; the lowest point cannot be lowered."""
    toy = ToyBoard()
    toy.caps = capped_between(start_s, end_s)
    rows = recorded(toy)
    assert [tuple(row["opp_index"]) != (0, 0) for row in rows] == [row["throttled"] for row in rows]


def test_a_board_that_grows_too_hot_is_not_heated_further() -> None:
    """The rest of the window is given up, the run marked, and the next one tried."""
    toy = ToyBoard()
    toy.limit_at_s = 3.0 + 2.5 * PERIOD_S
    rows = recorded(toy)
    assert all(row["throttled"] for row in rows)
    assert {3} == {row["temp_samples"] for row in rows}
    assert 24 == len(rows) == len(toy.applied)


def test_a_board_that_never_settles_is_looked_at_once() -> None:
    """The run is no measurement, but the row is there and says so."""
    toy = ToyBoard()

    def settle(settle_s: float | None) -> None:
        raise ThermalLimit("too hot")

    toy.settle = settle  # type: ignore[method-assign]
    rows = recorded(toy)
    assert all(row["throttled"] and row["temp_samples"] == 1 for row in rows)


def simulated_rows(cooling: str, background: Sequence[str], seed: int = 1) -> list[Row]:
    """The rows of a scenario on the simulated board, at the lowest and highest points."""
    cores = tuple(range(7, 7 - len(background), -1))
    scenario = PlannedScenario(0, "automotive_susan_s", tuple(background), cores, seed)
    asked = msgspec.structs.replace(plan(), cooling=cooling, scenarios=(scenario,))
    open_ = open_simulated(BOARD, asked, shipped_applications())
    return record_scenario(BOARD, asked, scenario, open_)


def test_a_scenario_on_the_simulated_board_reads_plausibly() -> None:
    """Faster clocks are faster and hotter, busy cores are busy, idle ones are not."""
    rows = simulated_rows("fan", ["bzip2e", "telecom_CRC32"])
    assert 6 * 4 == len(rows)
    by_place = {(row["application_core"], *row["opp_index"]): row for row in rows}
    for core in range(6):
        slow, fast = by_place[core, 0, 0], by_place[core, 6, 8]
        assert fast["rate_ips"] > 1.5 * slow["rate_ips"]
        assert fast["temp_c"] > slow["temp_c"] > BOARD.cooling_named("fan").ambient_c
        only_others_fast = by_place[core, 0, 8] if core < 4 else by_place[core, 6, 0]
        assert pytest.approx(slow["rate_ips"], rel=0.2) == only_others_fast["rate_ips"]
        expected = [1.0 if i in (core, 6, 7) else 0.0 for i in range(8)]
        assert expected == slow["core_utilisation"]
        assert not slow["throttled"]
        assert all(rate > 1e8 for rate in slow["background_rate_ips"])


def test_without_a_fan_the_crowded_board_throttles_and_its_runs_are_marked() -> None:
    """The others are measurements all the same."""
    rows = simulated_rows("passive-35", ["automotive_bitcount"] * 6)
    throttled = {tuple(row["opp_index"]) for row in rows if row["throttled"]}
    assert (6, 8) in throttled
    assert (0, 0) not in throttled
    target_c = BOARD.protection.target_c if BOARD.protection else 0.0
    hottest_c = max(row["temp_c"] for row in rows if not row["throttled"])
    assert hottest_c < target_c


def test_the_same_seed_gives_the_same_rows_and_another_other_ones() -> None:
    """Variation and sensor noise are drawn from the scenario's own seed."""
    once, again, other = (simulated_rows("fan", ["bzip2e"], seed) for seed in (1, 1, 2))
    assert once == again
    assert once != other


def row(temp_c: float, *, throttled: bool = False) -> Row:
    """What is merged of a run."""
    return {
        "rate_ips": 1e9,
        "core_utilisation": [0.5, 1.0],
        "temp_c": temp_c,
        "temp_samples": 3,
        "window_s": 3.0,
        "throttled": throttled,
        "start_reached": True,
    }


def test_repeats_are_averaged_without_those_that_throttled_which_are_counted() -> None:
    """One hot afternoon spoils no mean, and is not kept quiet either."""
    merged_row = merged([row(40.0), row(90.0, throttled=True), row(41.0)])
    assert (40.5, 1.0) == (merged_row["temp_c"], merged_row["temp_spread_k"])
    assert (2, 1) == (merged_row["repeats"], merged_row["rejected"])
    assert (6, 6.0, False) == tuple(
        merged_row[name] for name in ("temp_samples", "window_s", "throttled")
    )
    assert [0.5, 1.0] == merged_row["core_utilisation"]
    assert merged_row["start_reached"] is True


def test_a_run_that_throttled_in_every_repeat_is_no_measurement() -> None:
    """Its row says so, and how often it was tried."""
    merged_row = merged([row(90.0, throttled=True), row(91.0, throttled=True)])
    assert merged_row["throttled"]
    assert (0, 2, 91.0) == tuple(merged_row[name] for name in ("repeats", "rejected", "temp_c"))


def test_a_window_can_end_with_so_many_instructions() -> None:
    """In whole periods of the sensor; the plan's window is the longest."""
    conduct = Conduct(instructions=2.5e9)
    toy = ToyBoard()
    asked = msgspec.structs.replace(plan(10.0), conduct=conduct)
    rows = record_scenario(BOARD, asked, SCENARIO, lambda _: toy)
    assert {3} == {each["temp_samples"] for each in rows}
    asked = msgspec.structs.replace(asked, conduct=Conduct(instructions=1e15))
    rows = record_scenario(BOARD, asked, SCENARIO, lambda _: toy)
    assert {10} == {each["temp_samples"] for each in rows}


def test_known_runs_are_taken_over_and_not_made_again() -> None:
    """For a recording that completes another one."""
    toy = ToyBoard()
    known: dict[RunPlace, Row] = {(2, (0, 0)): {"mine": True}}
    rows = record_scenario(BOARD, plan(), SCENARIO, lambda _: toy, known)
    assert 23 == len(toy.applied)
    assert [{"mine": True}] == [each for each in rows if "mine" in each]


class Spoiling(ToyBoard):
    """A program ends in the first `times` runs."""

    def __init__(self, times: int) -> None:
        super().__init__()
        self.times = times

    def check(self, seen: Sequence[Observation]) -> None:
        """Say so."""
        self.times -= 1
        if self.times >= 0:
            raise RunSpoiled("adi has ended")


def test_a_run_in_which_a_program_ended_is_made_again() -> None:
    """A few times; a program that always fails is told."""
    rows = record_scenario(BOARD, plan(), SCENARIO, lambda _: Spoiling(2))
    assert 24 == len(rows)
    with pytest.raises(RunSpoiled, match="adi has ended"):
        record_scenario(BOARD, plan(), SCENARIO, lambda _: Spoiling(99))
