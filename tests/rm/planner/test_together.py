"""The planner against every plan, tried one by one with the same model."""

import dataclasses
import math
from collections import Counter
from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, example, given, settings
from hypothesis import strategies as st

from rm.planner import together
from rm.planner.plans import Limits, Plan, RoundLeft
from rm.planner.together import plan
from rm.planner.traffic import levels_in_time, levels_of_fastest
from tests.rm.mapping.demands import random_demand
from tests.rm.planner.brute_force import Tried, every
from tests.rm.planner.questions import BOARDS, Question, drawn

CLOSE_K = 0.03
"""How near the planner's coolest plan is to the coolest: it ends its passes at 0.02 K."""

many = settings(
    max_examples=15, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True
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


def every_plan(question: Question, load: float, modes: Iterable[int]) -> list[Tried]:
    """Every plan that serves the foreground at a level of traffic, pausing or in these modes."""
    limits = question.limits
    leak_c = limits.temp_c if limits.temp_c < math.inf else question.heat.leak_c
    asked, table = question.asked(load), question.table
    tried = list(every(question.heat, asked, table, [None, *modes], leak_c))
    assume(all(abs(one.temp_c - limits.temp_c) > 1e-3 for one in tried))
    assume(all(abs(one.peak_w - limits.power_w) > 1e-4 for one in tried))
    return tried


class Answer(NamedTuple):
    """What must be broken, among which plans the best is, what is spent without training."""

    broken: tuple[str, ...]
    among: list[Tried]
    in_time: bool = False
    base_w: float = 0.0


def answer(question: Question) -> Answer:
    """By the order in which things are kept, level by level of training's traffic."""
    limits, left, loads = question.limits, question.left, question.loads

    def kept(tried: list[Tried]) -> list[Tried]:
        return [
            one for one in tried if one.temp_c <= limits.temp_c and one.peak_w <= limits.power_w
        ]

    def spent_w(tried: list[Tried]) -> float:
        return min(one.peak_w for one in tried if one.mode is None)

    late: tuple[str, ...] = ()
    if left.samples > 0.0 and left.time_s < math.inf:
        late = ("deadline",)
        for load in levels_in_time(loads, question.progress, question.fast, question.fits):
            tried = every_plan(question, load, np.flatnonzero(question.fast & (loads <= load)))
            soon = [one for one in kept(tried) if one.mode is not None]
            if soon:
                return Answer((), soon, in_time=True, base_w=spent_w(tried))
    if left.samples > 0.0 and question.fits.any():
        for load in levels_of_fastest(loads, question.fits):
            tried = every_plan(question, load, np.flatnonzero(question.fits & (loads <= load)))
            trains = [one for one in kept(tried) if one.mode is not None]
            soon = [one for one in trains if late and question.fast[one.mode]]
            if soon:
                return Answer((), soon, in_time=True, base_w=spent_w(tried))
            if trains:
                most = max(question.progress[one.mode] for one in trains) * (1.0 - 1e-6)
                return Answer(late, [one for one in trains if question.progress[one.mode] >= most])
    tried = every_plan(question, 0.0, ())
    if not tried:
        return Answer(("foreground",), [])
    if kept(tried):
        return Answer(late, kept(tried))
    cool = [one for one in tried if one.temp_c <= limits.temp_c]
    return Answer(("power" if cool else "temperature", *late), cool or tried)


@pytest.mark.parametrize("name", BOARDS)
@many
@given(seed=st.integers(0, 2**32 - 1))
@example(seed=110)
@example(seed=432)
def test_a_plan_keeps_what_some_plan_keeps_and_none_is_better(name: str, seed: int) -> None:
    """In the order foreground, limits, deadline; then by the objective."""
    question = drawn(name, seed, most=2 if name == "rk3588" else 3)
    found, expected = question.answer(), answer(question)
    if expected.broken[:1] == ("foreground",):
        assert "foreground" == found.broken[0]
        return
    if "temperature" in expected.broken:
        assert set(expected.broken) <= set(found.broken) <= {*expected.broken, "power"}
        coolest_c = min(one.temp_c for one in expected.among)
        assert coolest_c == pytest.approx(found.temp_c, abs=CLOSE_K)
        return
    assert expected.broken == found.broken
    (same,) = [
        one
        for one in expected.among
        if (one.mode, one.cluster, one.opp_index) == (found.mode, found.cluster, found.opp_index)
    ]
    assert same.temp_c == pytest.approx(found.temp_c, abs=CLOSE_K)
    if "power" in expected.broken:
        assert same.peak_w == pytest.approx(min(one.peak_w for one in expected.among), rel=1e-4)
        return
    values = [
        worth(question, one, expected.base_w, in_time=expected.in_time)
        for one in (same, *expected.among)
    ]
    close = CLOSE_K if question.objective == "temperature" else 0.0
    assert values[0] == pytest.approx(min(values), abs=close, rel=1e-4)


def test_a_round_is_called_late_only_where_it_is() -> None:
    """Where much traffic of training leaves no plan, less of it may."""
    for seed in range(100, 200):
        question = drawn("jetson-nano", seed)
        found = question.answer()
        if "deadline" in found.broken and question.left.samples > 0.0:
            assert found.finish_s > question.left.time_s


def test_questions_are_of_every_kind() -> None:
    """The test above would prove little if most questions were alike."""
    kinds = Counter(
        drawn(name, seed, most=3).answer().broken for name in BOARDS for seed in range(50)
    )
    assert {(), ("deadline",), ("power",), ("temperature",), ("foreground",)} <= {
        kind[:1] for kind in kinds
    }
    assert kinds[()] >= 30


def test_training_takes_no_core_of_an_application() -> None:
    """Also where threads stay that need more than the free cores."""
    for seed in range(60):
        question = drawn("hikey970", seed, most=5)
        threads = (0,) * (seed % 4) if question.demand.count > 3 else ()
        with_threads = dataclasses.replace(question, threads=threads)
        found = with_threads.answer()
        if found.mode is None:
            continue
        unit = int(question.table.unit[found.mode])
        used = {g for x, g in zip(found.cluster, found.group, strict=True) if x == unit}
        assert len(used) + question.table.cores[found.mode] <= 4
        assert all(g < 4 for g in used)


def test_threads_that_stay_are_served_where_they_are() -> None:
    """Every application gives its core's speed, shared, to at least what it asks for."""
    met = 0
    for seed in range(80):
        rng = np.random.default_rng(seed)
        board = BOARDS["hikey970"]
        question = dataclasses.replace(
            drawn("hikey970", seed),
            demand=random_demand(board, rng, 5, heaviest=0.3),
            threads=(1, 1),
        )
        found = question.answer()
        assert (1, 1) == found.cluster[3:]
        if "foreground" in found.broken:
            continue
        met += 1
        asked = question.asked(0.0).demand
        pairs = list(zip(found.cluster, found.group, strict=True))
        for k, (x, g) in enumerate(pairs):
            assert asked.served[x][k, found.opp_index[x]] >= pairs.count((x, g))
    assert met > 40


def test_of_more_applications_the_plan_keeps_what_the_divisions_looked_at_keep() -> None:
    """Fourteen on two clusters are too many to try them all; every plan is a legal one."""
    board = BOARDS["hikey970"]
    for seed in range(6):
        rng = np.random.default_rng(seed)
        question = dataclasses.replace(
            drawn("hikey970", seed),
            demand=random_demand(board, rng, 14, heaviest=0.12),
            left=RoundLeft(100.0, 60.0),
            limits=Limits(90.0),
        )
        found = question.answer()
        pairs = list(zip(found.cluster, found.group, strict=True))
        for x in (0, 1):
            own = {g for y, g in pairs if y == x}
            trains = found.mode is not None and question.table.unit[found.mode] == x
            cores = int(question.table.cores[found.mode]) if trains else 0
            assert len(own) + cores <= 4
        present = question.answer_from(found)
        assert len(present.broken) <= len(found.broken)
        if present.broken == found.broken:
            assert present.temp_c <= found.temp_c + CLOSE_K or question.objective == "energy"


@pytest.mark.parametrize("count", [10, 20, 64])
def test_the_more_applications_the_fewer_divisions_are_looked_at(
    count: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So that the governor waits no longer, and the present division is always among them."""
    looked_at: list[np.ndarray] = []
    among = together._Search.among

    def listening(search: together._Search, rows: np.ndarray) -> Plan:
        looked_at.append(rows)
        return among(search, rows)

    monkeypatch.setattr(together._Search, "among", listening)
    rng = np.random.default_rng(0)
    question = dataclasses.replace(
        drawn("hikey970", 0),
        demand=random_demand(BOARDS["hikey970"], rng, count, lightest=0.01, heaviest=0.05),
        left=RoundLeft(100.0, 60.0),
        limits=Limits(90.0),
    )
    present = dataclasses.replace(question.answer(), cluster=(0, 1) * (count // 2))
    looked_at.clear()
    question.answer_from(present)
    assert count * sum(map(len, looked_at)) <= together.MOST_WORK
    assert present.cluster in set(map(tuple, looked_at[0].tolist()))


def test_nothing_left_to_train_plans_the_foreground_alone() -> None:
    """A round that is done, or none."""
    question = drawn("hikey970", 5)
    for left in (None, RoundLeft(0.0, 10.0)):
        found = dataclasses.replace(question, left=left, limits=Limits(200.0)).answer()
        assert found.mode is None
        assert () == found.broken
        assert 0.0 == found.finish_s


def test_clocks_that_the_kernel_does_not_allow_are_not_planned() -> None:
    """`highest_opp` and `lowest_opp` bind every cluster."""
    board = BOARDS["hikey970"]
    question = drawn("hikey970", 7)
    found = plan(
        board,
        question.heat,
        None,
        question.table,
        RoundLeft(1e6, 1.0),
        Limits(500.0),
        lowest_opp=(1, 2),
        highest_opp=(2, 2),
    )
    assert found.opp_index[0] in (1, 2)
    assert 2 == found.opp_index[1]
    assert ("deadline",) == found.broken
