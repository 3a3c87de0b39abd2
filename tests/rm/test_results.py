"""Tests of the results on disk: they come back as they were, as a whole or not at all."""

from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from msgspec.structs import replace

from platforms.errors import InvalidInput
from rm.evaluation import outcome_files
from rm.evaluation.outcome import EpisodeOutcome
from rm.evaluation.results import read_results, write_results
from tests.rm import fake_outcomes

FILES = ("applications.parquet", "episodes.parquet", "timeline.parquet")


@pytest.fixture(scope="module")
def outcomes() -> tuple[EpisodeOutcome, ...]:
    """Two policies, one cooling, two seeds."""
    return fake_outcomes.outcomes(policies=("topil", "oracle"), coolings=("fan",), seeds=(2, 1))


def write(folder: Path, outcomes: tuple[EpisodeOutcome, ...]) -> None:
    """Write outcomes of the fake board."""
    write_results(folder, outcomes, board=fake_outcomes.board())


def contents(folder: Path) -> dict[str, bytes]:
    """The bytes of every file in a folder, hidden ones included."""
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def test_outcomes_come_back_equal_and_in_order(
    tmp_path: Path, outcomes: tuple[EpisodeOutcome, ...]
) -> None:
    """Whatever is plotted later must be what was simulated."""
    write(tmp_path, outcomes)
    assert outcomes == read_results(tmp_path)


def test_what_is_not_known_comes_back_as_not_known(
    tmp_path: Path, outcomes: tuple[EpisodeOutcome, ...]
) -> None:
    """None must not turn into NaN, zero or False."""
    unknown = tuple(replace(app, attainable=None, end_s=None) for app in outcomes[0].applications)
    episode = replace(outcomes[0], applications=unknown, runaway_s=None)
    hot = replace(outcomes[1], runaway_s=12.5)
    write(tmp_path, (episode, hot))
    assert (episode, hot) == read_results(tmp_path)


def test_an_episode_without_applications_or_timeline_comes_back(
    tmp_path: Path, outcomes: tuple[EpisodeOutcome, ...]
) -> None:
    """A seed may have no arrival before its horizon."""
    empty = replace(outcomes[0], applications=(), timeline=())
    write(tmp_path, (empty, outcomes[1]))
    assert (empty, outcomes[1]) == read_results(tmp_path)


def test_equal_outcomes_give_equal_bytes(
    tmp_path: Path, outcomes: tuple[EpisodeOutcome, ...]
) -> None:
    """The same seed has to reproduce the same files."""
    write(tmp_path / "a", outcomes)
    write(tmp_path / "b", outcomes)
    assert list(FILES) == sorted(contents(tmp_path / "a"))
    assert contents(tmp_path / "a") == contents(tmp_path / "b")


def test_a_failure_leaves_the_earlier_results_untouched(
    tmp_path: Path, outcomes: tuple[EpisodeOutcome, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two new files beside an old one would be read as one evaluation."""
    write(tmp_path, outcomes)
    before = contents(tmp_path)
    write_table = outcome_files.write_table

    def fail_at_the_last(path: Path, table: pa.Table, *, kind: str, metadata: Any) -> None:
        if kind == "timeline":
            raise OSError("no space left on device")
        write_table(path, table, kind=kind, metadata=metadata)

    monkeypatch.setattr(outcome_files, "write_table", fail_at_the_last)
    with pytest.raises(OSError, match="no space"):
        write(tmp_path, outcomes[:2])
    assert before == contents(tmp_path)


def test_files_of_two_evaluations_are_refused(
    tmp_path: Path, outcomes: tuple[EpisodeOutcome, ...]
) -> None:
    """Copying one file over by hand must not mix two evaluations."""
    write(tmp_path / "a", outcomes)
    write(tmp_path / "b", (replace(outcomes[0], energy_j=1.0), *outcomes[1:]))
    (tmp_path / "b" / "episodes.parquet").replace(tmp_path / "a" / "episodes.parquet")
    with pytest.raises(InvalidInput, match="must be as one evaluation wrote them"):
        read_results(tmp_path / "a")


@pytest.mark.parametrize("missing", FILES)
def test_a_missing_file_is_named(
    tmp_path: Path, outcomes: tuple[EpisodeOutcome, ...], missing: str
) -> None:
    """The user has to know which of the three is gone."""
    write(tmp_path, outcomes)
    (tmp_path / missing).unlink()
    with pytest.raises(InvalidInput, match=missing):
        read_results(tmp_path)


def test_two_episodes_of_the_same_policy_cooling_and_seed_are_refused(
    tmp_path: Path, outcomes: tuple[EpisodeOutcome, ...]
) -> None:
    """Their rows could not be told apart when they are read."""
    with pytest.raises(ValueError, match=r"\('topil', 'fan', 2\) once"):
        write(tmp_path, (*outcomes, outcomes[0]))
    assert not list(tmp_path.iterdir())
