"""Tests of the causes that are told for outliers."""

import pytest

from traces.calibration.outliers import Workload, causes, explanation


@pytest.mark.parametrize(
    ("workload", "said"),
    [
        (Workload("idle", 1), "nothing runs"),
        (Workload("a", 1, busy_cores=0.2), "mostly idle (0.20 cores busy with 1 running)"),
        (Workload("a", 1, busy_cores=3.1), "has threads of its own (3.1 cores busy"),
        (Workload("a", 1, stall_share=0.6), "memory-bound (60% stall at the top)"),
        (Workload("a", 1, stall_share=0.6, cycles_fall=True), "cycles per instruction fall"),
        (Workload("a", 4, busy_cores=3.9), "4 instances share the L2 and the memory"),
    ],
)
def test_each_known_cause_is_told_by_its_rule(workload: Workload, said: str) -> None:
    """One cause each."""
    found = causes(workload, 4)
    assert 1 == len(found)
    assert said in found[0]


def test_a_workload_like_the_others_is_not_explained() -> None:
    """Whatever could be said of it."""
    memory_bound = Workload("a", 1, stall_share=0.6)
    assert "" == explanation(memory_bound, 4, error=0.02, usual=0.01)
    assert explanation(memory_bound, 4, error=0.04, usual=0.01)


def test_power_that_is_off_alike_at_all_clocks_is_the_programs_own() -> None:
    """Its mean error is then as large as its median one; signs that mix say nothing."""
    plain = Workload("a", 1, busy_cores=1.0, stall_share=0.0)
    more = explanation(plain, 4, error=0.1, usual=0.01, bias=-0.1)
    assert more.startswith("draws more than its counters say at all clocks")
    assert "draws less" in explanation(plain, 4, error=0.1, usual=0.01, bias=0.09)
    assert "no known cause" == explanation(plain, 4, error=0.1, usual=0.01, bias=0.01)


def test_programs_that_never_stall_do_not_wait_for_each_other() -> None:
    """Four of them are no cause by themselves."""
    assert [] == causes(Workload("a", 4, busy_cores=3.9, stall_share=0.0), 4)
    assert 1 == len(causes(Workload("a", 4, busy_cores=3.9, stall_share=0.2), 4))


def test_an_outlier_without_a_known_cause_says_so() -> None:
    """Instead of something that sounds like one; the lowest clock is one."""
    plain = Workload("a", 1, busy_cores=1.0, stall_share=0.1)
    assert "no known cause" == explanation(plain, 4, error=1.0, usual=0.01)
    lowest = explanation(plain, 4, error=1.0, usual=0.01, at_lowest=True)
    assert lowest.startswith("the lowest clock")
