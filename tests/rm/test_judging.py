"""Tests of judging mappings: when the judge is asked, and what is made of its verdicts."""

import pytest

from rm.evaluation.judging import Looks, Verdict, installed_judge


class Scripted:
    """A judge that gives the verdicts of a list, and counts how often it was asked."""

    def __init__(self, *verdicts: Verdict | None) -> None:
        """In this order."""
        self.left = list(verdicts)

    def __call__(self) -> Verdict | None:
        """The next one."""
        return self.left.pop(0)


def looks(*verdicts: Verdict | None) -> Looks:
    """What comes of these verdicts, one every 5 s."""
    found = Looks(Scripted(*verdicts), 5.0)
    for number in range(1, len(verdicts) + 1):
        found.look(5.0 * number)
    return found


def test_the_judge_is_asked_once_a_period_from_the_first_period_on() -> None:
    """Not at every one of twelve thousand rounds, and at times that add up to no drift."""
    judge = Scripted(*[Verdict(0.0, proven=True)] * 6)
    found = Looks(judge, 0.5)
    asked = []
    for round_ in range(1, 41):
        before = len(judge.left)
        found.look(0.05 * round_)
        asked += [round(0.05 * round_, 2)] * (before - len(judge.left))
    assert [0.5, 1.0, 1.5, 2.0] == asked


def test_verdicts_are_counted() -> None:
    """Within 1 K, short of what the optimum meets, proven; what is short has no excess."""
    found = looks(
        Verdict(0.0, proven=True),
        Verdict(1.0, proven=True),
        Verdict(2.5, proven=False),
        Verdict(None, proven=True),
        None,
    )
    assert (4, 2, 1, 3) == (len(found.verdicts), found.within, found.short, found.proven)
    assert pytest.approx(3.5 / 3) == found.mean_excess_k


def test_without_a_judge_or_with_an_idle_board_nothing_is_known() -> None:
    """None is not zero."""
    nobody = Looks(None, 5.0)
    nobody.look(5.0)
    for found in (nobody, looks(None, None)):
        assert (0, None) == (len(found.verdicts), found.mean_excess_k)


def test_the_oracle_is_installed_as_the_judge() -> None:
    """Found by its name, as a policy is: this floor does not know the one above."""
    factory = installed_judge()
    assert factory is not None
    assert "oracle.judge" == factory.__module__
