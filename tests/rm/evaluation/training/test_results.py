"""Result files of comparisons with training: what is written is what is read."""

from pathlib import Path

import pytest

from platforms.errors import InvalidInput
from rm.evaluation.training.comparison import mark_attainable
from rm.evaluation.training.results import read_training_results, write_training_results
from tests.rm.evaluation.training.fakes import outcomes
from tests.rm.readings import HIKEY


def test_what_was_written_is_read_back(tmp_path: Path) -> None:
    """All of it, in the same order."""
    written = mark_attainable(outcomes())
    write_training_results(tmp_path, written, board=HIKEY, training="tiny-4")
    assert written == read_training_results(tmp_path)


def test_equal_outcomes_give_equal_bytes(tmp_path: Path) -> None:
    """In every file."""
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        write_training_results(tmp_path / name, outcomes(), board=HIKEY, training="tiny-4")
    for path in (tmp_path / "a").iterdir():
        assert path.read_bytes() == (tmp_path / "b" / path.name).read_bytes()


def test_files_of_two_evaluations_are_not_mixed(tmp_path: Path) -> None:
    """The digest in each tells."""
    for name, seeds in (("a", (1, 2)), ("b", (1, 3))):
        (tmp_path / name).mkdir()
        found = outcomes(seeds=seeds)
        write_training_results(tmp_path / name, found, board=HIKEY, training="tiny-4")
    name = "training_rounds.parquet"
    (tmp_path / "a" / name).write_bytes((tmp_path / "b" / name).read_bytes())
    with pytest.raises(InvalidInput, match="must be as one evaluation wrote them"):
        read_training_results(tmp_path / "a")
