"""Tests of ``ilgov evaluate --plant``: policies know another board than the one they govern."""

from collections.abc import Callable
from pathlib import Path

import pytest
from msgspec.structs import replace

from platforms.board import Board
from platforms.board_file import load_board
from platforms.errors import InvalidInput
from platforms.linux.probe.board_text import board_text
from rm.evaluation.episode import EpisodeSetup, run_episode
from rm.evaluation.kept import KeptEpisodes
from rm.evaluation.plant import check_plant
from rm.evaluation.results import read_results
from tests.conftest import Ended
from traces.store import read_table

Ilgov = Callable[..., Ended]

BOARD = load_board("hikey970")
SHORT = ("--cooling", "fan", "--seeds", 1, "--arrivals", 3, "--interarrival-s", 1, "--jobs", 1)
OPTIONS = (*SHORT, "--duration-s", 20, "--judge-s", 0)


@pytest.fixture(scope="module")
def plant() -> Board:
    """The HiKey 970 with cores that give their heat to the die badly, under another name."""
    links = tuple(
        replace(link, conductance_w_per_k=0.3 * link.conductance_w_per_k)
        for link in BOARD.thermal.links
    )
    thermal = replace(BOARD.thermal, links=links)
    return replace(BOARD, name="true", title="The true board", thermal=thermal)


@pytest.fixture
def plant_file(tmp_path: Path, plant: Board) -> Path:
    """It as a file."""
    path = tmp_path / "true.toml"
    path.write_text(board_text(plant), "utf-8")
    return path


def test_heat_is_the_plants_and_both_boards_are_named(
    ilgov: Ilgov, tmp_path: Path, plant_file: Path
) -> None:
    """In the results' metadata, in the report and in what is printed."""
    words = ("--policies", "gts-performance", *OPTIONS)
    code, stdout, stderr = ilgov(
        "evaluate", "--plant", plant_file, "--out", tmp_path / "out", *words
    )
    assert (0, "") == (code, stderr)
    assert 0 == ilgov("evaluate", "--out", tmp_path / "own", *words).code
    hot, cool = (read_results(tmp_path / name)[0] for name in ("out", "own"))
    assert hot.mean_hottest_c > cool.mean_hottest_c + 1.0
    assert hot.instructions == pytest.approx(cool.instructions)
    metadata = read_table(tmp_path / "out" / "episodes.parquet", kind="episodes")[1]
    assert ("true", "hikey970") == (metadata["board"], metadata["policies_board"])
    own = read_table(tmp_path / "own" / "episodes.parquet", kind="episodes")[1]
    assert "policies_board" not in own
    sentence = "policies know HiKey 970 (board file hikey970); what they govern is The true board"
    assert sentence in stdout
    assert sentence in (tmp_path / "out" / "report.html").read_text()


def test_the_oracle_sees_the_plant(plant: Board) -> None:
    """Whatever board the other policies know, its episode on the plant is the same."""
    from platforms.application_file import find_applications
    from rm.evaluation.workload import WorkloadParameters

    wrong = replace(BOARD, name="wrong", leakage=replace(BOARD.leakage, ref_temp_c=40.0))
    setups = [
        EpisodeSetup(
            board=board,
            plant=true,
            cooling="fan",
            policy="oracle",
            seed=1,
            profiles=find_applications(["parsec"]),
            workload=WorkloadParameters(arrivals=4, interarrival_s=2.0),
            duration_s=20.0,
        )
        for board, true in ((plant, None), (wrong, plant))
    ]
    assert run_episode(setups[0]) == run_episode(setups[1])


def test_a_kept_episode_is_not_taken_for_one_on_another_plant(tmp_path: Path, plant: Board) -> None:
    """The plant is part of the key by which episodes are found again."""
    kept = KeptEpisodes(tmp_path)
    setup = EpisodeSetup(board=BOARD, cooling="fan", policy="gts-qos", seed=0, profiles=())
    paths = {kept.place(replace(setup, plant=true)).path for true in (None, BOARD, plant)}
    assert 3 == len(paths)


def test_a_plant_of_another_structure_is_refused(ilgov: Ilgov, tmp_path: Path) -> None:
    """The message names what differs, both sides; nothing is written."""
    words = ("--policies", "gts-qos", *OPTIONS)
    out = tmp_path / "out"
    code, _, stderr = ilgov("evaluate", "--plant", "hikey960", "--out", out, *words)
    assert 2 == code
    assert "--plant must have the frequencies of --board hikey970, little 509/1018/" in stderr
    assert not out.exists()


@pytest.mark.parametrize(
    ("what", "other"),
    [
        ("sensors", replace(BOARD, sensors=(replace(BOARD.sensors[0], name="soc"),))),
        (
            "clusters",
            replace(
                BOARD, clusters=(replace(BOARD.clusters[0], cores=(0, 1, 2)), BOARD.clusters[1])
            ),
        ),
    ],
)
def test_what_differs_is_named(what: str, other: Board) -> None:
    """Clusters with their cores, frequencies, sensors."""
    with pytest.raises(InvalidInput, match=f"--plant must have the {what} of --board hikey970"):
        check_plant(BOARD, other)
