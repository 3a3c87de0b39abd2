"""Tests of the rival watch: three surprises may happen, the fourth has an author."""

from rm.safety.rival_watch import RivalWatch

KNOB = "/sys/devices/system/cpu/cpufreq/policy0/scaling_setspeed"


def seen(watch: RivalWatch, *times_s: float) -> None:
    """Read-backs that differ, at these times."""
    for time_s in times_s:
        watch.differs(time_s, path=KNOB, written="1018000", found="509000")


def test_a_few_read_backs_are_tolerated() -> None:
    """A user who tries something by hand."""
    watch = RivalWatch()
    seen(watch, 1.0, 2.0, 3.0)
    assert watch.problem(3.0) is None
    assert 3 == watch.seen


def test_one_more_within_ten_seconds_is_a_rival() -> None:
    """The text names the knob, what was written and what was found."""
    watch = RivalWatch()
    seen(watch, 1.0, 2.0, 3.0, 4.0)
    problem = watch.problem(4.0)
    assert problem is not None
    assert problem.startswith(f"{KNOB} must read 1018000 as written (got 509000)")
    assert "ilgov doctor" in problem


def test_the_same_number_over_a_longer_time_is_tolerated() -> None:
    """One every four seconds."""
    watch = RivalWatch()
    for number in range(100):
        seen(watch, 4.0 * number)
        assert watch.problem(4.0 * number) is None


def test_the_problem_ends_when_none_was_seen_for_ten_seconds() -> None:
    """Not earlier: while hands are off nothing is written, and nothing can differ."""
    watch = RivalWatch()
    seen(watch, 1.0, 1.1, 1.2, 1.3)
    assert watch.problem(1.3) is not None
    assert watch.problem(11.2) is not None
    assert watch.problem(11.4) is None
    seen(watch, 11.5)
    assert watch.problem(11.5) is None


def test_limits_can_be_chosen() -> None:
    """Zero tolerance: the first one."""
    watch = RivalWatch(tolerance=0, within_s=1.0)
    seen(watch, 1.0)
    assert watch.problem(1.0) is not None
    assert watch.problem(2.1) is None
