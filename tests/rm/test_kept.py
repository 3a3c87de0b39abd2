"""Tests of finished episodes that are kept: found by all that they depend on, whole or never."""

from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
from msgspec.structs import replace

from platforms.application_file import find_applications
from platforms.board_file import load_board
from rm.evaluation.comparison import compare, compare_keeping
from rm.evaluation.episode import EpisodeSetup, Finished
from rm.evaluation.kept import KeptEpisodes, read_kept, run_kept
from rm.evaluation.workload import WorkloadParameters

BOARD = load_board("hikey970")
SETUP = EpisodeSetup(
    board=BOARD,
    cooling="fan",
    policy="gts-qos",
    seed=1,
    profiles=find_applications(["parsec"]),
    duration_s=3.0,
)


def setups(count: int = 3) -> list[EpisodeSetup]:
    """Some short episodes."""
    return [replace(SETUP, seed=seed) for seed in range(count)]


def test_an_episode_comes_back_as_it_was(tmp_path: Path) -> None:
    """To the last bit, wall times included."""
    kept = KeptEpisodes(tmp_path)
    episode = kept.place(SETUP)
    assert read_kept(episode, Finished) is None
    assert run_kept(episode) == read_kept(episode, Finished)
    kept.forget()
    assert read_kept(episode, Finished) is None
    assert [] == list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "change",
    [
        lambda s: replace(s, seed=2),
        lambda s: replace(s, policy="gts-ondemand"),
        lambda s: replace(s, cooling="passive"),
        lambda s: replace(s, duration_s=4.0),
        lambda s: replace(s, judge_s=1.0),
        lambda s: replace(s, start_temp_c=30.0),
        lambda s: replace(s, workload=WorkloadParameters(arrivals=2)),
        lambda s: replace(s, profiles=s.profiles[1:]),
        lambda s: replace(s, board=replace(BOARD, protection=None)),
    ],
)
def test_whatever_an_episode_depends_on_makes_another_one(
    tmp_path: Path, change: Callable[[EpisodeSetup], EpisodeSetup]
) -> None:
    """What was kept for one must not be taken for the other."""
    kept = KeptEpisodes(tmp_path)
    assert kept.place(SETUP) == kept.place(replace(SETUP))
    assert kept.place(SETUP).path != kept.place(change(SETUP)).path


def test_a_networks_content_counts_and_not_its_name(tmp_path: Path) -> None:
    """A policy that was trained again decides otherwise."""
    first, same, other = (tmp_path / name for name in ("a.onnx", "b.onnx", "c.onnx"))
    for path, content in ((first, "1"), (same, "1"), (other, "2")):
        path.write_text(content)
    places = [
        KeptEpisodes(tmp_path).place(replace(SETUP, policy_file=path)).path.name
        for path in (first, same, other)
    ]
    assert places[0] == places[1] != places[2]


def test_another_ilgov_keeps_episodes_of_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A change anywhere in its code may change what comes out."""
    before = KeptEpisodes(tmp_path).place(SETUP).path
    monkeypatch.setattr("rm.evaluation.kept.source_digest", lambda: "another")
    assert before != KeptEpisodes(tmp_path).place(SETUP).path


def test_a_damaged_file_is_made_again(tmp_path: Path) -> None:
    """Whatever happened to the disk."""
    kept = KeptEpisodes(tmp_path)
    first, second = compare_keeping(setups(2), kept=kept, workers=1)
    path = kept.place(setups(2)[0]).path
    path.write_bytes(path.read_bytes()[:100])
    again = compare_keeping(setups(2), kept=kept, workers=1)
    assert first.outcome == again[0].outcome
    assert second == again[1]


def test_only_what_is_missing_is_run_and_all_are_heard(tmp_path: Path) -> None:
    """In the order of the setups, and as if all had been run at once."""
    kept = KeptEpisodes(tmp_path)
    middle = compare_keeping(setups()[1:2], kept=kept, workers=1)[0]
    heard: list[object] = []
    found = compare_keeping(setups(), kept=kept, workers=2, on_done=heard.append)
    assert 3 == len(heard)
    assert middle == found[1]
    expected = compare(setups(), workers=1)
    outcomes = [finished.outcome for finished in found]
    assert msgspec.json.encode(expected) == msgspec.json.encode(outcomes)


def test_equal_setups_are_run_once(tmp_path: Path) -> None:
    """A generalisation's conditions share episodes with the comparison."""
    heard: list[object] = []
    kept = KeptEpisodes(tmp_path)
    compare_keeping(setups(1), kept=kept, workers=1)
    found = compare_keeping(setups(2), kept=kept, workers=1, on_done=heard.append)
    assert 2 == len(found) == len(heard)
    assert 2 == len(list((tmp_path / "unfinished").iterdir()))
