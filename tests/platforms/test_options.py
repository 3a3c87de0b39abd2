"""Every command refuses a wrong option in the same words."""

from argparse import Namespace

import pytest

from platforms.errors import InvalidInput
from platforms.options import check_order, check_ranges, comma_separated


def test_a_value_outside_its_range_is_named_with_option_range_and_value() -> None:
    """The user sees what to type instead."""
    with pytest.raises(InvalidInput, match=r"^--max-jobs must lie in 1 \.\.\. 8 \(got 9\)$"):
        check_ranges(Namespace(max_jobs=9), {"max_jobs": (1, 8)})


def test_not_a_number_is_in_no_range() -> None:
    """``--share nan`` is a number to argparse."""
    with pytest.raises(InvalidInput, match="got nan"):
        check_ranges(Namespace(share=float("nan")), {"share": (0.0, 1.0)})


def test_an_option_that_was_not_given_is_fine() -> None:
    """None stands for a default that is decided later."""
    check_ranges(Namespace(opps=None), {"opps": (2, 10)})


def test_a_lowest_above_a_highest_is_refused_with_both() -> None:
    """One alone would not show what is wrong."""
    args = Namespace(lowest_target=0.5, highest_target=0.4)
    with pytest.raises(InvalidInput, match=r"--lowest-target must not exceed --highest-target \("):
        check_order(args, "lowest_target", "highest_target")


def test_blanks_around_names_do_not_count() -> None:
    """People write lists with blanks."""
    assert ["topil", "oracle"] == comma_separated(" topil ,oracle, ")
