"""Tests of ``ilgov board calibrate`` on toys: what it writes, says and refuses."""

import contextlib
import io
import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from platforms.application_file import load_suite
from platforms.board_file import load_board
from rm.main import main
from tests.traces.calibration.toy_measurements import METADATA, measured
from traces.measurements import KIND
from traces.store import write_table

SKELETON = Path(__file__).parents[3] / "benchmarks" / "calibration" / "odroid-xu3.skeleton.toml"
BROWSER = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
)
Command = Callable[..., tuple[int, str, str]]


@dataclass(frozen=True)
class Written:
    """What one whole run of the command wrote, and the JSON that it printed."""

    board: Path
    report: Path
    document: dict[str, Any]


def toys(path: Path, *, sensor: str, programs: int = 12) -> Path:
    """Run means of programs on the big cluster, with one sensor."""
    metadata = METADATA | {"sensors": [sensor]}
    table = measured(np.random.default_rng(0), programs=programs)
    write_table(path, table, kind=KIND, metadata=metadata)
    return path


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Written:
    """With a sensor of the board: heat is fitted too."""
    folder = tmp_path_factory.mktemp("whole")
    file = toys(folder / "toys.parquet", sensor="C4", programs=6)
    board, report = folder / "board.toml", folder / "report.html"
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        arguments = ["--out", str(board), "--report", str(report), "--json"]
        assert 0 == main(["board", "calibrate", str(file), "--board", str(SKELETON), *arguments])
    return Written(board, report, json.loads(printed.getvalue()))


@pytest.fixture
def command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Command:
    """The command as a function that gives exit code, stdout and stderr.

    Its one sensor is none of the board's, so that there is no heat to fit.
    """
    file = toys(tmp_path / "toys.parquet", sensor="T1")

    def run(*arguments: str) -> tuple[int, str, str]:
        fixed = ("board", "calibrate", str(file), "--board", str(SKELETON))
        own = ("--out", str(tmp_path / "out.toml"), "--cluster-sensor", "big=T1")
        code = main([*fixed, *own, *arguments])
        printed = capsys.readouterr()
        return code, printed.out, printed.err

    return run


def test_the_board_that_is_written_can_be_loaded_and_says_where_it_is_from(
    command: Command, tmp_path: Path
) -> None:
    """Fitted where the data tell, else as the skeleton has it."""
    code, out, _ = command("--data-name", "twelve toys")
    assert 0 == code
    board, skeleton = load_board(str(tmp_path / "out.toml")), load_board(str(SKELETON))
    assert skeleton.clusters[0] == board.clusters[0]
    assert board.clusters[1].sources["opps.core_busy_w"].startswith("fitted: twelve toys, ")
    assert skeleton.thermal == board.thermal
    assert "big speed: median error 0.0% at held-out clocks" in out
    assert "note: cluster little: power is the skeleton's, because no program ran on it" in out
    assert "note: heat is the skeleton's: no file tells power and temperature together" in out
    assert (tmp_path / "out.toml").read_text().startswith("# ODROID-XU3: Samsung Exynos 5422, cal")


def test_the_same_seed_writes_the_same_bytes(command: Command, tmp_path: Path) -> None:
    """Resampling is the only dice there is."""
    command()
    first = (tmp_path / "out.toml").read_bytes()
    command("--seed", "0")
    assert first == (tmp_path / "out.toml").read_bytes()


def test_profiles_come_beside_the_board(command: Command, tmp_path: Path) -> None:
    """They run on it: every core type has a speed."""
    suite = tmp_path / "suite.toml"
    code, _, _ = command(
        *("--applications", str(suite), "--suite", "toys", "--assume-speed", "little=big:1.5:2")
    )
    assert 0 == code
    profiles = load_suite(suite)
    assert 12 == len(profiles)
    board = load_board(str(tmp_path / "out.toml"))
    for profile in profiles.values():
        little, big = (profile.ips(cluster, 1e9) for cluster in board.clusters)
        assert big > little


def test_cooling_setups_that_nobody_measured_stay_and_are_named(written: Written) -> None:
    """The others are fitted, and say so."""
    fan, passive = load_board(str(written.board)).cooling
    assert ("fan", "passive") == (fan.name, passive.name)
    assert load_board(str(SKELETON)).cooling_named("passive") == passive
    assert fan.sources["ambient_c"].startswith(("fitted: ", "assumed: the data ("))
    note = "cooling passive: as the skeleton has it, nobody measured under it"
    assert note in written.document["notes"]


def test_json_has_every_error_with_its_unit(written: Written) -> None:
    """Relative errors, and temperatures in K; what nothing tells is null."""
    document = written.document
    little, big = document["clusters"]
    assert (None, "no program ran on it alone") == (
        little["speed_median_by_clock"],
        little["why_no_power"],
    )
    assert big["speed_median_by_clock"] < 1e-6
    assert big["power_median_of_held_out_programs"] < 1e-6
    assert {f"{mhz:g}" for mhz in range(400, 1900, 200)} == set(big["power_median_by_mhz"])
    assert document["steady_rms_k"] < 1.0
    assert document["transient_rms_k"] is None
    assert {"name", "value", "low", "high", "identified"} == set(document["parameters"][0])


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--cluster-sensor", "huge=C4"], "--cluster-sensor must name one of little, big"),
        (["--cluster-sensor", "big=C9"], "must name sensors of the measurements, T1 (got 'C9')"),
        (["--sensor-place", "C4"], "--sensor-place must be like NAME=VALUE"),
        (["--assume-speed", "little=big"], "--assume-speed must be like little=big:1.55:2.1"),
        (["--assume-speed", "little=big:0:1"], "--assume-speed must be like little=big:1.55:2.1"),
        (["--assume-speed", "little=huge:1:1"], "--assume-speed must name one of little, big"),
        (["--ambient-c", "300"], "--ambient-c must lie in -40.0 ... 60.0"),
        (["--seed", "-1"], "--seed must lie in 0 ... "),
        (["--report", "/"], "--report must be a file"),
        (["absent.parquet"], "absent.parquet"),
    ],
)
def test_wrong_options_are_refused_and_nothing_is_written(
    command: Command, tmp_path: Path, arguments: list[str], said: str
) -> None:
    """With exit code 2 and what to change."""
    code, _, stderr = command(*arguments)
    assert 2 == code
    assert said in stderr
    assert not (tmp_path / "out.toml").exists()


def test_a_board_whose_clusters_do_not_match_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """With both sets of clusters; nothing is written."""
    out, file = tmp_path / "out.toml", str(toys(tmp_path / "toys.parquet", sensor="C4"))
    code = main(["board", "calibrate", file, "--board", "rk3588", "--out", str(out)])
    assert 2 == code
    assert "must be measurements of rk3588's clusters" in capsys.readouterr().err
    assert not out.exists()


def test_when_the_report_cannot_be_made_no_board_is_written(
    command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All files appear, or none."""

    def fail(*_: object, **__: object) -> str:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("traces.calibration.report.report_html", fail)
    code, _, stderr = command("--report", str(tmp_path / "report.html"))
    assert 2 == code
    assert "No space left on device" in stderr
    assert ["toys.parquet"] == [path.name for path in tmp_path.iterdir()]


def test_the_report_lists_every_program_and_loads_nothing(written: Written) -> None:
    """Errors, parameters with intervals, what was held out, the command line."""
    text = written.report.read_text("utf-8")
    body = text[text.index("<body>") :]
    for i in range(6):
        assert 2 <= body.count(f'<td class="text">program{i:02}</td>')
    for said in (
        "Errors where held out",
        "Held out means that the fit which predicts has not seen it",
        "Parameters of big&#x27;s power",
        "growth of leakage",
        "Parameters of the thermal network",
        "not fitted",
    ):
        assert said in body
    assert "src=" not in body
    assert "http" not in body.replace("http://www.w3.org", "")


@pytest.mark.skipif(BROWSER is None, reason="no Chromium is installed")
def test_the_report_draws_in_a_browser_without_a_complaint(written: Written) -> None:
    """Every figure has marks, and nothing is written to the console."""
    from playwright.sync_api import sync_playwright

    path = written.report
    said: list[str] = []
    with sync_playwright() as driver:
        browser = driver.chromium.launch(
            executable_path=BROWSER, args=["--no-sandbox", "--disable-gpu"]
        )
        page = browser.new_page()
        page.on("console", lambda message: said.append(message.text))
        page.on("pageerror", lambda error: said.append(str(error)))
        page.on("request", lambda request: said.append(request.url))
        page.goto(path.as_uri())
        page.wait_for_selector(".plot .main-svg", timeout=30_000)
        marks = page.evaluate(
            "[...document.querySelectorAll('.plot')].map(plot => "
            "plot.querySelectorAll('.trace path').length)"
        )
        browser.close()
    assert [path.as_uri()] == said
    assert 3 == len(marks)
    assert min(marks) > 10
