"""Training in the background: who gets which cores, with which setting, how often it is said."""

import pytest

from platforms.platform import TrainingGrant
from rm.training.baselines.background import (
    make_nice,
    make_nice_tuned,
    make_pinned_big,
    make_pinned_little,
    make_pinned_little_tuned,
)
from rm.training.baselines.fixed_setting import promise, tuned_setting
from rm.training.baselines.untrained import make as make_none
from rm.training.registry import TrainingPolicyFactory
from tests.rm.readings import HIKEY
from tests.rm.training.baselines.jobs import at_work, capability, seen

EVERY, LITTLE, BIG = tuple(range(8)), (0, 1, 2, 3), (4, 5, 6, 7)


@pytest.mark.parametrize(
    ("make", "cores"),
    [
        (make_nice, EVERY),
        (make_nice_tuned, EVERY),
        (make_pinned_little, LITTLE),
        (make_pinned_little_tuned, LITTLE),
        (make_pinned_big, BIG),
    ],
)
def test_a_job_with_work_gets_the_cores_of_the_policys_name(
    make: TrainingPolicyFactory, cores: tuple[int, ...]
) -> None:
    """At the lowest priority."""
    context = at_work()
    (grant,) = make(context).train(seen(context, 1.0))
    assert (1, cores, 19) == (grant.job_id, grant.cores, grant.nice)


def test_a_grant_that_is_held_is_not_given_again() -> None:
    """But after another round began it is."""
    context = at_work()
    policy = make_nice(context)
    context.jobs.hand_out(policy.train(seen(context, 1.0)), 1.0)
    assert () == policy.train(seen(context, 1.05))
    context.jobs.drop_round(1, 2.0)
    assert () == policy.train(seen(context, 2.0))
    context.jobs.begin_round(1, number=2, samples=10.0, deadline_s=5.0, now_s=3.0)
    assert [TrainingGrant(1, 0, EVERY, nice=19)] == list(policy.train(seen(context, 3.0)))


def test_plain_policies_train_with_the_jobs_first_setting() -> None:
    """As the server wrote it down."""
    context = at_work()
    assert 0 == make_pinned_big(context).train(seen(context, 1.0))[0].setting


def test_the_tuned_setting_makes_most_progress_of_those_that_fill_the_cores() -> None:
    """A batch below the number of cores leaves some of them without a sample."""
    described = capability()
    for cores in (4, 8):
        chosen = tuned_setting(HIKEY, described, cores)
        batches = [setting.knobs["batch"] for setting in described.settings]
        progress = [
            promise(HIKEY, described, setting, BIG).rate / described.samples_to_goal(setting)
            for setting in range(len(batches))
        ]
        filled = [setting for setting, batch in enumerate(batches) if batch >= cores]
        assert max(progress[setting] for setting in filled) == progress[chosen]
        assert cores <= batches[chosen]


def test_more_cores_promise_more_and_big_ones_more_than_little_ones() -> None:
    """The tables are read at the right places."""
    described = capability()
    one, two = (promise(HIKEY, described, 0, LITTLE[:count]) for count in (1, 2))
    assert one.rate < two.rate
    assert promise(HIKEY, described, 0, LITTLE).rate < promise(HIKEY, described, 0, BIG).rate


def test_training_drives_the_stock_clocks_to_the_top() -> None:
    """The governor sees busy cores, whosever threads they run."""
    context = at_work()
    policy = make_pinned_big(context)
    for number in range(40):
        now_s = 1.0 + 0.05 * number
        shown = seen(context, now_s, samples=float(number))
        opps = policy.scale(shown)
        context.jobs.hand_out(policy.train(shown), now_s)
        context.jobs.progress(1, samples=1.0, now_s=now_s)
    assert (0, 8) == opps


def test_none_never_trains() -> None:
    """Whatever the job wants."""
    context = at_work()
    policy = make_none(context)
    shown = seen(context, 1.0)
    assert ((), ()) == (policy.train(shown), policy.migrate(shown))
    assert (0, 0) == policy.scale(seen(context, 1.05))
