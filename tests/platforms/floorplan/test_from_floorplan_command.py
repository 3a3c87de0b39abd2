"""``ilgov board from-floorplan``: what it prints and writes, and that a fault writes nothing."""

import io
import re
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from platforms.board_file import load_board
from platforms.floorplan.power_trace import PowerTrace
from platforms.floorplan.progress import Progress
from platforms.floorplan.shipped import shipped_floorplans
from tests.platforms.floorplan.conftest import CONFIG, FLP, MATERIALS, PTRACE

Ilgov = Callable[..., Any]
VERB = ("board", "from-floorplan")


def geometry(chip: dict[str, Path]) -> list[Any]:
    """The options that name the chip."""
    return ["--flp", chip["flp"], "--config", chip["config"], "--materials", chip["materials"]]


def test_a_floorplan_becomes_the_sections_of_a_board_file(
    ilgov: Ilgov, chip: dict[str, Path], tmp_path: Path
) -> None:
    """Nodes, links, shares of the air and the cooling; cores by their blocks' names."""
    out = tmp_path / "new" / "heat.toml"
    done = ilgov(*VERB, *geometry(chip), "--out", out)
    assert (0, "") == (done.code, done.stderr)
    assert "3 blocks on 4 x 5 mm, 24 nodes, 2.043 K/W from the sink to air of 300 K" in done.stdout
    sections = tomllib.loads(out.read_text())
    cores = {n["name"]: n["core"] for n in sections["thermal"]["nodes"] if "core" in n}
    assert {"core0": 0, "core1": 1} == cores
    assert "cache" == sections["thermal"]["cluster_node"]
    assert 1 == pytest.approx(sum(x["share"] for x in sections["thermal"]["ambient_shares"]))
    assert "package" == sections["cooling"][0]["name"]


def test_a_shipped_floorplan_with_a_board_becomes_a_board(ilgov: Ilgov, tmp_path: Path) -> None:
    """The file is a board that the other commands take."""
    out = tmp_path / "board.toml"
    done = ilgov(*VERB, "--flp", "hikey970", "--board", "hikey970", "--out", out)
    assert (0, "") == (done.code, done.stderr)
    board = load_board(str(out))
    assert load_board("hikey970").clusters == board.clusters
    assert "hikey970-hikey970" == board.name
    shown = ilgov("board", "show", out).stdout
    assert "heat goes to the air by shares from" in shown


def test_a_trace_gives_temperatures_in_hotspots_formats(
    ilgov: Ilgov, chip: dict[str, Path], tmp_path: Path
) -> None:
    """The trace's own order of blocks, a row for each step; all nodes when steady."""
    steady, ttrace = tmp_path / "a.steady", tmp_path / "a.ttrace"
    done = ilgov(
        *VERB, *geometry(chip), "--ptrace", chip["ptrace"], "--steady", steady, "--ttrace", ttrace
    )
    assert 0 == done.code
    lines = ttrace.read_text().splitlines()
    assert "cache\tcore0\tcore1" == lines[0]
    assert 4 == len(lines)
    assert all(re.fullmatch(r"(\d{3}\.\d\d\t){2}\d{3}\.\d\d", line) for line in lines[1:])
    names = [line.split("\t")[0] for line in steady.read_text().splitlines()]
    assert ["core0", "core1", "cache", "iface_core0"] == names[:4]
    assert 24 == len(names)
    assert "3 steps, 0.03 s" in done.stdout
    assert "hottest block when steady: core0" in done.stdout


def test_a_run_started_from_its_steady_state_is_warmer_than_one_from_the_ambient(
    ilgov: Ilgov, chip: dict[str, Path], tmp_path: Path
) -> None:
    """--init, or the package's own init_file, found beside the package too."""
    steady, outs = tmp_path / "a.steady", [tmp_path / f"{i}.ttrace" for i in range(3)]
    run = [*VERB, *geometry(chip), "--ptrace", chip["ptrace"]]
    assert 0 == ilgov(*run, "--steady", steady, "--ttrace", outs[0]).code
    assert 0 == ilgov(*run, "--init", steady, "--ttrace", outs[1]).code
    chip["config"].write_text(CONFIG + "-init_file a.steady\n")
    assert 0 == ilgov(*run, "--ttrace", outs[2]).code
    cold, warm, same = (out.read_text().splitlines()[1].split() for out in outs)
    assert warm == same
    assert all(float(w) > float(c) for w, c in zip(warm, cold, strict=True))


@pytest.mark.parametrize(
    ("kind", "text", "message"),
    [
        ("flp", FLP[:-20], "chip.flp, line 4"),
        ("flp", FLP.replace("0.00", "0"), "chip.flp, "),
        ("config", CONFIG.replace("-ambient 300", "-ambient 27"), "chip.config, line 7, column 2"),
        ("materials", MATERIALS[:-6], "chip.materials, line 10"),
        ("ptrace", PTRACE[:-8], "chip.ptrace, line 4"),
        ("ptrace", PTRACE.replace("core1", "core7"), "chip.ptrace, line 1, column 3"),
    ],
)
def test_a_wrong_file_ends_with_its_place_and_nothing_written(
    ilgov: Ilgov, chip: dict[str, Path], tmp_path: Path, kind: str, text: str, message: str
) -> None:
    """Exit code 2; what stood in the outputs' places before is still there."""
    chip[kind].write_text(text)
    outs = {name: tmp_path / "out" / name for name in ("steady", "ttrace", "out")}
    outs["steady"].parent.mkdir()
    for path in outs.values():
        path.write_text("old")
    run = [*VERB, *geometry(chip), "--ptrace", chip["ptrace"]]
    done = ilgov(*run, *(word for name, path in outs.items() for word in (f"--{name}", path)))
    assert 2 == done.code
    assert message in done.stderr
    assert ["old"] * 3 == [path.read_text() for path in outs.values()]
    assert 3 == len(list((tmp_path / "out").iterdir()))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--steady", "x"], "--steady needs a power trace"),
        (["--board", "hikey970"], "--board is for the file of --out"),
        (["--ptrace", "{ptrace}", "--steady", "{ptrace}"], "must be different ones"),
        (["--out", "x", "--cores", "core5"], "--cores must name blocks"),
        (["--out", "x", "--board", "hikey970"], "must have a block for each of the 8 cores"),
    ],
)
def test_options_that_do_not_fit_together_are_refused(
    ilgov: Ilgov,
    chip: dict[str, Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    options: list[str],
    message: str,
) -> None:
    """Before anything is written."""
    monkeypatch.chdir(tmp_path)
    words = [word.format(**chip) for word in options]
    done = ilgov(*VERB, *geometry(chip), *words)
    assert 2 == done.code
    assert message in done.stderr
    assert not (tmp_path / "x").exists()


def test_a_floorplan_of_ones_own_needs_a_package(ilgov: Ilgov, chip: dict[str, Path]) -> None:
    """HotSpot's defaults for all of it would be some server's."""
    done = ilgov(*VERB, "--flp", chip["flp"])
    assert (2, True) == (done.code, "--config is required" in done.stderr)


def test_the_help_names_the_floorplans_that_come_with_it(ilgov: Ilgov) -> None:
    """It is written by hand, so that showing it needs no look at the disk."""
    shown = ilgov(*VERB, "--help").stdout
    assert all(name in shown for name in shipped_floorplans())


def test_gaps_and_defaults_are_told(ilgov: Ilgov, chip: dict[str, Path]) -> None:
    """What is not modelled, and what nobody wrote down."""
    chip["flp"].write_text(FLP.replace("cache\t0.004\t", "cache\t0.002\t"))
    out = ilgov(*VERB, *geometry(chip)).stdout
    assert "no block covers 30.0% of the die" in out
    assert "by HotSpot's defaults, as the package leaves them out: t_interface" in out


def test_leakage_and_absurd_heat_are_told(ilgov: Ilgov, chip: dict[str, Path]) -> None:
    """Steady states with leakage, traces without; and watts that were milliwatts."""
    chip["config"].write_text(CONFIG + "-leakage_used 1\n")
    run = [*VERB, *geometry(chip), "--ptrace", chip["ptrace"]]
    assert "steady temperatures with HotSpot's leakage" in ilgov(*run).stdout
    chip["ptrace"].write_text(PTRACE.replace("0.5", "500"))
    runaway = ilgov(*run)
    assert (2, True) == (runaway.code, "thermal runaway" in runaway.stderr)
    chip["config"].write_text(CONFIG)
    assert "are the trace's powers in watts?" in ilgov(*run).stdout


def test_progress_is_told_every_five_seconds(chip: dict[str, Path]) -> None:
    """The share of the file, the time simulated and the time to go."""
    trace = PowerTrace(chip["ptrace"], ("core0", "core1", "cache"))
    now, out = [0.0], io.StringIO()
    progress = Progress(trace, 0.01, lambda: now[0], out)
    for now[0], steps in ((4.0, 100), (5.0, 200), (6.0, 300)):
        progress(steps)
    assert "32% of chip.ptrace: 2 s simulated, 0.4 per second, 11 s to go\n" == out.getvalue()
