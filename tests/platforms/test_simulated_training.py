"""Tests of training jobs on the simulated board: work, shares, pauses, and what they cost."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from platforms.decision_check import IllegalDecision
from platforms.errors import InvalidInput
from platforms.observation_check import observation_problems
from platforms.platform import Decision, TrainingGrant, TrainingReading
from platforms.simulated.simulated_board import SAME_CLUSTER_REFILL_S
from platforms.simulated.training import NICE_WEIGHTS, SimulatedTraining, weight_of
from platforms.training_point import core_point
from platforms.training_work import TrainingWork, training_profile
from tests.platforms.programs import BIG, COMPUTE, HIKEY, LITTLE, MEMORY, done, job, opps
from tests.platforms.training_boards import (
    IN_CACHE,
    JOB,
    WORKS,
    granted,
    reading,
    state,
    training_board,
)

CORES = st.sets(st.integers(0, 7), max_size=8).map(lambda cores: tuple(sorted(cores)))


# --- work ---------------------------------------------------------------------------------------


def test_a_job_begins_paused_and_without_work() -> None:
    """Nothing runs that nobody granted."""
    board = training_board()
    assert TrainingReading(7, 0.0, 0.0, (), True) == reading(board)
    board.give_work(7, 100.0)
    board.advance_to(1.0)
    assert TrainingReading(7, 0.0, 0.0, (), False) == reading(board)
    assert 0.0 == board.energy_j


def test_a_job_without_work_takes_no_core() -> None:
    """Between two rounds it waits; its cores sleep."""
    board = training_board()
    board.apply(granted(4, 5))
    board.advance_to(1.0)
    seen = board.observe()
    assert TrainingReading(7, 0.0, 0.0, (4, 5), True) == seen.training[0]
    assert (0.0,) * 8 == seen.core_utilisation
    assert 0.0 == board.energy_j


def test_work_ends_at_its_exact_time_and_then_the_job_waits() -> None:
    """An end is an event of its own: no tick rounds it, and the cores sleep from then on."""
    board = training_board()
    board.apply(granted(4))
    board.give_work(7, 100.0)
    sample_s = core_point(HIKEY, WORKS[0], BIG, 0, 1).sample_s
    owed_s = SAME_CLUSTER_REFILL_S + 2 * 2**20 / 2.5e9
    end_s = 100.0 * sample_s + owed_s
    board.advance_to(end_s - 1e-4)
    assert 0.0 < state(board).left < 0.1
    board.advance_to(end_s + 1e-9)
    assert (100.0, 0.0, 0.0) == (state(board).samples, state(board).left, state(board).rate)
    before_j = board.energy_j
    board.advance_to(end_s + 5.0)
    assert before_j == board.energy_j
    assert reading(board).waits


@settings(max_examples=40)
@given(
    st.lists(
        st.tuples(
            st.floats(0.01, 1.5),
            CORES,
            st.integers(0, 2),
            st.sampled_from([0, 5, 19]),
            st.sampled_from([None, 0.25, 1.0]),
            st.sampled_from([0.0, 3.0, 40.0]),
        ),
        min_size=1,
        max_size=12,
    )
)
def test_samples_and_energy_are_conserved_whatever_is_granted(
    steps: list[tuple[float, tuple[int, ...], int, int, float | None, float]],
) -> None:
    """Done and left are what was given; rates add up to samples; grants take no time or energy."""
    board = training_board(job(0, COMPUTE, cores=(4,)), job(1, MEMORY, cores=(0,)))
    board.apply(opps(3, 4))
    given_samples, counted, last_done = 0.0, 0.0, 0.0
    for pause_s, cores, setting, nice, cpu_max, samples in steps:
        before_j, before_s, before = board.energy_j, board.now_s, state(board).samples
        if samples:
            board.give_work(7, samples)
            given_samples += samples
        board.apply(granted(*cores, setting=setting, nice=nice, cpu_max=cpu_max))
        assert (before_j, before_s, before) == (board.energy_j, board.now_s, state(board).samples)
        board.advance_to(board.now_s + pause_s)
        seen = board.observe()
        assert [] == list(observation_problems(HIKEY, seen))
        (training,) = seen.training
        assert training.samples >= last_done
        counted += training.rate * seen.window_s
        last_done = training.samples
        assert state(board).samples + state(board).left == pytest.approx(given_samples, abs=1e-9)
    assert counted == pytest.approx(state(board).samples, rel=1e-9, abs=1e-9)


@settings(max_examples=20)
@given(st.lists(st.floats(1e-3, 1.0), min_size=1, max_size=15))
def test_work_does_not_depend_on_when_one_looks(pieces_s: list[float]) -> None:
    """Samples to 1e-9, temperatures to what a leakage step can hide (0.1 mK)."""
    boards = [training_board(job(0, MEMORY, cores=(5,), arrival_s=0.3)) for _ in range(2)]
    for board in boards:
        board.give_work(7, 300.0)
        board.apply(Decision((), (6, 8), granted(4, 5, 6, setting=1).grants))
    at_once, in_pieces = boards
    for time_s in np.cumsum(pieces_s):
        in_pieces.advance_to(float(time_s))
        in_pieces.observe()
    at_once.advance_to(in_pieces.now_s)
    assert state(in_pieces).samples == pytest.approx(state(at_once).samples, rel=1e-9)
    np.testing.assert_allclose(at_once.temperatures_c, in_pieces.temperatures_c, atol=1e-4)


def test_energy_is_the_integral_of_power() -> None:
    """With a training job that is limited to a part of its cores' time."""
    board = training_board(job(0, COMPUTE, cores=(0,)))
    board.give_work(7, 1e6)
    board.apply(Decision((), (2, 5), granted(4, 5, cpu_max=0.4).grants))
    integral_j = 0.0
    for step in range(1, 101):
        before_w = float(board.power_w.sum())
        board.advance_to(0.1 * step)
        integral_j += 0.05 * (before_w + float(board.power_w.sum()))
    assert board.energy_j == pytest.approx(integral_j, rel=1e-6)


def test_a_round_that_was_missed_is_withdrawn() -> None:
    """What is left is dropped, what was done stays."""
    board = training_board()
    board.give_work(7, 1e6)
    board.apply(granted(4))
    board.advance_to(1.0)
    samples = state(board).samples
    board.withdraw_work(7)
    board.advance_to(2.0)
    assert (samples, 0.0, 0.0) == (state(board).samples, state(board).left, state(board).rate)
    assert 0.0 < samples


@pytest.mark.parametrize("samples", [0.0, -1.0, math.inf, math.nan])
def test_work_that_cannot_be_done_is_refused(samples: float) -> None:
    """Neither none nor endless."""
    with pytest.raises(InvalidInput, match="samples must be positive and finite"):
        training_board().give_work(7, samples)


def test_work_for_a_job_that_is_not_there_is_refused() -> None:
    """A trainer's mistake, told with the jobs that there are."""
    with pytest.raises(InvalidInput, match=r"job_id must be one of \[7\] \(got 8\)"):
        training_board().give_work(8, 1.0)


# --- rates --------------------------------------------------------------------------------------


@given(
    st.integers(0, 1),
    st.integers(0, 6),
    st.integers(1, 4),
    st.sampled_from(range(len(WORKS))),
)
def test_alone_a_job_has_the_rate_and_power_of_its_place(
    cluster: int, opp: int, cores: int, setting: int
) -> None:
    """What plans are made with is what the board does."""
    board = training_board()
    board.give_work(7, 1e6)
    on = HIKEY.clusters[cluster].cores[:cores]
    index = (opp, 0) if cluster == LITTLE else (0, opp)
    board.apply(Decision((), index, granted(*on, setting=setting).grants))
    point = core_point(HIKEY, WORKS[setting], cluster, opp, cores)
    assert state(board).rate == pytest.approx(1.0 / point.sample_s, rel=1e-9)
    leak_w = cores * board.power.core_leakage_w(cluster, opp)
    dynamic_w = point.mean_w - leak_w
    assert float(board._load.dynamic_w.sum()) == pytest.approx(dynamic_w, rel=1e-9)
    assert float(board._load.leakage_w.sum()) == pytest.approx(leak_w, rel=1e-9)
    assert point.mean_w <= point.peak_w


@given(st.integers(0, 8), st.integers(1, 4))
def test_without_traffic_the_rate_is_the_profiles_times_the_threads(opp: int, cores: int) -> None:
    """`training_profile` is one thread of so many."""
    board = training_board(training=(SimulatedTraining(id=7, name="t", works=(IN_CACHE,)),))
    board.give_work(7, 1e6)
    board.apply(Decision((), (0, opp), granted(*range(4, 4 + cores)).grants))
    big = HIKEY.clusters[BIG]
    one = training_profile(IN_CACHE, HIKEY, cores).ips(big, big.freqs_hz[opp])
    assert state(board).rate == pytest.approx(cores * one, rel=1e-12)


def test_threads_on_two_clusters_add_up() -> None:
    """Any set of cores, also across clusters."""
    board = training_board(training=(SimulatedTraining(id=7, name="t", works=(IN_CACHE,)),))
    board.give_work(7, 1e6)
    board.apply(granted(0, 4, 5))
    little, big = HIKEY.clusters
    profile = training_profile(IN_CACHE, HIKEY, 3)
    expected = profile.ips(little, little.freqs_hz[0]) + 2 * profile.ips(big, big.freqs_hz[0])
    assert state(board).rate == pytest.approx(expected, rel=1e-12)


def test_a_new_setting_holds_at_once_and_costs_nothing() -> None:
    """The cores keep their caches: only what a step asks for is another."""
    board = training_board()
    board.give_work(7, 1e6)
    board.apply(granted(4, 5, 6, 7))
    board.advance_to(1.0)
    board.apply(granted(4, 5, 6, 7, setting=2))
    samples = state(board).samples
    board.advance_to(2.0)
    rate = 1.0 / core_point(HIKEY, WORKS[2], BIG, 0, 4).sample_s
    assert state(board).samples - samples == pytest.approx(rate, rel=1e-9)


# --- sharing cores ------------------------------------------------------------------------------


def test_the_nice_weights_are_the_kernels() -> None:
    """Every step of niceness is worth a quarter; the ends are as in the kernel's table."""
    assert (88761, 1024, 15) == (NICE_WEIGHTS[0], NICE_WEIGHTS[20], NICE_WEIGHTS[39])
    assert 40 == len(NICE_WEIGHTS)
    ratios = [weight_of(nice) / weight_of(nice + 1) for nice in range(-20, 10)]
    assert ratios == pytest.approx([1.25] * len(ratios), rel=0.03)


@pytest.mark.parametrize("nice", [0, 5, 19])
def test_a_core_is_shared_by_weight(nice: int) -> None:
    """An application keeps nearly all of its core beside a job in the background, no more."""
    board = training_board(job(0, COMPUTE, cores=(4,)))
    alone = training_board(job(0, COMPUTE, cores=(4,)))
    board.give_work(7, 1e6)
    board.apply(granted(4, nice=nice))
    for each in (board, alone):
        each.advance_to(10.0)
    share = 1024 / (1024 + NICE_WEIGHTS[20 + nice])
    assert done(board) == pytest.approx(share * done(alone), rel=1e-6)


def test_who_is_limited_leaves_the_rest_to_the_others() -> None:
    """As a quota of the kernel's: its other half goes to whoever wants it, or sleeps."""
    board = training_board(job(0, COMPUTE, cores=(4,)))
    board.give_work(7, 1e6)
    board.apply(granted(4, 5, cpu_max=0.25))
    hz = HIKEY.clusters[BIG].freqs_hz[0]
    board.advance_to(1.0)
    seen = board.observe()
    assert 0.75 * 2 * hz == pytest.approx(seen.applications[0].rate_ips)
    assert (0.0, 0.0, 0.0, 0.0, 1.0, 0.25, 0.0, 0.0) == seen.core_utilisation


@pytest.mark.parametrize("nice", [0, 19])
def test_applications_of_several_threads_keep_off_the_jobs_cores(nice: int) -> None:
    """The kernel balances its run queues: a free core is better than one that trains."""
    board = training_board(job(0, COMPUTE, cores=(4, 5, 6, 7), threads=2))
    board.give_work(7, 1e6)
    board.apply(granted(4, 5, nice=nice))
    board.advance_to(1.0)
    (app,) = board.observe().applications
    assert 2 * 2 * HIKEY.clusters[BIG].freqs_hz[0] == pytest.approx(app.rate_ips)


def test_a_newcomer_is_put_where_nothing_trains() -> None:
    """A core that trains in the background is not idle either."""
    board = training_board(job(0, COMPUTE, arrival_s=1.0))
    board.give_work(7, 1e6)
    board.apply(granted(4, 5, 6, nice=19))
    board.advance_to(1.0)
    assert [(7,)] == [app.cores for app in board.observe().applications]


def test_training_traffic_slows_applications_that_wait_for_memory() -> None:
    """They queue at the same memory."""
    heavy = TrainingWork(
        knobs={"batch": 16},
        flops=1e6,
        sample_bytes=1e7,
        step_bytes=0.0,
        kernels=1,
        memory_bytes=1,
    )
    rates = []
    for cores in ((), (4, 5, 6)):
        training = (SimulatedTraining(id=7, name="heavy", works=(heavy,)),)
        board = training_board(job(0, MEMORY, cores=(7,)), training=training)
        board.give_work(7, 1e6)
        board.apply(granted(*cores))
        board.advance_to(1.0)
        rates.append(board.observe().applications[0].rate_ips)
    assert rates[1] < 0.9 * rates[0]


# --- moving and pausing -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("before", "after", "l2_bytes"),
    [
        ((4,), (5,), 0),
        ((4, 5), (6,), 0),
        ((0, 1), (4, 5), 2_097_152),
        ((4, 5), (0, 1), 1_048_576),
        ((4,), (4, 0), 1_048_576),
    ],
)
def test_other_cores_cost_the_refill_of_caches_that_were_not_theirs(
    before: tuple[int, ...], after: tuple[int, ...], l2_bytes: int
) -> None:
    """As a migration; what was done is not taken back."""
    board = training_board()
    board.give_work(7, 1e6)
    board.apply(granted(*before))
    board.advance_to(1.0)
    board.apply(granted(*after))
    samples, rate = state(board).samples, state(board).rate
    lost_s = SAME_CLUSTER_REFILL_S + l2_bytes / 2.5e9
    board.advance_to(1.0 + lost_s / 2)
    assert samples == state(board).samples
    board.advance_to(2.0)
    assert state(board).samples - samples == pytest.approx((1.0 - lost_s) * rate, rel=1e-9)


def test_a_paused_job_makes_no_progress_and_goes_on_where_it_was() -> None:
    """Its work stays; to resume costs the refill of its caches."""
    board = training_board()
    board.give_work(7, 1e6)
    board.apply(granted(4))
    board.advance_to(1.0)
    board.apply(granted())
    samples, left = state(board).samples, state(board).left
    before_j = board.energy_j
    board.advance_to(2.0)
    assert (samples, left, before_j) == (state(board).samples, state(board).left, board.energy_j)
    assert () == reading(board).cores
    board.apply(granted(4))
    board.advance_to(3.0)
    lost_s = SAME_CLUSTER_REFILL_S + 2_097_152 / 2.5e9
    assert state(board).samples - samples == pytest.approx((1.0 - lost_s) * state(board).rate)


def test_the_same_grant_again_changes_nothing() -> None:
    """A policy may repeat itself in every round."""
    board = training_board()
    board.give_work(7, 1e6)
    board.apply(granted(4))
    board.advance_to(1.0)
    samples = state(board).samples
    for round_number in range(1, 11):
        board.apply(granted(4))
        board.advance_to(1.0 + 0.1 * round_number)
    assert state(board).samples - samples == pytest.approx(state(board).rate, rel=1e-9)


def test_two_jobs_have_their_own_work_and_cores() -> None:
    """Only the jobs that a decision names change."""
    other = SimulatedTraining(id=8, name="other", works=WORKS)
    board = training_board(training=(JOB, other))
    for job_id in (7, 8):
        board.give_work(job_id, 50.0)
    board.apply(granted(4))
    board.apply(granted(0, job_id=8))
    board.advance_to(0.5)
    assert [(4,), (0,)] == [seen.cores for seen in board.observe().training]
    assert 0.0 < state(board, 8).samples < state(board, 7).samples


def test_a_hot_board_lets_the_job_run_slower() -> None:
    """The kernel's protection caps whoever runs."""
    board = training_board(cooling="passive-35")
    board.give_work(7, 1e9)
    board.apply(Decision((), (6, 8), granted(*range(8)).grants))
    rate = state(board).rate
    board.advance_to(600.0)
    assert board.throttled_s > 0.0
    assert state(board).rate < rate


# --- what is refused ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("grant", "problem"),
    [
        (TrainingGrant(7, 3, (4,)), r"setting must be out of 0 \.\.\. 2 \(got 3\)"),
        (TrainingGrant(7, -1, (4,)), r"setting must be out of 0"),
        (TrainingGrant(7, 0, (8,)), r"cores must be out of 0 \.\.\. 7"),
        (TrainingGrant(7, 0, (4, 4)), "cores must name each core once"),
        (TrainingGrant(7, 0, (4,), "mali-g72"), "accelerator must be one of none"),
        (TrainingGrant(7, 0, (4,), nice=20), r"nice must be out of -20 \.\.\. 19 \(got 20\)"),
        (TrainingGrant(7, 0, (4,), cpu_max=0.0), r"cpu_max must lie above 0"),
    ],
)
def test_an_illegal_grant_is_refused_and_nothing_of_it_done(
    grant: TrainingGrant, problem: str
) -> None:
    """A policy's mistake must not pass for a pause."""
    board = training_board()
    with pytest.raises(IllegalDecision, match=f"grant of training job 7: {problem}"):
        board.apply(Decision((), (1, 1), (grant,)))
    assert (0, 0) == board.opp_index
    assert state(board).grant is None


def test_a_grant_for_a_job_that_is_gone_is_passed_over() -> None:
    """It may have ended since the observation."""
    board = training_board()
    board.apply(granted(4, job_id=99))
    assert state(board).grant is None


def test_a_job_that_cannot_run_is_refused() -> None:
    """Before any time passes."""
    for job_, problem in (
        (SimulatedTraining(id=1, name="none", works=()), "works must hold at least one setting"),
        (
            SimulatedTraining(id=1, name="half", works=(replace(IN_CACHE, knobs={"batch": 0.5}),)),
            r"works\[0\]\.knobs must hold a whole batch",
        ),
    ):
        with pytest.raises(InvalidInput, match=problem):
            training_board(training=(job_,))
    with pytest.raises(InvalidInput, match=r"training\.id must be unique \(got 7 more than once\)"):
        training_board(training=(JOB, JOB))
