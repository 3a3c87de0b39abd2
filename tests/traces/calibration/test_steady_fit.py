"""Tests of powers and heat fitted together to steady temperatures: random boards, known truth."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest
from msgspec.structs import replace

from benchmarks.hidden_board import COOLINGS, SENSOR, hidden_board
from platforms.application import ApplicationProfile
from platforms.application_file import parse_suite
from platforms.board import Board
from platforms.board_file import load_board, parse_board
from platforms.errors import InvalidInput
from platforms.linux.probe.board_text import board_text
from rm.main import main
from traces.calibration.calibrate import Calibration, calibrate
from traces.calibration.input_file import read_input
from traces.calibration.profiles import suite_text
from traces.calibration.steady_plan import steady_plan
from traces.calibration.steady_rows import NOBODY, SteadyRows, steady_rows

HIKEY = load_board("hikey970")
SKELETON = replace(
    HIKEY,
    cooling=tuple(HIKEY.cooling_named(name) for name in COOLINGS),
    sensors=(replace(HIKEY.sensors[0], name=SENSOR),),
    protection=None,
)
NAMES = ("automotive_bitcount", "automotive_qsort1", "bzip2e", "network_patricia")


@pytest.fixture(scope="module")
def hidden() -> tuple[Board, dict[str, ApplicationProfile]]:
    """A hidden board, and four programs as they run on it."""
    board, programs = hidden_board(4)
    return board, {program.name: program for program in programs if program.name in NAMES}


@pytest.fixture(scope="module")
def recordings(
    tmp_path_factory: pytest.TempPathFactory, hidden: tuple[Board, dict[str, ApplicationProfile]]
) -> list[Path]:
    """A few scenarios under both cooling setups, as the recorder writes them."""
    folder = tmp_path_factory.mktemp("recorded")
    board, programs = hidden
    (folder / "true.toml").write_text(board_text(board), "utf-8")
    (folder / "programs.toml").write_text(suite_text(tuple(programs.values())), "utf-8")
    words = [
        *("trace", "record", "--board", str(folder / "true.toml")),
        *("--applications", str(folder / "programs.toml"), "--scenarios", "10"),
        *("--variation", "0", "--diversity", "0", "--held-out-share", "0", "--jobs", "1"),
        *("--design", "latin:4", "--opps", "4", "--window-s", "20"),
    ]
    files = [folder / f"{cooling}.parquet" for cooling in COOLINGS]
    for cooling, file in zip(COOLINGS, files, strict=True):
        assert 0 == main([*words, "--cooling", cooling, "--out", str(file)])
    return files


@pytest.fixture(scope="module")
def done(recordings: list[Path]) -> Calibration:
    """Calibrated from the recordings and the shipped HiKey 970, whose values are other ones."""
    files = [read_input(str(path), SKELETON) for path in recordings]
    return calibrate(files, SKELETON, data="traces", power_from_heat=True)


def test_held_out_temperatures_are_predicted_to_the_sensors_noise(done: Calibration) -> None:
    """0.2 to 0.8 K of noise, 20 readings a run; the skeleton is kelvins off."""
    assert done.steady is not None
    assert done.steady.held_out_rms_k < 0.4
    assert done.steady.rms_k <= done.steady.held_out_rms_k


def test_what_temperatures_tell_is_found(
    done: Calibration, hidden: tuple[Board, dict[str, ApplicationProfile]]
) -> None:
    """The air, and how the big core's power grows from point to point."""
    truth = hidden[0]
    assert done.steady is not None
    for setup in truth.cooling:
        found = done.steady.factors[f"air.{setup.name}"]
        assert found.told
        assert setup.ambient_c == pytest.approx(found.value, abs=0.7)
    true, fitted, skeleton = (_points(board) for board in (truth, done.board, SKELETON))
    assert true == pytest.approx(fitted, rel=0.1)
    assert true != pytest.approx(skeleton, rel=0.1)


def _points(board: Board) -> list[float]:
    """Core power relative to that at the top, at the points that were recorded."""
    opps = board.clusters[1].opps
    return [opps[index].core_busy_w / opps[-1].core_busy_w for index in (0, 3, 5)]


def test_one_scale_of_power_is_the_skeletons_and_says_so(done: Calibration) -> None:
    """Twice the power through half the resistance reads the same."""
    usual, fitted = (board.clusters[1].opps[-1] for board in (SKELETON, done.board))
    leak = [
        board.clusters[1].leakage_w_per_v3 * usual.volt_v**3 for board in (SKELETON, done.board)
    ]
    assert usual.core_busy_w - leak[0] == pytest.approx(fitted.core_busy_w - leak[1], rel=1e-4)
    assert "the scale is held" in done.board.clusters[1].sources["opps.core_busy_w"]
    assert any("the scale of all powers is assumed" in note for note in done.notes)
    assert HIKEY.thermal.nodes == done.board.thermal.nodes


def test_what_is_not_told_is_called_assumed(done: Calibration) -> None:
    """No sensor sits in the little cluster: how its cores' heat leaves them stays unknown."""
    assert done.steady is not None
    assert not done.steady.factors["conductance.little.neighbours"].told
    assert "near the skeleton's" in (done.board.thermal.sources["links.conductance_w_per_k"])


def test_files_read_back(done: Calibration) -> None:
    """As a board and as a suite, with the fitted activities."""
    assert done.board == parse_board(board_text(done.board), origin="board")
    suite = parse_suite(suite_text(done.applications), origin="suite")
    assert set(NAMES) == set(suite)
    for profile in suite.values():
        assert profile.sources["activity"].startswith(("fitted: steady", "assumed: steady"))


def test_a_known_air_temperature_is_kept(recordings: list[Path]) -> None:
    """It is no parameter, then."""
    rows, profiles = _rows(recordings)
    plan = steady_plan(SKELETON, rows, ambient_known=True)
    assert {"air.fan", "air.passive"} < plan.pinned
    assert profiles


def test_predictions_are_those_of_the_simulated_board(recordings: list[Path]) -> None:
    """At the prior: power, leakage's feedback and the sensor's place, settled."""
    from oracle.whatif import Wanted, WhatIf

    rows, profiles = _rows(recordings)
    row = int(np.argmax((rows.program != NOBODY).sum(axis=1)))
    one = rows.where(np.arange(len(rows)) == row)
    cores = np.flatnonzero(one.program[0] != NOBODY)
    names = [one.programs[one.program[0, core]] for core in cores]
    apps = [
        Wanted(i, replace(profiles[name], activity=0.7), 0, 1.0, 1, (int(core),))
        for i, (name, core) in enumerate(zip(names, cores, strict=True))
    ]
    cooling = SKELETON.cooling_named(one.coolings[one.cooling[0]])
    opps = tuple(int(opp) for opp in one.opp[0])
    models = WhatIf(SKELETON, cooling)
    placement = tuple(app.cores for app in apps)
    rates = models.rates_ips(apps, placement, opps)
    busy = one.busy_share.copy()
    for app, core, rate_ips in zip(apps, cores, rates, strict=True):
        index = SKELETON.cluster_of_core[core]
        cluster = SKELETON.clusters[index]
        busy[0, core] = app.profile.on(cluster).cpi * rate_ips / cluster.freqs_hz[opps[index]]
    expected = models.evaluate(apps, placement, opps).sensor_c
    told = dataclasses.replace(one, busy_share=busy)
    plan = steady_plan(SKELETON, told)
    assert expected == pytest.approx(plan.predict(plan.prior, told)[0], abs=0.02)


def _rows(recordings: list[Path]) -> tuple[SteadyRows, dict[str, ApplicationProfile]]:
    from platforms.application_file import shipped_applications

    profiles = shipped_applications()
    files = [read_input(str(path), SKELETON) for path in recordings]
    return steady_rows([f.recorded for f in files if f.recorded], SKELETON, profiles), profiles


def test_other_measurements_are_refused(tmp_path: Path) -> None:
    """Rails tell power by themselves."""
    from tests.traces.calibration.toy_measurements import measured
    from traces.calibration.calibrate import study_steady
    from traces.calibration.input_file import InputFile

    table = measured(np.random.default_rng(0))
    file = InputFile(tmp_path / "rails.parquet", table, None, "fan")  # type: ignore[arg-type]
    with pytest.raises(InvalidInput, match="--power heat needs traces of 'ilgov trace record'"):
        study_steady([file], SKELETON, {}, ambient_known=False, rng=np.random.default_rng(0))


def test_the_report_shows_what_was_held_out_and_every_parameter(
    recordings: list[Path], tmp_path: Path
) -> None:
    """By the command, which says the same in its summary and in JSON."""
    (tmp_path / "skeleton.toml").write_text(board_text(SKELETON), "utf-8")
    words = [*map(str, recordings), "--board", str(tmp_path / "skeleton.toml"), "--power", "heat"]
    report = tmp_path / "report.html"
    out = ["--out", str(tmp_path / "out.toml"), "--report", str(report)]
    assert 0 == main(["board", "calibrate", *words, *out])
    page = report.read_text("utf-8")
    assert "Steady temperatures, by powers and heat fitted together" in page
    for name in ("conductance.ambient.passive", "point.big.2362", "activity.bzip2e"):
        assert name in page
    assert "held at the skeleton" in page
