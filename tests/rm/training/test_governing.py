"""Tests of the governing policy, a round at a time: plans, reasons, grants, and the guard."""

import dataclasses
import math
from collections import Counter
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from platforms.platform import ApplicationReading, Migration
from rm.planner.capability import Capability
from rm.planner.mode_table import mode_table
from rm.planner.plans import Plan
from rm.training.governing import LOOK_AGAIN_S
from rm.training.guard import HOLD_S, STEP_S
from rm.training.job import GRACE_S, JobLimits
from rm.training.job_modes import JobModes
from rm.training.steady_sensors import READINGS
from tests.platforms.programs import BIG, HIKEY, LITTLE
from tests.rm.readings import reading
from tests.rm.training.capabilities import capability
from tests.rm.training.loop import Loop

EASY = 1000.0
"""Samples that one LITTLE core does in 100 s at 1018 MHz."""

HARD = 15_000.0
"""Samples that four big cores need most of 100 s for at their highest clock."""


def app(number: int, core: int, *, needs_ghz: float) -> ApplicationReading:
    """An application that needs a LITTLE core at so many GHz, a big one at half of them."""
    target_ips = needs_ghz * 1e9
    return reading(number, cores=(core,), rate_ips=target_ips, target_ips=target_ips)


ONE_LITTLE = 24
"""The place of one LITTLE core at the highest clock."""


def at_one_place(place: int) -> Capability:
    """The first setting at one of the places alone."""
    every = capability()
    columns = {
        name: (getattr(every, name)[0][place : place + 1],)
        for name in ("sample_s", "peak_w", "mean_w")
    }
    return replace(
        every,
        settings=every.settings[:1],
        places=every.places[place : place + 1],
        bytes_per_sample=every.bytes_per_sample[:1],
        **columns,
    )


def trained(loop: Loop) -> Loop:
    """After the first migration period."""
    loop.run(0.5)
    return loop


def test_without_work_it_is_the_ordinary_policy() -> None:
    """Moves and clocks are its own, and no job is told anything."""
    loop = Loop()
    loop.inner.opps, loop.inner.moves = (3, 5), (Migration(7, (2,)),)
    for done in loop.run(2.0):
        assert (3, 5) == done.opps
        assert () == done.decision.grants
        assert done.decision.migrations in ((), loop.inner.moves)
        assert done.reason is None
    assert 4 == len(loop.inner.migrated_s)


def test_an_easy_round_trains_on_a_slow_little_core() -> None:
    """Slack is spent on being cool: the slowest mode that is done in time."""
    loop = Loop()
    loop.begin(EASY)
    done = loop.round()
    grant = loop.grant
    assert grant is not None
    assert {LITTLE} == {HIKEY.cluster_of_core[core] for core in grant.cores}
    assert loop.job().outlook.meets
    freq_hz = HIKEY.clusters[LITTLE].freqs_hz[done.opps[LITTLE]]
    assert len(grant.cores) * freq_hz * 1e-8 / 0.9 >= EASY / 100.0
    assert 0 == done.opps[BIG]


def test_a_hard_round_takes_the_big_cores() -> None:
    """As long as the limit allows for it."""
    loop = Loop(limit_c=200.0)
    loop.begin(HARD)
    loop.round()
    assert loop.grant is not None
    assert (4, 5, 6, 7) == loop.grant.cores


def test_a_plan_that_holds_stays() -> None:
    """One grant, and nothing more to be told until the round is over."""
    loop = Loop()
    loop.begin(EASY)
    rounds = loop.run(4.0)
    assert 1 == sum(len(done.decision.grants) for done in rounds)
    assert 1 == sum(done.reason is not None for done in rounds)


def test_a_round_that_is_done_frees_its_cores_and_the_ordinary_policy_takes_over() -> None:
    """Its clocks as well."""
    loop = Loop()
    loop.begin(EASY / 100)
    loop.run(30.0)
    assert "waiting" == loop.job().state
    done = loop.round()
    assert loop.inner.opps == done.opps
    assert () == done.decision.grants
    assert done.observation.time_s == loop.inner.migrated_s[-1]


def test_deadlines_are_met_with_the_time_that_there_is() -> None:
    """Not long before, as that is hotter, and not late."""
    loop = Loop()
    loop.begin(EASY * 3, deadline_s=60.0)
    loop.run(61.0)
    assert 1 == loop.job().finished_rounds


@pytest.mark.parametrize("pace", [0.7, 0.85, 1.3])
def test_a_job_that_is_slower_than_its_tables_is_given_more_and_meets_its_deadline(
    pace: float,
) -> None:
    """What it really takes is measured; a faster one gets no less time for it."""
    loop = Loop(pace=pace)
    loop.begin(EASY * 2, deadline_s=60.0)
    loop.run(60.0)
    assert 1 == loop.job().finished_rounds
    ratios = loop.policy.listening.modes_of(loop.job()).pace.ratios
    assert all(abs(ratio * pace - 1.0) < 0.05 for ratio in ratios.values())


def test_applications_keep_the_cores_that_they_need() -> None:
    """Training is on none of theirs, wherever they are put."""
    loop = Loop()
    loop.apps = tuple(app(number, core, needs_ghz=1.0) for number, core in enumerate((0, 1, 4)))
    loop.begin(EASY * 2)
    for _ in range(40):
        loop.round()
        assert loop.grant is not None
        assert not set(loop.grant.cores) & {core for one in loop.apps for core in one.cores}


def test_a_newcomer_takes_its_core_from_training_at_once() -> None:
    """Not only when the next migration is due."""
    loop = trained(Loop())
    loop.begin(EASY * 6)
    loop.round()
    assert loop.grant is not None
    core = loop.grant.cores[0]
    loop.apps = (app(1, core, needs_ghz=0.5),)
    loop.round(migrates=False)
    assert loop.grant is not None
    assert core not in loop.grant.cores


@pytest.mark.parametrize(
    ("change", "reason"), [("comes", "an application came"), ("ends", "an application ended")]
)
def test_who_comes_or_goes_is_a_reason_for_another_plan(change: str, reason: str) -> None:
    """The log says which."""
    loop = Loop()
    loop.apps = (app(1, 4, needs_ghz=0.5),)
    loop.begin(EASY)
    loop.round()
    loop.apps = (*loop.apps, app(2, 5, needs_ghz=0.5)) if change == "comes" else ()
    said = loop.round().reason
    assert said is not None
    assert said.startswith(f"{reason}: training on ")


def test_an_application_that_stands_still_for_a_moment_is_no_reason() -> None:
    """It waits for its input; its core stays its own."""
    loop = Loop()
    loop.apps = (app(1, 4, needs_ghz=0.5), app(2, 0, needs_ghz=0.5))
    loop.begin(EASY)
    loop.round()
    runs = loop.apps
    loop.apps = tuple(replace(one, rate_ips=0.0) for one in runs)
    assert loop.round().reason is None
    loop.apps = runs
    assert loop.round().reason is None


def test_targets_that_could_not_be_met_are_met_when_they_can() -> None:
    """Also where training has only one mode, so that no other one is any better."""
    loop = Loop(limit_c=200.0)
    loop.jobs.end(1)
    loop.jobs.register(at_one_place(ONE_LITTLE), name="one mode", now_s=0.0)
    loop.apps = tuple(app(number, 3 + number, needs_ghz=4.4) for number in range(5))
    loop.begin(EASY, job_id=2)
    loop.round()
    assert loop.job(2).grant is not None
    big = HIKEY.clusters[BIG].cores
    on = Counter(one.cores[0] for one in loop.apps)
    late = next(one for one in loop.apps if one.cores[0] not in big or on[one.cores[0]] > 1)
    loop.apps = tuple(
        app(one.id, one.cores[0], needs_ghz=4.4 if one is late else 0.5) for one in loop.apps
    )
    loop.run(LOOK_AGAIN_S + 0.5)
    (core,) = next(one.cores for one in loop.apps if one.id == late.id)
    assert core in big
    assert 1 == [one.cores[0] for one in loop.apps].count(core)


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_round_that_lacks_the_cores_of_those_that_stand_still_is_called_late(when: str) -> None:
    """They keep their cores, and training counts on none of them."""
    loop = Loop(limit_c=200.0)
    still = tuple(reading(number, cores=(4 + number,), rate_ips=0.0) for number in range(3))
    loop.apps = still if when == "before" else ()
    loop.begin(HARD)
    loop.run(1.0)
    loop.apps = still
    loop.run(1.0)
    outlook = loop.jobs.grant_of(1, loop.now_s).outlook
    assert not outlook.meets
    assert outlook.finish_s == pytest.approx(loop.job().left / (4 * 18.44 / 0.9), rel=0.05)


def test_training_goes_on_where_estimates_alone_say_that_a_target_is_missed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Just after a phase begins they overstate what an application needs; it misses nothing."""
    loop = Loop()
    loop.apps = (app(1, 4, needs_ghz=1.0),)
    loop.begin(EASY)
    loop.run(1.0)
    before = loop.grant
    assert before is not None
    find = loop.policy._find

    def overstates(*args: Any, **options: Any) -> Plan:
        plan = find(*args, **options)
        return dataclasses.replace(plan, mode=None, broken=("foreground", "deadline"))

    monkeypatch.setattr(loop.policy, "_find", overstates)
    loop.run(LOOK_AGAIN_S + 1.0)
    assert before == loop.grant
    assert loop.job().outlook.meets


def test_training_stays_away_from_a_cluster_whose_cores_are_all_threads() -> None:
    """Threads that one application spreads over it."""
    loop = Loop(limit_c=200.0)
    loop.apps = (reading(1, cores=(4, 5, 6, 7), threads=4, rate_ips=4e9, target_ips=4e9),)
    loop.begin(HARD)
    loop.round()
    assert loop.grant is not None
    assert {LITTLE} == {HIKEY.cluster_of_core[core] for core in loop.grant.cores}


def test_threads_that_were_given_some_cores_get_their_cluster_back_as_plans_take_it() -> None:
    """Training keeps away from cores that a plan has threads on, not from those of a mask."""
    loop = Loop(limit_c=200.0)
    narrow = reading(1, cores=(4, 5), threads=2, rate_ips=2e9, target_ips=2e9)
    loop.apps = (narrow, reading(2, cores=(4, 5, 6, 7), threads=2, rate_ips=2e9, target_ips=2e9))
    loop.begin(EASY)
    assert (Migration(1, (4, 5, 6, 7)),) == loop.round().decision.migrations


def test_a_round_whose_deadline_has_passed_goes_on_as_fast_as_it_may() -> None:
    """Whether it is of use yet, its server knows."""
    loop = Loop(limit_c=200.0)
    loop.begin(EASY * 5, deadline_s=1.0)
    loop.run(3.0)
    assert loop.grant is not None
    assert (4, 5, 6, 7) == loop.grant.cores
    assert not loop.jobs.grant_of(1, loop.now_s).outlook.meets


def test_what_is_planned_is_said() -> None:
    """Where, how, until when and how hot."""
    loop = Loop()
    loop.begin(EASY)
    said = loop.round().reason
    assert said is not None
    assert said.startswith("round 1 of job 1 begins: training on ")
    for part in (" cores of little at ", "with batch ", "done in ", "degC at most"):
        assert part in said


def test_a_round_that_cannot_be_done_in_time_is_called_late_when_it_begins() -> None:
    """The policy has seen the board: it knows before the first sample."""
    loop = trained(Loop(limit_c=60.0))
    expected = loop.begin(HARD, deadline_s=50.0)
    assert not expected.meets
    assert "within the limit of 60 degC" in expected.reason
    assert 0.0 < expected.samples_possible < HARD


def test_a_round_that_is_asked_for_anew_is_planned_anew() -> None:
    """A server that heard that it is late may ask for less of it, under the same number."""
    loop = Loop(limit_c=200.0)
    loop.begin(HARD * 10)
    loop.round()
    loop.begin(EASY)
    said = loop.round().reason
    assert said is not None
    assert said.startswith("round 1 of job 1 begins: ")
    assert loop.grant is not None
    assert {LITTLE} == {HIKEY.cluster_of_core[core] for core in loop.grant.cores}


def test_the_outlook_goes_on_with_the_time() -> None:
    """A plan that holds is done a second earlier after a second."""
    loop = Loop()
    loop.begin(EASY * 2, deadline_s=100.0)
    loop.round()
    first_s = loop.job().outlook.finish_s
    loop.run(4.0)
    assert first_s - 4.0 == pytest.approx(loop.job().outlook.finish_s, abs=1.0)


def test_the_outlook_is_late_as_soon_as_the_plan_says_so() -> None:
    """An application came that takes the cores; the job hears of it with its next grant."""
    loop = trained(Loop(limit_c=200.0))
    assert loop.begin(HARD, deadline_s=100.0).meets
    loop.round()
    loop.apps = tuple(app(core, core, needs_ghz=3.0) for core in (4, 5, 6, 7))
    loop.round()
    outlook = loop.jobs.grant_of(1, loop.now_s).outlook
    assert not outlook.meets
    assert outlook.finish_s > 100.0


def test_a_round_that_is_late_trains_as_fast_as_it_may() -> None:
    """It may yet be of use."""
    loop = Loop(limit_c=200.0)
    loop.begin(HARD * 10)
    done = loop.round()
    assert loop.grant is not None
    assert (4, 5, 6, 7) == loop.grant.cores
    assert HIKEY.highest_opps[BIG] == done.opps[BIG]


def test_clocks_are_the_larger_of_both() -> None:
    """The applications' policy raises what the plan asks for, and the other way round."""
    loop = Loop()
    loop.begin(EASY)
    loop.run(0.5)
    planned = loop.round().opps
    loop.inner.opps = (planned[LITTLE] + 1, 4)
    assert (planned[LITTLE] + 1, 4) == loop.round(migrates=False).opps


def test_a_decision_that_was_not_carried_out_is_said_again() -> None:
    """The board was out of the policy's hands."""
    loop = Loop()
    loop.begin(EASY)
    loop.carries_out = False
    first, second = loop.round(), loop.round()
    assert first.decision.grants == second.decision.grants != ()


def test_the_job_that_is_due_first_trains_and_the_other_waits() -> None:
    """One at a time, and none before the other has given back what it had."""
    loop = Loop(2)
    loop.begin(EASY, deadline_s=90.0, job_id=1)
    loop.round()
    loop.begin(EASY, deadline_s=50.0, job_id=2)
    loop.round()
    assert ("revoking", None) == (loop.job(1).state, loop.job(2).grant)
    loop.round()
    loop.round()
    assert ("paused", "granted") == (loop.job(1).state, loop.job(2).state)
    loop.run(90.0)
    assert (1, 1) == (loop.job(1).finished_rounds, loop.job(2).finished_rounds)


def test_a_job_is_told_to_pause_once() -> None:
    """It has its grace, and the log is not filled meanwhile."""
    loop = Loop(2)
    loop.begin(EASY, deadline_s=90.0, job_id=1)
    loop.round()
    loop.begin(EASY, deadline_s=50.0, job_id=2)
    loop.jobs.confirm_paused = lambda job_id, now_s: None  # type: ignore[method-assign]
    rounds = loop.run(GRACE_S / 2)
    assert "revoking" == loop.job(1).state
    assert 1 == sum(len(done.decision.grants) for done in rounds)


def test_a_job_that_ignores_its_pause_is_waited_for_no_longer_than_its_grace() -> None:
    """Then its cores count as free, and enforcement sees to it."""
    loop = Loop(2)
    loop.begin(EASY, deadline_s=90.0, job_id=1)
    loop.round()
    loop.begin(EASY, deadline_s=50.0, job_id=2)
    loop.jobs.confirm_paused = lambda job_id, now_s: None  # type: ignore[method-assign]
    loop.run(GRACE_S + 0.5)
    assert "granted" == loop.job(2).state


def test_the_outlook_of_a_job_that_comes_second_counts_the_first() -> None:
    """It begins when the other is done."""
    loop = trained(Loop(2))
    loop.begin(EASY, deadline_s=40.0, job_id=1)
    loop.round()
    first_s = loop.job(1).outlook.finish_s
    second = loop.begin(EASY, deadline_s=50.0, job_id=2)
    assert second.finish_s > first_s


def test_a_job_that_is_put_back_is_told_that_it_is_late() -> None:
    """Another one came that is due first, and leaves too little time: the server may plan anew."""
    loop = trained(Loop(2, limit_c=200.0))
    fastest = 4 * 20 * 2.362 / 0.9
    assert loop.begin(40.0 * fastest, deadline_s=60.0, job_id=1).meets
    loop.round()
    assert loop.begin(30.0 * fastest, deadline_s=45.0, job_id=2).meets
    loop.round()
    told = loop.jobs.grant_of(1, loop.now_s).outlook
    assert not told.meets
    assert told.reason.startswith("after job 2, which is due first: ")


def test_training_pauses_at_the_limit_and_comes_back_cooler() -> None:
    """The guard looks at the sensors in every round; the release takes its time."""
    loop = trained(Loop(limit_c=60.0))
    loop.begin(HARD)
    loop.run(1.0)
    assert loop.grant is not None
    loop.temp_c = 65.0
    rounds = loop.run(2.0)
    assert "paused" == loop.job().state
    assert any(done.reason and "the guard allows training 0.00 W" in done.reason for done in rounds)
    loop.temp_c = 40.0
    loop.run(HOLD_S / 2)
    assert "paused" == loop.job().state
    loop.run(HOLD_S * 2)
    assert "granted" == loop.job().state


def test_training_comes_back_at_once_where_applications_hold_the_clock_up() -> None:
    """The coolest mode is that of their clock, not of one that the cluster does not have now."""
    loop = trained(Loop(limit_c=60.0))
    loop.inner.opps = HIKEY.highest_opps
    loop.begin(HARD)
    loop.run(1.0)
    loop.temp_c = 65.0
    loop.run(2.0)
    assert "paused" == loop.job().state
    loop.temp_c = 40.0
    loop.run(READINGS + HOLD_S + 1.0)
    assert "granted" == loop.job().state


def test_near_the_limit_training_steps_down() -> None:
    """To what takes less, not to nothing."""
    loop = trained(Loop(limit_c=60.0))
    loop.begin(HARD)
    loop.run(1.0)
    before = _watts(loop)
    loop.temp_c = 59.6
    loop.run(STEP_S + 1.0)
    assert 0.0 < _watts(loop) < before


def _watts(loop: Loop) -> float:
    """What job 1 takes by its tables."""
    grant, opps = loop.grant, loop.round(migrates=False).opps
    if grant is None:
        return 0.0
    unit = HIKEY.cluster_of_core[grant.cores[0]]
    modes = loop.policy.listening.modes_of(loop.job())
    mode = modes.find(grant.setting, unit, len(grant.cores), opps[unit])
    assert mode is not None
    return float(modes.table.mean_w[mode])


def test_a_board_that_is_too_hot_without_training_does_not_train() -> None:
    """And the job hears why; the applications are the ordinary policy's business."""
    loop = Loop(limit_c=30.0)
    loop.temp_c = 44.0
    loop.apps = tuple(app(core, core, needs_ghz=4.4) for core in (4, 5, 6, 7))
    loop.run(1.0)
    expected = loop.begin(EASY)
    loop.run(1.0)
    assert loop.grant is None
    assert math.inf == expected.finish_s
    assert "come too near to the limit of 30 degC" in expected.reason
    assert loop.now_s - 0.5 <= loop.inner.migrated_s[-1]


@pytest.mark.parametrize("why", ["heat", "another job"])
def test_a_job_that_gets_nothing_from_the_beginning_is_told_to_wait_once(why: str) -> None:
    """Its client would begin by itself where nothing was decided about it."""
    loop = Loop(2, limit_c=30.0 if why == "heat" else 65.0)
    if why == "heat":
        loop.temp_c = 44.0
        loop.apps = tuple(app(core, core, needs_ghz=4.4) for core in (4, 5, 6, 7))
    else:
        loop.begin(EASY, deadline_s=30.0, job_id=1)
    loop.run(1.0)
    loop.begin(EASY, deadline_s=90.0, job_id=2)
    assert 0 == loop.job(2).number
    rounds = loop.run(2.0)
    assert ("paused", None, 1) == (loop.job(2).state, loop.job(2).grant, loop.job(2).number)
    told = [one for done in rounds for one in done.decision.grants if one.job_id == 2]
    assert [True] == [one.pauses for one in told]


def test_a_job_may_ask_for_a_lower_limit_and_less_power() -> None:
    """Both hold for training beside the board's own."""
    loop = Loop(limit_c=80.0, limits=JobLimits(temp_c=45.0, power_w=0.3))
    loop.begin(HARD)
    loop.round()
    assert 0.0 < _watts(loop) <= 0.3
    loop.temp_c = 50.0
    loop.run(2.0)
    assert loop.grant is None


def test_a_job_whose_power_limit_leaves_nothing_never_trains() -> None:
    """It is late from the beginning."""
    loop = trained(Loop(limits=JobLimits(power_w=0.01)))
    assert not loop.begin(EASY).meets
    loop.run(2.0)
    assert loop.grant is None


def test_a_job_that_has_more_slack_than_planned_goes_to_a_cooler_mode() -> None:
    """After a while, and only if it is worth it."""
    loop = Loop()
    loop.apps = tuple(app(core, core, needs_ghz=1.8) for core in (0, 1, 2, 3))
    loop.begin(EASY * 2, deadline_s=100.0)
    loop.run(1.0)
    loop.pace = 3.0
    before = _watts(loop)
    loop.run(4 * LOOK_AGAIN_S)
    assert _watts(loop) < before


TABLE = mode_table(HIKEY, capability())


@given(
    mode=st.integers(0, len(TABLE) - 1),
    cap_w=st.floats(0.0, 6.0),
    little=st.integers(0, 6),
    big=st.integers(0, 8),
)
def test_what_the_guard_leaves_is_never_hotter_than_the_plan(
    mode: int, cap_w: float, little: int, big: int
) -> None:
    """Fewer cores of the same cluster, no higher clock, no more power; and the fastest of these."""
    loop = Loop()
    modes, opps = JobModes(HIKEY, loop.job()), (little, big)
    left = modes.cooler(mode, cap_w, opps)
    allowed = np.array([modes.mean_w(row, opps) for row in range(len(TABLE))])
    inside = (TABLE.unit == TABLE.unit[mode]) & (TABLE.cores <= TABLE.cores[mode])
    inside &= (TABLE.opp <= TABLE.opp[mode]) & (allowed <= min(cap_w, modes.mean_w(mode, opps)))
    if left is None:
        assert not inside.any()
        return
    assert inside[left]
    fastest = max(
        TABLE.progress_per_s[modes.running(int(row), opps)] for row in np.flatnonzero(inside)
    )
    assert fastest == TABLE.progress_per_s[modes.running(left, opps)]
