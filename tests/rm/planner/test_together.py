"""The planner against every plan, tried one by one with the same model."""

import math

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from tests.rm.planner.brute_force import Tried, every
from tests.rm.planner.questions import BOARDS, Question, drawn

CLOSE_K = 0.03
"""How near the planner's coolest plan is to the coolest: it ends its passes at 0.02 K."""

many = settings(
    max_examples=25, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True
)


def worth(question: Question, one: Tried, base_w: float, *, in_time: bool) -> float:
    """What the objective says of a plan; powers have the leakage of the limit."""
    if question.objective == "temperature":
        return one.temp_c
    extra_w = 0.0
    if one.mode is not None:
        extra_w = question.table.peak_w[one.mode] - question.table.mean_w[one.mode]
    watts = one.peak_w - extra_w
    return (watts - base_w) / question.progress[one.mode] if in_time else watts


def all_plans(question: Question) -> list[Tried]:
    """Every plan that serves the foreground."""
    limit_c = question.limits.temp_c
    leak_c = limit_c if limit_c < math.inf else question.heat.leak_c
    return list(every(question.heat, question.asked, question.table, leak_c))


def answered(question: Question, tried: list[Tried]) -> tuple[tuple[str, ...], list[Tried], bool]:
    """What must be broken, the plans that break no more, and whether the deadline is kept."""
    limits, left = question.limits, question.left
    if not tried:
        return ("foreground",), [], False
    assume(all(abs(one.temp_c - limits.temp_c) > 1e-3 for one in tried))
    assume(all(abs(one.peak_w - limits.power_w) > 1e-4 for one in tried))
    fits = question.table.memory_bytes <= limits.memory_bytes
    cool = [one for one in tried if one.temp_c <= limits.temp_c]
    kept = [
        one for one in cool if one.peak_w <= limits.power_w and (one.mode is None or fits[one.mode])
    ]
    late = ("deadline",) if left.samples > 0.0 and left.time_s < math.inf else ()
    if not kept:
        paused = [one for one in cool or tried if one.mode is None]
        return (("power",) if cool else ("temperature",)) + late, paused, False
    if left.samples == 0.0:
        return (), [one for one in kept if one.mode is None], False
    progress = question.progress
    trains = [one for one in kept if one.mode is not None]
    if not trains:
        return late, kept, False
    if left.time_s < math.inf:
        soon = [one for one in trains if progress[one.mode] * left.time_s >= left.samples]
        if soon:
            return (), soon, True
    most = max(progress[one.mode] for one in trains)
    return late, [one for one in trains if progress[one.mode] >= most * (1.0 - 1e-6)], False


@pytest.mark.parametrize("name", BOARDS)
@many
@given(seed=st.integers(0, 2**32 - 1))
def test_a_plan_keeps_what_some_plan_keeps_and_none_is_better(name: str, seed: int) -> None:
    """In the order foreground, limits, deadline; then by the objective."""
    question = drawn(name, seed, most=2 if name == "rk3588" else 3)
    found = question.answer()
    tried = all_plans(question)
    broken, candidates, in_time = answered(question, tried)
    if broken == ("foreground",):
        assert "foreground" == found.broken[0]
        return
    if "temperature" in broken:
        assert set(broken) <= set(found.broken) <= {*broken, "power"}
        coolest_c = min(one.temp_c for one in candidates)
        assert coolest_c == pytest.approx(found.temp_c, abs=CLOSE_K)
        return
    assert broken == found.broken
    (same,) = [
        one
        for one in candidates
        if (one.mode, one.cluster, one.opp_index) == (found.mode, found.cluster, found.opp_index)
    ]
    assert same.temp_c == pytest.approx(found.temp_c, abs=CLOSE_K)
    if broken in (("power",), ("power", "deadline")):
        assert same.peak_w == pytest.approx(min(one.peak_w for one in candidates), rel=1e-4)
        return
    base_w = min(one.peak_w for one in tried if one.mode is None)
    least = min(worth(question, one, base_w, in_time=in_time) for one in candidates)
    assert worth(question, same, base_w, in_time=in_time) == pytest.approx(
        least, abs=CLOSE_K if question.objective == "temperature" else 0.0, rel=1e-4
    )
