"""Tests of calibration from the recorder's traces: record on a board, calibrate, predict it."""

from pathlib import Path

import numpy as np
import pytest
from msgspec.structs import replace

from platforms.board import Board
from platforms.board_file import load_board
from platforms.errors import InvalidInput
from platforms.linux.probe.board_text import board_text
from platforms.simulated.simulated_board import SimulatedBoard
from rm.main import main
from traces.calibration.calibrate import Calibration, calibrate
from traces.calibration.input_file import read_input

SKELETON = load_board("hikey970")


@pytest.fixture(scope="module")
def hidden() -> Board:
    """The HiKey 970 with a worse die, a worse fan and a warmer room than the skeleton says."""
    thermal = SKELETON.thermal
    links = tuple(
        replace(link, conductance_w_per_k=0.6 * link.conductance_w_per_k) for link in thermal.links
    )
    fan = replace(SKELETON.cooling[0], conductance_w_per_k=0.25, ambient_c=31.0)
    return replace(SKELETON, name="hidden", thermal=replace(thermal, links=links), cooling=(fan,))


@pytest.fixture(scope="module")
def traces(tmp_path_factory: pytest.TempPathFactory, hidden: Board) -> Path:
    """A few scenarios of it, as the recorder writes them."""
    folder = tmp_path_factory.mktemp("recorded")
    (folder / "hidden.toml").write_text(board_text(hidden), "utf-8")
    arguments = [
        *("--board", str(folder / "hidden.toml"), "--out", str(folder / "traces.parquet")),
        *("--scenarios", "12", "--opps", "3", "--variation", "0", "--diversity", "0"),
        *("--held-out-share", "0", "--max-background", "3", "--jobs", "1", "--window-s", "20"),
    ]
    assert 0 == main(["trace", "record", *arguments])
    return folder / "traces.parquet"


@pytest.fixture(scope="module")
def done(traces: Path) -> Calibration:
    """Calibrated from the traces alone; the room's temperature was noted."""
    return calibrate([read_input(str(traces), SKELETON)], SKELETON, data="traces", ambient_c=31.0)


def test_speeds_on_both_clusters_are_found(done: Calibration) -> None:
    """The simulated board runs them by the same model; others beside them slow them a little."""
    for study in done.clusters:
        assert len(study.speeds.programs) >= 4
        assert study.speeds.median_by_clock < 0.01
        assert "nobody measured its rail" == study.why_no_power


def test_temperatures_of_the_hidden_board_are_predicted(done: Calibration, hidden: Board) -> None:
    """With all big cores busy at the top, which no run showed; the skeleton is far off."""
    assert done.heat is not None
    assert done.heat.rms_k(settled=True) < 0.5
    truth, calibrated, skeleton = (
        _hottest_c(board, ambient_c=31.0) for board in (hidden, done.board, SKELETON)
    )
    assert truth == pytest.approx(calibrated, abs=2.0)
    assert abs(skeleton - truth) > 3.0


def _hottest_c(board: Board, *, ambient_c: float) -> float:
    """The mean of the big cores, settled, with four programs on them at the top."""
    from platforms.application import Job
    from platforms.application_file import shipped_applications
    from platforms.platform import Decision

    profile = replace(shipped_applications()["automotive_bitcount"], phases=())
    jobs = [
        Job(id=i, profile=profile, target_ips=1.0, cores=(core,))
        for i, core in enumerate((4, 5, 6, 7))
    ]
    cooling = replace(board.cooling_named("fan"), ambient_c=ambient_c)
    simulated = SimulatedBoard(board, cooling=cooling, rng=np.random.default_rng(0), jobs=jobs)
    simulated.advance_to(1e-6)
    simulated.apply(Decision((), board.highest_opps))
    simulated.settle()
    return float(simulated.temperatures_c[simulated.power.core_nodes[4:]].mean())


def test_what_power_was_modelled_with_is_said(done: Calibration) -> None:
    """The clusters' values are the skeleton's, activities those of the shipped programs."""
    assert SKELETON.clusters == done.board.clusters
    assert {"assumed: as the shipped program of this name"} == {
        one.sources["activity"] for one in done.applications
    }
    assert any("power is the skeleton's" in note for note in done.notes)


def test_traces_of_another_board_are_refused(traces: Path) -> None:
    """By their clusters and cores."""
    with pytest.raises(InvalidInput) as error:
        read_input(str(traces), load_board("rk3588"))
    assert "must be traces of rk3588's 3 clusters and 8 cores (got 2 and 8)" in str(error.value)
