"""Tests of the speed estimate: from rates at a few operating points to speeds at all of them."""

from collections import Counter
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from platforms.board import Board
from platforms.board_file import load_board
from platforms.errors import InvalidInput
from platforms.platform import ApplicationReading, Observation
from rm.seen_program import PAIRS_KEPT
from rm.speed_estimate import (
    LONGEST_STALL_S_PER_CYCLE,
    NEIGHBOURS_S,
    UNLIKELY,
    SpeedEstimator,
)
from rm.speed_priors import SpeedPriors
from tests.platforms.programs import MEMORY, job, opps, simulated
from tests.rm.readings import HIKEY, observation, reading

LITTLE, BIG = 0, 1
PRIORS = SpeedPriors(stall_s_per_cycle=0.2e-9, cycles=(2.0, 1.0))
COMPLETE = SpeedPriors(
    stall_s_per_cycle=0.2e-9, cycles=(1.5, 1.0), stalls=(1.4, 1.0), memory_per_stall=0.09
)
ROUND_S = 0.05


class Program(NamedTuple):
    """Cycles per instruction on every cluster, stall per cycle on the first, how slow the phase is.

    On a core of its own an instruction takes ``slow (cycles / f + stall)`` seconds. Stalls take
    `longer` on one cluster than on another, as the priors say.
    """

    cycles: tuple[float, ...]
    stall: float
    slow: float = 1.0
    longer: tuple[float, ...] = (2.0, 1.0)

    def instruction_s(self, cluster: int, freq_hz: float) -> float:
        """Seconds per instruction on a core of its own."""
        longer = self.longer[cluster] / self.longer[0]
        return self.slow * (self.cycles[cluster] / freq_hz + self.stall * self.cycles[0] * longer)


class Played:
    """An estimator that hears of programs on a board, round by round."""

    def __init__(
        self, *, board: Board = HIKEY, priors: SpeedPriors = PRIORS, stall_aware: bool = True
    ) -> None:
        self.board = board
        self.estimator = SpeedEstimator(board, priors, stall_aware=stall_aware)
        self.time_s = 0.0
        self.last = observation(board=board)

    def show(
        self,
        programs: dict[int, Program],
        cores: dict[int, int],
        opp_index: tuple[int, ...],
        *,
        faster: dict[int, float] | None = None,
        after_s: float = ROUND_S,
    ) -> None:
        """A round later: who runs where at which points, `faster` than the truth by a factor."""
        self.time_s += after_s
        load = Counter(cores.values())
        freqs_hz = self.board.freqs_hz_at(opp_index)
        readings = []
        for number, program in programs.items():
            cluster = self.board.cluster_of_core[cores[number]]
            own_core_ips = 1.0 / program.instruction_s(cluster, freqs_hz[cluster])
            rate_ips = own_core_ips / load[cores[number]] * (faster or {}).get(number, 1.0)
            readings.append(reading(number, cores=(cores[number],), rate_ips=rate_ips))
        self.hear(*readings, opp_index=opp_index)

    def hear(self, *readings: ApplicationReading, opp_index: tuple[int, ...]) -> None:
        """Let the estimator hear of these readings."""
        self.last = observation(
            *readings, board=self.board, opp_index=opp_index, time_s=self.time_s
        )
        self.estimator.update(self.last)

    def found(self, number: int = 0) -> list[NDArray[np.float64]]:
        """Per cluster the seconds per instruction (OPPs,) of an application."""
        apps = [app for app in self.last.applications if app.id == number]
        return [rows[0] for rows in self.estimator.instruction_s(self.last, apps)]


def truth(program: Program, board: Board = HIKEY) -> list[NDArray[np.float64]]:
    """Per cluster the seconds per instruction (OPPs,)."""
    return [
        np.array([program.instruction_s(x, freq_hz) for freq_hz in cluster.freqs_hz])
        for x, cluster in enumerate(board.clusters)
    ]


def assert_close(
    expected: list[NDArray[np.float64]], found: list[NDArray[np.float64]], rtol: float = 1e-6
) -> None:
    """Per cluster."""
    for ours, theirs in zip(expected, found, strict=True):
        np.testing.assert_allclose(theirs, ours, rtol=rtol)


programs = st.builds(
    lambda big, ratio, *others: Program((big * ratio, big), *others),
    st.floats(0.3, 2.0),
    st.floats(2.05 / UNLIKELY, 1.95 * UNLIKELY),
    st.floats(0.0, 0.4 * LONGEST_STALL_S_PER_CYCLE),
    st.just(1.0),
)


@given(programs, st.lists(st.integers(0, 6), min_size=4, max_size=12), st.integers(0, 3))
def test_cycles_and_stalls_are_recovered_from_a_few_operating_points(
    program: Program, points: list[int], core: int
) -> None:
    """On the cluster where it ran exactly, as soon as two pairs of points tell."""
    played = Played()
    changes = sum(a != b for a, b in pairwise(points[1:]))  # the first round is the arrival
    for point in points:
        played.show({0: program}, {0: core}, (point, 0))
    if changes < 2:
        assert PRIORS.stall_s_per_cycle == played.estimator.stall_s_per_cycle(0)
        return
    assert program.stall == pytest.approx(
        played.estimator.stall_s_per_cycle(0), rel=1e-5, abs=1e-14
    )
    np.testing.assert_allclose(played.found()[LITTLE], truth(program)[LITTLE], rtol=1e-5)


@given(programs, st.booleans())
def test_who_ran_on_both_clusters_is_known_on_both(program: Program, starts_big: bool) -> None:
    """At all operating points, seen or not."""
    played = Played()
    first, second = (4, 0) if starts_big else (0, 4)
    for point in (0, 3, 5, 2):
        played.show({0: program}, {0: first}, (point, point))
    for point in (5, 5, 2):
        played.show({0: program}, {0: second}, (point, point))
    assert_close(truth(program), played.found(), rtol=1e-4)


def test_three_clusters_are_three_ratios() -> None:
    """Not all boards have two."""
    board = load_board("rk3588")
    program = Program((1.7, 1.0, 1.1), 0.3e-9, longer=(1.0, 1.0, 1.0))
    played = Played(board=board, priors=SpeedPriors(stall_s_per_cycle=0.0, cycles=(1.0, 1.0, 1.0)))
    for core in [cluster.cores[0] for cluster in board.clusters]:
        for point in (0, 2, 4):
            played.show({0: program}, {0: core}, (point, point, point))
    last = len(board.clusters) - 1
    expected, found = truth(program, board), played.found()
    for x in (last, last - 1):
        np.testing.assert_allclose(found[x], expected[x], rtol=1e-2)


def test_a_slow_phase_changes_the_level_and_not_what_was_learnt() -> None:
    """The share of stalls belongs to the program, and its level to the moment."""
    program = Program((1.5, 0.8), 0.4e-9)
    played = Played()
    for point in (0, 3, 1, 4):
        played.show({0: program}, {0: 0}, (point, 0))
    for point in (4, 4, 2):
        played.show({0: program._replace(slow=1.7)}, {0: 0}, (point, 0))
    assert_close(truth(program._replace(slow=1.7))[:1], played.found()[:1])


def test_a_pair_with_a_phase_between_is_outvoted() -> None:
    """It says nothing of the clock."""
    program = Program((1.0, 0.5), 0.3e-9)
    played = Played()
    for number, point in enumerate((0, 3, 1, 4, 2, 5)):
        slow = 1.3 if number >= 4 else 1.0
        played.show({0: program._replace(slow=slow)}, {0: 0}, (point, 0))
    assert program.stall == pytest.approx(played.estimator.stall_s_per_cycle(0), rel=1e-6)


def test_what_a_program_has_become_counts_more_than_what_it_was() -> None:
    """Only so many pairs are kept."""
    played = Played()
    before, after = Program((1.0, 0.5), 0.1e-9), Program((1.0, 0.5), 0.6e-9)
    for number in range(60):
        program = before if number < 30 else after
        played.show({0: program}, {0: 0}, (number % 5, 0))
    assert PAIRS_KEPT < 30
    assert after.stall == pytest.approx(played.estimator.stall_s_per_cycle(0), rel=1e-6)


@given(programs, st.integers(1, 4))
def test_who_shares_a_core_is_as_fast_as_the_core_is_his(program: Program, others: int) -> None:
    """Sharers take turns: half the time, half the rate."""
    played = Played()
    crowd = {0: program} | {n: Program((1.0, 1.0), 0.0) for n in range(1, others + 1)}
    for point in (0, 3, 5, 1):
        played.show(crowd, dict.fromkeys(crowd, 2), (point, 0))
    np.testing.assert_allclose(played.found()[LITTLE], truth(program)[LITTLE], rtol=1e-5)


@pytest.mark.parametrize(
    ("threads", "of_single", "of_threads"), [(2, 1.0, 2.0), (4, 1.0, 3.0), (5, 0.5, 3.5)]
)
def test_threads_get_out_of_the_way_as_long_as_there_are_cores(
    threads: int, of_single: float, of_threads: float
) -> None:
    """A single thread shares its core only where the others have nowhere else to go."""
    played = Played()
    single = reading(0, cores=(1,), rate_ips=of_single * 1e9)
    several = reading(1, cores=(0, 1, 2, 3), rate_ips=of_threads * 1e9, threads=threads)
    for _ in range(2):
        played.time_s += ROUND_S
        played.hear(single, several, opp_index=(3, 0))
    for number in (0, 1):
        assert played.found(number)[LITTLE][3] == pytest.approx(1e-9)


def test_what_was_not_seen_is_taken_from_the_priors() -> None:
    """An instruction of a newcomer: its level here, the others' stalls and ratio elsewhere."""
    played = Played()
    played.time_s = ROUND_S
    seen = observation(reading(0, cores=(4,), rate_ips=1e9), opp_index=(0, 3))
    (little,), (big,) = played.estimator.instruction_s(seen, seen.applications)
    assumed = Program((2.0, 1.0), PRIORS.stall_s_per_cycle)
    level = 1e-9 / assumed.instruction_s(BIG, HIKEY.clusters[BIG].freqs_hz[3])
    for x, found in enumerate((little, big)):
        np.testing.assert_allclose(found, level * truth(assumed)[x], rtol=1e-12)


def test_one_pair_is_not_believed() -> None:
    """It may have a phase between."""
    played = Played()
    for point in (0, 0, 3):
        played.show({0: Program((1.0, 0.5), 0.9e-9)}, {0: 0}, (point, 0))
    assert PRIORS.stall_s_per_cycle == played.estimator.stall_s_per_cycle(0)
    assert PRIORS.stall_s_per_cycle == played.estimator.stall_s_per_cycle(77)


def test_who_never_ran_takes_for_ever() -> None:
    """No target can be promised to him."""
    played = Played()
    played.hear(reading(0, rate_ips=0.0), opp_index=(0, 0))
    assert all(np.isinf(rows).all() for rows in played.found())


def test_who_stands_still_for_a_moment_is_known_by_what_he_did_before() -> None:
    """A rate of zero is no speed."""
    program = Program((1.0, 0.5), 0.3e-9)
    played = Played()
    for point in (0, 2, 4, 1):
        played.show({0: program}, {0: 0}, (point, 0))
    played.time_s += ROUND_S
    played.hear(reading(0, cores=(0,), rate_ips=0.0), opp_index=(1, 0))
    np.testing.assert_allclose(played.found()[LITTLE], truth(program)[LITTLE], rtol=1e-6)


def test_who_is_gone_is_forgotten_and_his_number_is_anothers() -> None:
    """A board may give an identifier twice."""
    played = Played()
    crowd = {0: Program((1.0, 0.5), 0.7e-9), 1: Program((1.2, 0.6), 0.0)}
    for point in (0, 2, 4, 1):
        played.show(crowd, {0: 0, 1: 1}, (point, 0))
    assert 0.7e-9 == pytest.approx(played.estimator.stall_s_per_cycle(0))
    played.show({1: crowd[1]}, {1: 1}, (1, 0))
    assert PRIORS.stall_s_per_cycle == played.estimator.stall_s_per_cycle(0)
    assert 0.0 == pytest.approx(played.estimator.stall_s_per_cycle(1), abs=1e-14)
    another = {0: Program((3.0, 1.0), 0.0), 1: crowd[1]}
    played.show(another, {0: 0, 1: 1}, (1, 0))
    expected = another[0].instruction_s(LITTLE, HIKEY.clusters[LITTLE].freqs_hz[1])
    assert expected == pytest.approx(played.found()[LITTLE][1])


@pytest.mark.parametrize("times", [1, 2])
def test_a_round_in_which_somebody_came_or_went_teaches_nothing(times: int) -> None:
    """Its window holds two loads of a core; heard of a second time it is no better."""
    program, other = Program((1.0, 0.5), 0.3e-9), Program((1.0, 0.5), 0.0)
    played = Played()
    for point in (0, 2, 4, 1):
        played.show({0: program}, {0: 0}, (point, 0))
    for crowd, point in (({0: program, 1: other}, 6), ({0: program}, 3)):
        played.show(crowd, {0: 0, 1: 0}, (point, 0), faster={0: 1.4})
        for _ in range(times - 1):
            played.estimator.update(played.last)
    assert program.stall == pytest.approx(played.estimator.stall_s_per_cycle(0), rel=1e-6)
    np.testing.assert_allclose(played.found()[LITTLE], truth(program)[LITTLE], rtol=1e-6)


def test_the_round_after_a_move_teaches_nothing_of_who_moved() -> None:
    """He refilled his caches. The others did not."""
    program, other = Program((1.0, 0.5), 0.3e-9), Program((1.0, 0.5), 0.2e-9)
    crowd = {0: program, 1: other}
    played = Played()
    for point in (0, 2, 4, 1):
        played.show(crowd, {0: 0, 1: 1}, (point, 0))
    played.show(crowd, {0: 2, 1: 1}, (1, 0), faster={0: 0.5, 1: 0.5})
    np.testing.assert_allclose(played.found(0)[LITTLE], truth(program)[LITTLE], rtol=1e-6)
    np.testing.assert_allclose(played.found(1)[LITTLE], 2 * truth(other)[LITTLE], rtol=1e-6)


def test_readings_far_apart_are_no_pair() -> None:
    """A phase may lie between."""
    played = Played()
    for point in (0, 2, 4, 1, 3):
        played.show(
            {0: Program((1.0, 0.5), 0.9e-9)}, {0: 0}, (point, 0), after_s=NEIGHBOURS_S + 0.01
        )
    assert PRIORS.stall_s_per_cycle == played.estimator.stall_s_per_cycle(0)


@pytest.mark.parametrize("faster", [2.4, 0.5])
def test_pairs_that_no_program_explains_are_left_out(faster: float) -> None:
    """Faster at a lower clock, or slower there by more than the clock: there was another phase."""
    program = Program((1.0, 0.5), 0.3e-9)
    played = Played()
    for point in (0, 0, 3, 0, 3, 0):
        low = {0: faster if point == 0 else 1.0}
        played.show({0: program}, {0: 0}, (point, 0), faster=low)
    assert PRIORS.stall_s_per_cycle == played.estimator.stall_s_per_cycle(0)


def test_without_stalls_all_time_is_cycles() -> None:
    """TOP-IL's linear scaling, for comparisons."""
    program = Program((1.0, 0.5), 0.8e-9)
    played = Played(stall_aware=False)
    for core in (0, 0, 0, 4, 4, 4):
        for point in (0, 3, 5):
            played.show({0: program}, {0: core}, (point, point))
    assert 0.0 == played.estimator.stall_s_per_cycle(0)
    freqs_hz = np.array(HIKEY.clusters[BIG].freqs_hz)
    measured = program.instruction_s(BIG, freqs_hz[5])
    np.testing.assert_allclose(played.found()[BIG], measured * freqs_hz[5] / freqs_hz)


def test_a_simulated_boards_readings_give_its_programs_profile_away() -> None:
    """A window belongs to the operating points that were decided at its start, and to no other."""
    board = simulated(job(profile=MEMORY, cores=(0,)))
    estimator = SpeedEstimator(HIKEY, PRIORS)
    seen: Observation = board.observe()
    for number in range(8):
        estimator.update(seen)
        board.apply(opps(number % 3, 0))
        board.advance_to(board.now_s + ROUND_S)
        seen = board.observe()
    little = MEMORY.core_profiles["cortex-a53"]
    assert little.stall_s / little.cpi == pytest.approx(estimator.stall_s_per_cycle(0), rel=1e-6)
    expected = [
        1.0 / MEMORY.ips(HIKEY.clusters[LITTLE], freq) for freq in HIKEY.clusters[LITTLE].freqs_hz
    ]
    found = estimator.instruction_s(seen, seen.applications)[LITTLE][0]
    np.testing.assert_allclose(found, expected, rtol=1e-6)


def test_priors_come_back_from_a_policy_file_as_they_went() -> None:
    """By the clusters' names."""
    constants = COMPLETE.constants(HIKEY)
    names = {"stall_s_per_cycle", "memory_per_stall", "cycles_on_little", "cycles_on_big"}
    assert names | {"stalls_on_little", "stalls_on_big"} == set(constants)
    assert COMPLETE == SpeedPriors.of_constants(HIKEY, constants)


def test_a_file_of_an_earlier_version_says_less() -> None:
    """No more than it did: nobody slows another down, and stalls differ as cycles do."""
    constants = {"stall_s_per_cycle": 0.1e-9, "cycles_on_little": 2.0, "cycles_on_big": 1.0}
    found = SpeedPriors.of_constants(HIKEY, constants)
    assert (0.0, (2.0, 1.0), (2.0, 1.0)) == (found.memory_per_stall, found.cycles, found.stalls)


@pytest.mark.parametrize(
    "constants",
    [
        {"stall_s_per_cycle": -1e-9},
        {"memory_per_stall": -0.1},
        {"cycles_on_little": 0.0},
        {"stalls_on_big": 0.0},
        {"cycles_on_big": None},
    ],
)
def test_constants_that_cannot_be_right_are_refused(constants: dict[str, float | None]) -> None:
    """With what there must be, what there is, and what to do."""
    given = COMPLETE.constants(HIKEY) | constants
    message = (
        r"must be stall_s_per_cycle, memory_per_stall, cycles_on_little, cycles_on_big, "
        r"stalls_on_little, stalls_on_big, and not negative \(got \{.*\}\); train it again with "
        "'ilgov train-ilgov'"
    )
    with pytest.raises(InvalidInput, match=message):
        SpeedPriors.of_constants(HIKEY, {k: v for k, v in given.items() if v is not None})


def test_one_ratio_that_programs_do_not_have_is_not_believed_but_a_second_is() -> None:
    """A phase may have turned between the two readings."""
    odd = Program((9.0, 1.0), 0.0)
    played = Played(priors=SpeedPriors(stall_s_per_cycle=0.0, cycles=(1.5, 1.0)))
    ratios, (little_hz, big_hz) = [], (cluster.freqs_hz[3] for cluster in HIKEY.clusters)
    for core in (0, 0, 4, 4, 0, 0):
        played.show({0: odd}, {0: core}, (3, 3))
        little, big = (rows[3] for rows in played.found())
        ratios.append(little * little_hz / (big * big_hz))
    assert [1.5, 1.5, 1.5, 1.5, 1.5, 9.0] == pytest.approx(ratios)


def test_stalls_are_told_from_the_traffic_of_others() -> None:
    """What a program shows beside others is led back to what it is alone."""
    others = [job(n, MEMORY, target_ips=1e8, cores=(n,)) for n in (1, 2, 5, 6)]
    found = []
    for crowd in ([], others):
        board = simulated(job(0, MEMORY, cores=(0,)), *crowd)
        little, big = (MEMORY.core_profiles[core] for core in ("cortex-a53", "cortex-a73"))
        priors = SpeedPriors(
            stall_s_per_cycle=big.stall_s / big.cpi,
            cycles=(little.cpi, big.cpi),
            stalls=(little.stall_s, big.stall_s),
            memory_per_stall=MEMORY.bytes_per_instruction
            / HIKEY.memory.bandwidth_bytes_per_s
            / big.stall_s,
        )
        estimator = SpeedEstimator(HIKEY, priors)
        for number in range(8):
            seen = board.observe()
            estimator.update(seen)
            board.apply(opps(number % 3, 0))
            board.advance_to(board.now_s + ROUND_S)
        found.append(estimator.stall_s_per_cycle(0, LITTLE))
    assert found[0] == pytest.approx(found[1], rel=0.02)


@given(st.lists(st.sampled_from((1.0, 1.3, 2.0, 0.0)), min_size=1, max_size=60))
def test_who_asks_seldom_is_told_the_same_as_who_asks_in_every_round(rates: list[float]) -> None:
    """Phases are followed through the rounds between, also where a program stands still."""
    program, often, seldom = Program((1.5, 1.0), 0.2e-9), Played(), Played()
    for rate in (1.0, 1.0, *rates):
        for played in (often, seldom):
            played.show({0: program}, {0: 4}, (3, 3), faster={0: rate})
        often.found()
    for expected, told in zip(often.found(), seldom.found(), strict=True):
        assert np.array_equal(expected, told)


def test_of_nobody_there_is_nothing_to_tell() -> None:
    """In as many rows as there are programs."""
    played = Played()
    expected = [(0, len(cluster.opps)) for cluster in HIKEY.clusters]
    assert expected == [rows.shape for rows in played.estimator.instruction_s(played.last, [])]
