"""Threads and crowds: decisions that are tried one by one, with an honest gap."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from oracle.joint import JointSearch
from oracle.joint import search as joint_search
from oracle.whatif import WhatIf
from platforms.application_file import find_applications
from platforms.board_file import load_board
from tests.oracle.brute_force import Question, best
from tests.oracle.small_boards import COOLING, board, wanted


def question(seed: int, *, count: int, threads: int) -> Question:
    """A small board with applications of up to so many threads, and random options."""
    rng = np.random.default_rng(seed)
    sizes = ((2, 2), (1, 2), (2, 1, 1), (1, 1))[int(rng.integers(4))]
    asked = board(rng, sizes=sizes, points=2, uneven=bool(rng.integers(2)))
    return Question(
        models=WhatIf(asked, COOLING),
        apps=wanted(asked, rng, count=count, most=0.6, threads=threads),
        objective=str(rng.choice(["peak", "sensor", "mean", "power"])),
        move_k=float(rng.choice([0.0, 0.2])),
    )


def search_for(asked: Question, *, budget: int = 2_000_000) -> JointSearch:
    """The search that is to answer it."""
    return JointSearch(asked.models, objective=asked.objective, move_k=asked.move_k, budget=budget)


@settings(max_examples=100, deadline=None, derandomize=True)
@given(seed=st.integers(0, 2**32 - 1))
def test_few_decisions_with_threads_are_all_tried(seed: int) -> None:
    """Spread over their cluster as the scheduler does it."""
    asked = question(seed, count=2, threads=3)
    found = search_for(asked).solve(asked.apps)
    shortfall, value = best(asked)
    assert found.optimal
    assert (shortfall, pytest.approx(value)) == (round(found.shortfall, 6), found.value)


@settings(max_examples=40, deadline=None, derandomize=True)
@given(seed=st.integers(0, 2**32 - 1))
def test_where_threads_leave_too_many_decisions_the_gap_is_honest(seed: int) -> None:
    """A walk from better to better ends somewhere, and the bound is still one."""
    asked = question(seed, count=3, threads=3)
    found = search_for(asked, budget=20).solve(asked.apps)
    shortfall, value = best(asked)
    assert (round(found.shortfall, 6), found.value) >= (shortfall, value - 1e-9)
    assert found.lower_bound <= value + 1e-9
    assert round(found.shortfall_bound, 6) <= shortfall


def test_a_crowd_is_decided_with_an_open_gap(monkeypatch: pytest.MonkeyPatch) -> None:
    """Beyond what the exact search has memory for; on fewer it shows how good the walk is."""
    on = load_board("hikey970")
    models = WhatIf(on, on.cooling_named("fan"))
    rng = np.random.default_rng(0)
    programs = find_applications(["parsec"])
    crowd = wanted(on, rng, count=20, most=0.2, programs=programs)
    found = JointSearch(models).solve(crowd)
    assert 20 == len(found.placement)
    assert not found.optimal
    assert not found.misses
    assert on.cooling_named("fan").ambient_c < found.lower_bound < found.value < 45.0
    few = crowd[:8]
    exact = JointSearch(models).solve(few)
    monkeypatch.setattr(joint_search, "MOST", 7)
    walked = JointSearch(models).solve(few)
    assert walked.lower_bound <= exact.lower_bound <= walked.value < exact.value + 3.0
