"""Tests of reading and splitting demonstrations: no application is on both sides."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from platforms.errors import InvalidInput
from training.imitation.dataset import (
    Demonstrations,
    Task,
    choose_applications,
    read_demonstrations,
    smallest_pool,
    split_by_application,
)
from training.imitation.train import Validation

NAMES = st.sampled_from(["a", "b", "c", "d", "e"])
SCENARIOS = st.lists(st.tuples(NAMES, st.frozensets(NAMES, max_size=3)), min_size=1, max_size=30)


def of(
    scenarios: list[tuple[str, frozenset[str]]], *, pools: tuple[tuple[str, ...], ...] = ()
) -> Demonstrations:
    """Demonstrations of these applications and backgrounds; the one feature numbers the rows."""
    application, background = (np.empty(len(scenarios), object) for _ in range(2))
    for row, (name, others) in enumerate(scenarios):
        application[row], background[row] = name, others
    numbers = np.arange(len(scenarios), dtype=float)[:, None]
    return Demonstrations(
        task=Task(
            board="toy",
            board_sha256="ab",
            cooling="fan",
            oracle={},
            features=(),
            outputs=("core0",),
        ),
        pools=pools,
        scenario=np.arange(len(scenarios), dtype=np.int32),
        application=application,
        background=background,
        features=numbers,
        labels=numbers,
        temp_c=numbers,
        status=np.zeros_like(numbers, np.int8),
    )


@given(SCENARIOS, st.sets(NAMES, min_size=1))
def test_no_validation_application_leaks_into_training(
    scenarios: list[tuple[str, frozenset[str]]], held_out: set[str]
) -> None:
    """Neither as application nor in the background; every other row is accounted for."""
    demonstrations = of(scenarios)
    try:
        split = split_by_application(demonstrations, sorted(held_out))
    except InvalidInput:
        return
    seen = set(split.training.application).union(*split.training.background)
    assert not seen & held_out
    assert set(split.validation.application) == held_out
    sides = np.concatenate([split.training.features, split.validation.features])
    assert len(np.unique(sides)) == len(sides) == len(scenarios) - split.dropped_rows


def test_rows_with_a_validation_application_in_the_background_are_dropped_and_counted() -> None:
    """They would show the network what validation asks about."""
    rows = [("a", frozenset("b")), ("a", frozenset("c")), ("b", frozenset("a")), ("c", frozenset())]
    split = split_by_application(of(rows), ["b"])
    assert 1 == split.dropped_rows
    assert [1.0, 3.0] == split.training.features[:, 0].tolist()
    assert [2.0] == split.validation.features[:, 0].tolist()


@given(st.integers(2, 12), st.floats(0.01, 0.99), st.integers(0, 5))
def test_a_share_leaves_both_sides_an_application(count: int, share: float, seed: int) -> None:
    """Rounding may empty neither side, and the same seed draws the same names."""
    demonstrations = of([(f"app{number}", frozenset()) for number in range(count)])
    drawn = [
        choose_applications(demonstrations, share=share, rng=np.random.default_rng(seed))
        for _ in range(2)
    ]
    assert drawn[0] == drawn[1]
    assert 1 <= len(drawn[0]) < count
    assert abs(len(drawn[0]) - share * count) <= 1


def test_a_share_takes_whole_groups_of_applications_that_run_among_themselves() -> None:
    """Recorded traces keep some applications apart for validation; no row of theirs is lost."""
    apart = [("x", frozenset("y")), ("y", frozenset("z"))]
    rest = [(name, frozenset("abcde") - {name}) for name in "abcde"]
    demonstrations = of([*rest, *apart])
    for seed in range(5):
        rng = np.random.default_rng(seed)
        names = choose_applications(demonstrations, share=0.3, rng=rng)
        assert ("x", "y") == names
        assert 0 == split_by_application(demonstrations, names).dropped_rows


@pytest.mark.parametrize(
    ("pools", "apart"),
    [
        ((("a", "b", "c"), ("x", "y")), ("x", "y")),
        ((("y", "x"), ("a", "b", "c")), ("x", "y")),
        ((("a", "b", "c"), ("x", "y", "never demonstrated", "neither")), ("x", "y")),
        ((("a", "b"), ("x", "y")), ("x", "y")),
        ((("a", "b", "c", "x", "y"),), None),
        ((("a", "b", "c", "x", "y"), ("never demonstrated",)), None),
        ((), None),
    ],
)
def test_the_smallest_pool_is_the_one_that_was_held_out(
    pools: tuple[tuple[str, ...], ...], apart: tuple[str, ...] | None
) -> None:
    """What the recorder wrote down need not be guessed from who ran beside whom."""
    assert apart == smallest_pool(of([(name, frozenset()) for name in "abcxy"], pools=pools))


def test_a_share_or_names_that_are_asked_for_go_before_the_pools() -> None:
    """A user who names a split gets it."""
    pools = (("a", "b", "c"), ("x", "y"))
    demonstrations = of([(name, frozenset()) for name in "abcxy"], pools=pools)
    for validation, expected, chosen in (
        (Validation(), {"x", "y"}, "recorded apart"),
        (Validation(applications=("b",)), {"b"}, "named"),
        (Validation(share=0.2, seed=0), None, "drawn"),
    ):
        names = set(validation.split(demonstrations).validation_applications)
        assert expected in (names, None)
        assert (len(names) == 1) == (chosen != "recorded apart")
        assert chosen == validation.chosen(demonstrations)


def test_a_share_is_drawn_one_by_one_where_no_group_comes_near() -> None:
    """Each group is twice as large as asked for; the draw is no worse than without groups."""
    pairs = of([(name, frozenset(other)) for name, other in ("ab", "ba", "cd", "dc")])
    drawn = {
        choose_applications(pairs, share=0.25, rng=np.random.default_rng(seed)) for seed in range(9)
    }
    assert {1} == {len(names) for names in drawn}
    assert len(drawn) > 1


def test_a_single_application_cannot_be_split() -> None:
    """The way out is to demonstrate more."""
    demonstrations = of([("a", frozenset())])
    with pytest.raises(
        InvalidInput, match=r"two or more applications to split \(got a\); demonstrate more"
    ):
        choose_applications(demonstrations, share=0.3, rng=np.random.default_rng(0))
    with pytest.raises(InvalidInput, match=r"must leave rows to train on"):
        split_by_application(demonstrations, ["a"])
    with pytest.raises(InvalidInput, match=r"must be at least one out of a \(got none\)"):
        split_by_application(demonstrations, [])


def test_an_unknown_validation_application_is_refused_with_those_known() -> None:
    """A typing mistake must not shrink the validation side unseen."""
    with pytest.raises(InvalidInput, match=r"must be out of a, b \(got x\)"):
        split_by_application(of([("a", frozenset()), ("b", frozenset())]), ["a", "x"])


def test_a_split_without_training_rows_is_refused() -> None:
    """When a validation application is in every background, nothing is left to learn from."""
    rows = [("a", frozenset("b")), ("b", frozenset("a"))]
    with pytest.raises(InvalidInput, match=r"must leave rows to train on \(got b out of a, b, and"):
        split_by_application(of(rows), ["b"])


def test_reading_gives_the_rows_that_were_written(
    toy: SimpleNamespace, demonstrations_path: Path
) -> None:
    """Columns keep their order and the metadata their meaning."""
    demonstrations = read_demonstrations(demonstrations_path)
    assert toy.names == demonstrations.applications
    assert (1500, 13) == demonstrations.features.shape
    assert "aoi_target_ips" == demonstrations.task.features[6].name
    occupied = demonstrations.status == 2
    assert (demonstrations.features[:, -4:] == occupied).all()
    assert (demonstrations.labels[occupied] == -1).all()
    assert (np.isnan(demonstrations.temp_c) == (demonstrations.status != 0)).all()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"status": [0, 3, 1, 1]}, r"status must be 0, 1 or 2 \(got 3 in row 0, place 1\)"),
        (
            {"status": [0] * 4, "temp_c": [1.0, 2.0, float("nan"), 3.0]},
            r"temp_c must be finite where status is 0 \(got nan in row 0, place 2\)",
        ),
        ({"features": [1e39] + [0.0] * 12}, r"features must be of the size of a float32 \(got 1e"),
        ({"labels": [0.0, 1.0]}, r"labels must hold 4 values a row, .* \(got 2\); make the"),
    ],
)
def test_values_that_contradict_the_schema_are_named(
    toy: SimpleNamespace, tmp_path: Path, change: dict[str, Any], message: str
) -> None:
    """A wrong status would be learnt without a word."""
    path = toy.write(tmp_path / "d.parquet", 2, change=lambda row: row | change)
    with pytest.raises(InvalidInput, match=rf"d\.parquet: column {message}"):
        read_demonstrations(path)


def test_metadata_without_sound_features_are_refused(toy: SimpleNamespace, tmp_path: Path) -> None:
    """The policy file is to carry the feature table, so it has to be whole here."""
    path = toy.write(tmp_path / "d.parquet", 2, features=[{"index": 0, "name": "a"}])
    with pytest.raises(InvalidInput, match=r"must name board, features and outputs .*unit"):
        read_demonstrations(path)


def test_metadata_without_the_board_s_digest_are_refused_with_the_way_out(
    toy: SimpleNamespace, tmp_path: Path
) -> None:
    """A policy must know which description of the board it was trained for."""
    path = toy.write(tmp_path / "d.parquet", 2, board_sha256=None)
    with pytest.raises(InvalidInput, match=r"board_sha256.*; make the demonstrations again with"):
        read_demonstrations(path)
