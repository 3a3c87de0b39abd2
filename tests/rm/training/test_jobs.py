"""Tests of the training jobs' state: every way from one state to another, and what always holds."""

import math
from collections.abc import Callable

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule
from msgspec.structs import replace

from platforms.errors import InvalidInput
from platforms.platform import TrainingGrant
from platforms.training_work import Efficiency
from rm.training.job import EXPIRY_S, GRACE_S, Job, JobLimits
from rm.training.jobs import Overdue, TrainingJobs, UnknownJob
from rm.training.outlook import Outlook
from tests.platforms.programs import HIKEY
from tests.rm.training.capabilities import capability

CURVE = Efficiency((4, 16), (1000.0, 2000.0))
"""A sample of a batch of 16 brings half as far as one of a batch of 4."""


def jobs(count: int = 1, *, curve: Efficiency | None = None) -> TrainingJobs:
    """So many jobs, registered at 0 s, with ids from 1."""
    made = TrainingJobs(HIKEY)
    for number in range(count):
        made.register(capability(curve), name=f"job {number}", now_s=0.0)
    return made


def with_round(count: int = 1, *, curve: Efficiency | None = None) -> TrainingJobs:
    """Jobs that have a round of 100 samples each, due 100 s after it began at 0 s."""
    made = jobs(count, curve=curve)
    for job_id in range(1, count + 1):
        made.begin_round(job_id, number=1, samples=100.0, deadline_s=100.0, now_s=0.0)
    return made


def grant(job_id: int = 1, *, setting: int = 0, cores: tuple[int, ...] = (0, 1)) -> TrainingGrant:
    """What a policy may decide; without cores it pauses the job."""
    return TrainingGrant(job_id, setting, cores)


PAUSE = grant(cores=())


def granted() -> TrainingJobs:
    """One job that was granted two cores at 0 s."""
    made = with_round()
    made.hand_out([grant()], 0.0)
    return made


def revoking() -> TrainingJobs:
    """One job whose grant was taken back at 1 s."""
    made = granted()
    made.hand_out([PAUSE], 1.0)
    return made


def expired() -> TrainingJobs:
    """One job that was not heard of since it was granted two cores at 0 s."""
    made = granted()
    made.overdue(EXPIRY_S)
    return made


def state(made: TrainingJobs, now_s: float) -> str:
    """Of job 1."""
    return made.grant_of(1, now_s).state


def test_a_new_job_waits_and_may_not_train() -> None:
    """It has no round."""
    told = jobs().grant_of(1, 0.0)
    assert ("waiting", (), None, None, 0) == (
        told.state,
        told.cores,
        told.accelerator,
        told.expires_s,
        told.number,
    )


def test_a_round_makes_a_waiting_job_a_paused_one() -> None:
    """It has work and nothing to do it with."""
    assert "paused" == state(with_round(), 0.0)


def test_a_paused_job_that_is_granted_cores_trains() -> None:
    """It hears of cores, knobs and when the grant ends."""
    made = with_round()
    made.hand_out([grant(setting=1)], 2.0)
    told = made.grant_of(1, 3.0)
    assert ("granted", (0, 1), 1, {"batch": 16.0}) == (
        told.state,
        told.cores,
        told.number,
        told.knobs,
    )
    assert EXPIRY_S - 1.0 == told.expires_s
    assert told.pause_within_s is None


def test_the_same_grant_again_is_no_news() -> None:
    """Its number stays, and only the job itself renews it."""
    made = granted()
    made.hand_out([grant()], 3.0)
    told = made.grant_of(1, 3.0)
    assert (1, EXPIRY_S - 3.0) == (told.number, told.expires_s)


def test_another_grant_replaces_the_one_in_force() -> None:
    """There is never more than one."""
    made = granted()
    made.hand_out([grant(setting=1, cores=(4,))], 1.0)
    told = made.grant_of(1, 1.0)
    assert ("granted", (4,), 1, 2) == (told.state, told.cores, told.setting, told.number)


def test_a_job_that_speaks_keeps_its_grant() -> None:
    """Every word counts, from then on."""
    made = granted()
    made.progress(1, samples=1.0, now_s=4.0)
    assert EXPIRY_S == made.grant_of(1, 4.0).expires_s
    assert "granted" == state(made, 4.0 + EXPIRY_S - 0.1)


def test_a_job_whose_steps_are_long_may_be_silent_for_three_of_them() -> None:
    """It can speak but once a step: a batch of 16 takes 2.8 s on one LITTLE core at 509 MHz."""
    made = with_round()
    made.hand_out([grant(setting=1, cores=(0,))], 0.0)
    expected = 3 * 16 * 0.9 / (10 * 0.509)
    assert pytest.approx(expected) == made.grant_of(1, 0.0).expires_s


def test_no_job_may_be_silent_for_ever_whatever_it_says_of_its_steps() -> None:
    """Its cores are others'."""
    setting = replace(capability().settings[0], knobs={"batch": 1e12})
    endless = replace(capability(), settings=(setting, capability().settings[1]))
    made = TrainingJobs(HIKEY)
    made.register(endless, name="endless", now_s=0.0)
    made.begin_round(1, number=1, samples=1.0, deadline_s=1.0, now_s=0.0)
    made.hand_out([grant(setting=0, cores=(0,))], 0.0)
    assert 600.0 == made.grant_of(1, 0.0).expires_s


def test_a_job_that_is_not_heard_of_loses_its_grant() -> None:
    """Its cores are free, and enforcement hears of it."""
    made = granted()
    assert (Overdue(1, "expired"),) == made.overdue(EXPIRY_S)
    told = made.grant_of(1, EXPIRY_S)
    assert ("expired", (), None) == (told.state, told.cores, told.expires_s)
    assert made.planned(EXPIRY_S) is None


def test_an_expired_job_is_granted_nothing_until_it_speaks() -> None:
    """Its cores would be lost to the others."""
    made = expired()
    made.hand_out([grant()], 6.0)
    assert "expired" == state(made, 6.0)
    made.progress(1, samples=1.0, now_s=7.0)
    assert "paused" == state(made, 7.0)
    made.hand_out([grant()], 7.0)
    assert "granted" == state(made, 7.0)


def test_an_expired_job_that_has_paused_is_a_paused_one() -> None:
    """Any word will do."""
    made = expired()
    made.confirm_paused(1, 6.0)
    assert ("paused", ()) == (state(made, 6.0), made.overdue(6.0))


def test_a_revoked_job_keeps_its_cores_while_it_writes_its_checkpoint() -> None:
    """It hears how long it has."""
    told = revoking().grant_of(1, 1.5)
    assert ("revoking", (0, 1), GRACE_S - 0.5, 2) == (
        told.state,
        told.cores,
        told.pause_within_s,
        told.number,
    )


def test_a_second_revoke_gives_no_second_grace() -> None:
    """The policy may say it every round."""
    made = revoking()
    made.hand_out([PAUSE], 2.0)
    assert GRACE_S - 1.0 == made.grant_of(1, 2.0).pause_within_s


def test_a_revoked_job_that_confirms_has_paused() -> None:
    """Nobody has to act."""
    made = revoking()
    made.confirm_paused(1, 2.0)
    told = made.grant_of(1, 2.0)
    assert ("paused", (), None, 3) == (told.state, told.cores, told.pause_within_s, told.number)
    assert () == made.overdue(2.0)


def test_a_revoked_job_whose_grace_is_over_has_paused_as_far_as_it_is_planned_for() -> None:
    """But it may be training still: enforcement hears of it until it confirms."""
    made = revoking()
    late_s = 1.0 + GRACE_S
    assert (Overdue(1, "pause"),) == made.overdue(late_s)
    told = made.grant_of(1, late_s)
    assert ("paused", (), 0.0) == (told.state, told.cores, told.pause_within_s)
    made.confirm_paused(1, late_s + 1.0)
    assert () == made.overdue(late_s + 1.0)


def test_a_revoke_that_is_taken_back_leaves_the_job_with_the_new_grant() -> None:
    """A confirmation that crosses it on the way changes nothing."""
    made = revoking()
    made.hand_out([grant(cores=(2,))], 2.0)
    made.confirm_paused(1, 2.1)
    told = made.grant_of(1, 2.1)
    assert ("granted", (2,), None) == (told.state, told.cores, told.pause_within_s)


def test_a_paused_job_that_trains_on_is_overdue() -> None:
    """It said that it had paused, and did not."""
    made = revoking()
    made.confirm_paused(1, 2.0)
    made.progress(1, samples=4.0, now_s=3.0)
    assert (Overdue(1, "pause"),) == made.overdue(3.0)


def test_a_grant_makes_up_for_a_pause_that_was_ignored() -> None:
    """Whoever froze the job thaws it with it."""
    made = revoking()
    made.overdue(9.0)
    made.hand_out([grant()], 9.0)
    assert ("granted", ()) == (state(made, 9.0), made.overdue(9.0))


@pytest.mark.parametrize("make", [granted, revoking])
def test_a_job_that_has_done_its_round_waits_and_its_cores_are_free(
    make: Callable[[], TrainingJobs],
) -> None:
    """Also if it was to pause anyway."""
    made = make()
    made.progress(1, samples=100.0, now_s=2.0)
    told = made.grant_of(1, 2.0)
    assert ("waiting", (), None) == (told.state, told.cores, told.pause_within_s)
    assert made.planned(2.0) is None
    assert 1 == made.get(1, 2.0).finished_rounds


def test_a_round_is_done_once_whatever_the_job_says_after_it() -> None:
    """A heartbeat may follow the last sample."""
    made = granted()
    for now_s in (2.0, 3.0, 4.0):
        made.progress(1, samples=100.0, now_s=now_s)
    assert 1 == made.get(1, 4.0).finished_rounds


def test_a_round_that_replaces_another_leaves_the_grant() -> None:
    """What the old one lacks is dropped, and counted as missed."""
    made = granted()
    made.progress(1, samples=40.0, now_s=1.0)
    made.begin_round(1, number=2, samples=50.0, deadline_s=10.0, now_s=2.0)
    job = made.get(1, 2.0)
    assert ("granted", 50.0, 1) == (job.state, job.left, job.missed_rounds)


def test_a_round_that_is_dropped_frees_the_cores() -> None:
    """It is missed, and the job waits."""
    made = granted()
    made.drop_round(1, 2.0)
    job = made.get(1, 2.0)
    assert ("waiting", None, 1, 0.0) == (job.state, job.grant, job.missed_rounds, job.left)


def test_a_waiting_job_is_granted_nothing() -> None:
    """A decision may cross the end of its round."""
    made = jobs()
    made.hand_out([grant()], 0.0)
    assert "waiting" == state(made, 0.0)


def test_a_grant_ends_with_its_job() -> None:
    """Whoever speaks of it is told which there are; grants and a second end are passed over."""
    made = granted()
    job = made.get(1, 0.0)
    made.end(1)
    made.end(1)
    made.hand_out([grant()], 1.0)
    assert ("ended", None) == (job.state, job.grant)
    assert () == made.alive(1.0)
    with pytest.raises(UnknownJob, match=r"job must be one that trains here: none \(got 1\)"):
        made.grant_of(1, 1.0)


def test_samples_are_counted_by_what_they_are_worth_in_the_setting_that_the_job_was_told() -> None:
    """A grant that it has not heard of does not change what it did."""
    made = with_round(curve=CURVE)
    made.hand_out([grant(setting=0)], 0.0)
    made.progress(1, samples=0.0, now_s=0.5)  # it hears of the grant by this
    made.hand_out([grant(setting=1)], 1.0)
    made.progress(1, samples=20.0, now_s=2.0)
    assert 20.0 == made.get(1, 2.0).done
    made.progress(1, samples=20.0, now_s=3.0)
    assert (30.0, 40.0) == (made.get(1, 3.0).done, made.get(1, 3.0).samples)


def test_who_knows_the_setting_may_say_it() -> None:
    """A simulated trainer does."""
    made = with_round(curve=CURVE)
    made.progress(1, samples=20.0, now_s=1.0, setting=1)
    assert 10.0 == made.get(1, 1.0).done


def test_the_outlook_of_a_round_that_nothing_can_do_in_time_says_so_at_once() -> None:
    """Four big cores at 2362 MHz do 210 samples/s with the larger batch."""
    expected = jobs().begin_round(1, number=1, samples=2100.0, deadline_s=5.0, now_s=0.0)
    fastest = 4 * 20 * 2.362 / 0.9
    assert not expected.meets
    assert pytest.approx(2100.0 / fastest) == expected.finish_s
    assert pytest.approx(5.0 * fastest) == expected.samples_possible
    assert "even with the board to itself: 10.0 s of work, 5.0 s left" == expected.reason


def test_the_outlook_counts_only_settings_that_fit_the_memory() -> None:
    """A job that may have nothing is late however long it has."""
    made = TrainingJobs(HIKEY)
    made.register(capability(), name="x", limits=JobLimits(memory_bytes=1), now_s=0.0)
    expected = made.begin_round(1, number=1, samples=1.0, deadline_s=9.0, now_s=0.0)
    assert (False, math.inf, 0.0) == (
        expected.meets,
        expected.finish_s,
        expected.samples_possible,
    )
    assert "nothing fits its limits" in expected.reason


def test_a_policys_forecast_is_the_outlook() -> None:
    """It knows of the applications and of the heat."""
    made = jobs()
    late = Outlook(False, 20.0, 50.0, "the applications need both clusters")
    made.forecast_with(lambda job, now_s: late)
    assert late == made.begin_round(1, number=1, samples=9.0, deadline_s=9.0, now_s=0.0)
    assert late == made.grant_of(1, 0.0).outlook


def test_a_policy_that_fails_does_not_keep_a_round_from_beginning() -> None:
    """The outlook is that of the job alone then."""

    def fails(job: Job, now_s: float) -> Outlook:
        raise ZeroDivisionError

    made = jobs()
    made.forecast_with(fails)
    assert made.begin_round(1, number=1, samples=9.0, deadline_s=9.0, now_s=0.0).meets
    assert "paused" == state(made, 0.0)


def test_what_is_foreseen_is_told_with_the_grant() -> None:
    """As soon as the plan says that it is late."""
    made = granted()
    late = Outlook(False, 20.0, 50.0, "hot")
    made.foresee(1, late)
    assert late == made.grant_of(1, 1.0).outlook


def test_the_job_that_is_due_first_is_planned_for() -> None:
    """Of those that have work; of two that are due at once, the older one."""
    made = jobs(3)
    made.begin_round(1, number=1, samples=9.0, deadline_s=30.0, now_s=0.0)
    made.begin_round(2, number=1, samples=9.0, deadline_s=20.0, now_s=0.0)
    made.begin_round(3, number=1, samples=9.0, deadline_s=20.0, now_s=0.0)
    order = []
    while (job := made.planned(1.0)) is not None:
        order.append(job.id)
        made.drop_round(job.id, 1.0)
    assert [2, 3, 1] == order


def test_a_round_whose_deadline_has_passed_holds_up_none_that_can_be_in_time() -> None:
    """It goes on when nobody else has anything to do."""
    made = jobs(2)
    made.begin_round(1, number=1, samples=9.0, deadline_s=10.0, now_s=0.0)
    made.begin_round(2, number=1, samples=9.0, deadline_s=30.0, now_s=0.0)
    planned = [made.planned(now_s) for now_s in (9.0, 10.0)]
    assert [1, 2] == [job.id for job in planned if job is not None]
    made.drop_round(2, 11.0)
    late = made.planned(11.0)
    assert late is not None
    assert 1 == late.id


@pytest.mark.parametrize("limits", [JobLimits(memory_bytes=1), JobLimits(power_w=1e-3)])
def test_a_job_that_its_own_limits_let_train_nowhere_holds_up_nobody(limits: JobLimits) -> None:
    """It hears so at once, even from a policy that knows better."""
    made = TrainingJobs(HIKEY)
    made.forecast_with(lambda job, now_s: Outlook(True, 1.0, 9.0))
    made.register(capability(), name="none", limits=limits, now_s=0.0)
    made.register(capability(), name="other", now_s=0.0)
    said = made.begin_round(1, number=1, samples=9.0, deadline_s=10.0, now_s=0.0)
    assert (False, math.inf) == (said.meets, said.finish_s)
    assert made.planned(1.0) is None
    made.begin_round(2, number=1, samples=9.0, deadline_s=30.0, now_s=1.0)
    other = made.planned(1.0)
    assert other is not None
    assert 2 == other.id


def test_readings_show_what_the_jobs_say() -> None:
    """For boards that cannot count samples themselves."""
    made = granted()
    made.progress(1, samples=8.0, now_s=2.0)
    (shown,) = made.readings(2.0)
    assert (1, 8.0, 4.0, (0, 1), False) == (
        shown.id,
        shown.samples,
        shown.rate,
        shown.cores,
        shown.waits,
    )


@pytest.mark.parametrize("samples", [0.0, -1.0, math.nan, math.inf])
def test_a_round_has_samples_to_do(samples: float) -> None:
    """And a finite number of them."""
    with pytest.raises(InvalidInput, match="samples must be a finite number above 0"):
        jobs().begin_round(1, number=1, samples=samples, deadline_s=1.0, now_s=0.0)


@pytest.mark.parametrize(
    ("field", "value"), [("temp_c", 0.0), ("power_w", -1.0), ("memory_bytes", 0), ("grace_s", -1)]
)
def test_limits_under_which_nothing_runs_are_refused(field: str, value: float) -> None:
    """The message names the field."""
    with pytest.raises(InvalidInput, match=f"limits: {field} must"):
        JobLimits(**{field: value})


def test_a_grant_of_a_setting_that_the_job_does_not_have_is_refused() -> None:
    """No policy should come up with one."""
    with pytest.raises(InvalidInput, match=r"grant of job 1: setting must be below 2 \(got 2\)"):
        with_round().hand_out([grant(setting=2)], 0.0)


JOBS = st.integers(1, 3)
CORES = st.sampled_from([(), (0,), (0, 1), (4, 5, 6)])


class _AnyOrder(RuleBasedStateMachine):
    """Three jobs, and whatever may happen to them, in any order; time only goes on."""

    def __init__(self) -> None:
        super().__init__()
        self.jobs = jobs(3)
        self.now_s = 0.0
        self.told = {1: 0.0, 2: 0.0, 3: 0.0}
        self.ended: set[int] = set()
        self.asked_to_pause: dict[int, float] = {}

    @rule(step_s=st.floats(0.0, 4.0))
    def wait(self, step_s: float) -> None:
        self.now_s += step_s

    @rule(job_id=JOBS, samples=st.floats(1.0, 50.0))
    def begin(self, job_id: int, samples: float) -> None:
        if job_id not in self.ended:
            self.jobs.begin_round(
                job_id, number=1, samples=samples, deadline_s=5.0, now_s=self.now_s
            )

    @rule(job_id=JOBS, samples=st.floats(0.0, 30.0))
    def speak(self, job_id: int, samples: float) -> None:
        if job_id not in self.ended:
            before = self.jobs.get(job_id, self.now_s)
            done, has_round = before.done, before.has_work
            self.jobs.progress(job_id, samples=samples, now_s=self.now_s)
            self.told[job_id] += samples
            if has_round:
                assert done + samples == before.done

    @rule(job_id=JOBS)
    def confirm(self, job_id: int) -> None:
        if job_id not in self.ended:
            was = self.jobs.get(job_id, self.now_s).state
            self.jobs.confirm_paused(job_id, self.now_s)
            if was == "revoking":
                assert "paused" == self.jobs.get(job_id, self.now_s).state

    @rule(job_id=JOBS, cores=CORES, setting=st.integers(0, 1))
    def decide(self, job_id: int, cores: tuple[int, ...], setting: int) -> None:
        self.jobs.hand_out([grant(job_id, cores=cores, setting=setting)], self.now_s)
        if not cores and job_id not in self.ended:
            job = self.jobs.get(job_id, self.now_s)
            assert "granted" != job.state
            if job.state == "revoking":
                by_s = job.pause_by_s
                assert by_s is not None
                assert by_s <= self.now_s + GRACE_S

    @rule(job_id=JOBS)
    def overrun(self, job_id: int) -> None:
        """A revoke that nobody confirms ends in paused."""
        if job_id not in self.ended:
            was = self.jobs.get(job_id, self.now_s).state
            self.now_s += GRACE_S
            if was == "revoking":
                assert "paused" == self.jobs.get(job_id, self.now_s).state
                assert Overdue(job_id, "pause") in self.jobs.overdue(self.now_s)

    @rule(job_id=JOBS)
    def end(self, job_id: int) -> None:
        self.jobs.end(job_id)
        self.ended.add(job_id)

    @invariant()
    def every_job_has_a_grant_exactly_where_it_may_train(self) -> None:
        alive = self.jobs.alive(self.now_s)
        assert {1, 2, 3} - self.ended == {job.id for job in alive}
        for job in alive:
            assert (job.grant is not None) == (job.state in ("granted", "revoking"))
            told = self.jobs.grant_of(job.id, self.now_s)
            assert (told.cores == ()) == (job.grant is None)
            assert (told.expires_s is None) == (job.state != "granted")
            assert job.has_work or job.grant is None

    @invariant()
    def samples_are_counted_once(self) -> None:
        for job in self.jobs.alive(self.now_s):
            assert pytest.approx(self.told[job.id]) == job.samples


TestAnyOrder = _AnyOrder.TestCase
TestAnyOrder.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)
