"""Tests of the states: hands-off at once, back slowly, and ever more slowly."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rm.safety.states import Health, StateMachine, Transition

WELL = Health()
PROBLEMS = ("sensor", "rival", "policy", "knobs")


def problem(kind: str, text: str = "why") -> Health:
    """One thing that is wrong."""
    return Health(**{kind: text})


def test_it_begins_well() -> None:
    """And stays so without a transition."""
    machine = StateMachine()
    assert machine.update(1.0, WELL) is None
    assert "normal" == machine.state
    assert machine.governs


@pytest.mark.parametrize("kind", PROBLEMS)
def test_every_obstacle_means_hands_off_at_once(kind: str) -> None:
    """In the same round."""
    machine = StateMachine()
    expected = Transition(time_s=3.0, before="normal", after="hands-off", reason="why")
    assert expected == machine.update(3.0, problem(kind))
    assert not machine.governs
    assert ("why", 3.0) == (machine.reason, machine.since_s)


def test_it_comes_back_after_five_seconds_without_an_obstacle() -> None:
    """Counted from the last moment at which there was one."""
    machine = StateMachine()
    machine.update(0.0, problem("sensor"))
    assert machine.update(4.0, problem("rival", "other")) is None
    assert "other" == machine.reason
    assert machine.update(8.9, WELL) is None
    assert "other" == machine.reason
    back = machine.update(9.0, WELL)
    assert Transition(time_s=9.0, before="hands-off", after="normal", reason=None) == back


def test_the_first_look_at_a_well_board_does_not_end_it() -> None:
    """Even if nobody looked for long before: only what was seen counts, from the last obstacle."""
    machine = StateMachine()
    machine.update(0.0, problem("policy"))
    assert machine.update(4.99, WELL) is None
    assert machine.update(5.0, WELL) is not None


def test_every_relapse_doubles_the_pause_up_to_five_minutes() -> None:
    """A rival that comes back is fought ever more rarely."""
    machine, now_s, pauses = StateMachine(), 0.0, []
    for _ in range(9):
        machine.update(now_s, problem("rival"))
        pauses.append(machine.pause_s)
        assert machine.update(now_s + machine.pause_s - 0.01, WELL) is None
        now_s += machine.pause_s
        assert machine.update(now_s, WELL) is not None
        now_s += 1.0
    assert [5.0, 10.0, 20.0, 40.0, 80.0, 160.0, 300.0, 300.0, 300.0] == pauses
    assert 9 == machine.counts["hands-off"]


def test_ten_good_minutes_bring_the_first_pause_back() -> None:
    """A problem once a day is none of its history's."""
    machine = StateMachine()
    machine.update(0.0, problem("rival"))
    machine.update(5.0, WELL)
    machine.update(10.0, problem("rival"))
    assert 10.0 == machine.pause_s
    machine.update(20.0, WELL)
    machine.update(620.0, problem("rival"))
    assert 5.0 == machine.pause_s


def test_a_back_end_that_fails_degrades() -> None:
    """The governor goes on, on the CPU."""
    machine = StateMachine()
    change = machine.update(1.0, problem("backend", "late"))
    assert Transition(time_s=1.0, before="normal", after="degraded", reason="late") == change
    assert machine.governs
    assert machine.update(1.5, problem("backend", "crashed")) is None
    assert "crashed" == machine.reason
    change = machine.update(2.0, WELL)
    assert Transition(time_s=2.0, before="degraded", after="normal", reason=None) == change


def test_hands_off_comes_before_degraded_and_can_end_in_it() -> None:
    """Both may be wrong at once."""
    machine = StateMachine()
    machine.update(0.0, Health(backend="late", sensor="stuck"))
    assert "hands-off" == machine.state
    assert machine.update(4.0, problem("backend")) is None
    machine.update(5.0, problem("backend"))
    assert "degraded" == machine.state


def test_stopped_is_for_ever() -> None:
    """Nothing after it is looked at."""
    machine = StateMachine()
    stop = machine.stop(2.0, "SIGTERM")
    assert Transition(time_s=2.0, before="normal", after="stopped", reason="SIGTERM") == stop
    assert machine.stop(3.0, "again") is None
    assert machine.update(4.0, problem("sensor")) is None
    assert "stopped" == machine.state


some_health = st.builds(
    Health, **{kind: st.sampled_from([None, None, "x"]) for kind in (*PROBLEMS, "backend")}
)


@given(st.lists(st.tuples(st.floats(0.0, 100.0), some_health), max_size=60))
def test_it_never_governs_with_an_obstacle_nor_too_soon_after_one(
    looks: list[tuple[float, Health]],
) -> None:
    """Whatever comes, in whatever order; and each transition starts where the last one ended."""
    machine, now_s, trouble_s, state = StateMachine(), 0.0, None, "normal"
    for passed_s, health in looks:
        now_s += passed_s
        change = machine.update(now_s, health)
        if health.obstacle:
            trouble_s = now_s
            assert not machine.governs
        if machine.governs and trouble_s is not None:
            assert now_s - trouble_s >= 5.0
        if change is not None:
            assert (state, machine.state) == (change.before, change.after)
            assert change.before != change.after
        state = machine.state
