"""Tests of which runs are compared, and what they are called."""

from typing import Any

import pytest

from platforms.errors import InvalidInput
from training.federated.compare.contestants import Contestant, contestants
from training.federated.system import Setup


def setup(method: str = "own", **changes: Any) -> Setup:
    """A setup of a study."""
    return Setup(**{"system": "s", "method": method, "task": "labels"} | changes)


def names(*setups: Setup) -> list[tuple[str, str]]:
    """Scene and name of each."""
    return [(one.scene, one.name) for one in contestants(setups)]


def test_where_only_methods_differ_their_names_are_enough() -> None:
    """A label says what tells apart, and nothing else."""
    expected = (
        Contestant(scene="labels", name="own", method="own"),
        Contestant(scene="labels", name="base", method="base"),
    )
    assert expected == contestants([setup(), setup("base", options={"rank": 4})])


def test_what_tells_scenes_apart_is_in_their_names() -> None:
    """The task always, other things where they are not the same in all."""
    found = names(setup(alpha=0.1), setup(alpha=1.0), setup(task="tokens", alpha=0.1))
    assert ["labels (alpha 0.1)", "labels (alpha 1)", "tokens (alpha 0.1)"] == [
        scene for scene, _ in found
    ]


def test_options_tell_setups_of_one_method_apart() -> None:
    """Options of other methods do not matter; what is not named is the default."""
    found = names(
        setup(options={"split": 1, "k": 4}),
        setup(options={"split": 2, "k": 4}),
        setup(options={"k": 4}),
        setup("base", options={"split": 9}),
    )
    assert ["own (split 1)", "own (split 2)", "own (split default)", "base"] == [
        name for _, name in found
    ]


def test_an_option_that_differs_between_scenes_is_in_no_name() -> None:
    """Within each scene nothing has to be told apart by it."""
    found = names(
        setup(task="labels", options={"model": "a"}), setup(task="tokens", options={"model": "b"})
    )
    assert [("labels", "own"), ("tokens", "own")] == found


def test_equal_setups_are_refused() -> None:
    """Their runs could not be told apart."""
    with pytest.raises(InvalidInput, match=r"must differ \(got labels: own twice\)"):
        contestants([setup(), setup()])


def test_options_that_make_scenes_are_in_their_names_alone() -> None:
    """A memory budget, say: methods are compared under each of its values."""
    placed = contestants(
        [setup(m, options={"budget": b}) for b in (1, 2) for m in ("own", "base")], ["budget"]
    )
    assert [
        ("labels (budget 1)", "own"),
        ("labels (budget 1)", "base"),
        ("labels (budget 2)", "own"),
        ("labels (budget 2)", "base"),
    ] == [(one.scene, one.name) for one in placed]
