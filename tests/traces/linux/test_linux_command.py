"""Tests of ``ilgov trace record --on linux`` and ``ilgov trace join`` as a user runs them."""

from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from platforms.board_file import load_board
from tests.conftest import Ended
from tests.platforms.linux.fake_root import FakeRoot
from tests.traces.linux.fake_programs import plan_for
from traces.linux.run_log import LogHeader, RunLog, log_path, read_log
from traces.trace_metadata import trace_metadata

Ilgov = Callable[..., Ended]

BOARD = load_board("hikey970")

SUITE = """
[[programs]]
name = "adi"
argv = ["/usr/bin/adi", "1000"]

[[programs]]
name = "lu"
argv = ["/usr/bin/lu"]
cwd = "/tmp"
env = { OMP_NUM_THREADS = "1" }
"""


@pytest.fixture
def root(tmp_path: Path) -> FakeRoot:
    """A HiKey 970."""
    return FakeRoot(tmp_path / "root")


@pytest.fixture
def words(root: FakeRoot, tmp_path: Path) -> tuple[object, ...]:
    """A small recording on it."""
    suite = tmp_path / "programs.toml"
    suite.write_text(SUITE)
    plan = ("--scenarios", 2, "--design", "corners", "--settle-s", 30, "--window-s", 10)
    out = ("--out", tmp_path / "t.parquet")
    return (
        "trace",
        "record",
        "--on",
        "linux",
        "--root",
        root.path,
        "--programs",
        suite,
        *plan,
        *out,
    )


def test_a_dry_run_says_how_long_it_takes_and_touches_nothing(
    ilgov: Ilgov, root: FakeRoot, tmp_path: Path, words: tuple[object, ...]
) -> None:
    """Whoever has to leave the board alone for a night wants to know."""
    before = root.snapshot()
    code, stdout, stderr = ilgov(*words, "--dry-run")
    assert (0, "") == (code, stderr)
    first, second = stdout.splitlines()
    assert first.startswith("2 scenarios, ")
    assert " real runs on hikey970 (fan) by design corners; held out for validation: " in first
    assert " runs, each 30 s to settle and 10 s to measure: about " in second
    assert before == root.snapshot()
    assert {"root", "programs.toml"} == {path.name for path in tmp_path.iterdir()}


def test_a_machine_without_counters_is_refused_and_left_as_it_was(
    ilgov: Ilgov, root: FakeRoot, tmp_path: Path, words: tuple[object, ...]
) -> None:
    """A recording measures instructions; the fake kernel counts none."""
    before = root.snapshot()
    code, _, stderr = ilgov(*words)
    assert 2 == code
    assert "counters must be there: a recording measures instructions (got: " in stderr
    assert before == root.snapshot()
    assert {"root", "programs.toml"} == {path.name for path in tmp_path.iterdir()}


def test_linux_needs_programs_and_the_simulated_board_has_none(
    ilgov: Ilgov, root: FakeRoot, tmp_path: Path
) -> None:
    """Each in one line."""
    out = ("trace", "record", "--out", tmp_path / "t.parquet")
    assert (
        "--on linux needs --programs FILE"
        in ilgov(*out, "--on", "linux", "--root", root.path).stderr
    )
    assert (
        "--programs needs --on linux (got --on simulated)"
        in ilgov(*out, "--programs", tmp_path / "p.toml").stderr
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("programs = 1", "must be a TOML file with tables [[programs]] ("),
        ("programs = []", "programs must hold at least one program (got none)"),
        ('[[programs]]\nname = "a b"\nargv = ["/x"]', "programs[0].name must be a name of its own"),
        (SUITE + SUITE, "programs[2].name must be a name of its own"),
        (
            '[[programs]]\nname = "a"\nargv = ["x"]',
            "programs[0].argv must begin with the ",
        ),
        ('[[programs]]\nname = "a"\nargv = []', "programs[0].argv must begin with the "),
        (
            '[[programs]]\nname = "a"\nargv = ["/x"]\ncwd = "tmp"',
            "programs[0].cwd must be an absolute path (got 'tmp')",
        ),
    ],
)
def test_a_file_of_programs_that_cannot_be_started_is_refused(
    ilgov: Ilgov, tmp_path: Path, words: tuple[object, ...], text: str, message: str
) -> None:
    """With the file, the field and what came."""
    (tmp_path / "programs.toml").write_text(text)
    code, _, stderr = ilgov(*words, "--dry-run")
    assert (2, 1) == (code, stderr.count("\n"))
    assert f"ilgov: error: {tmp_path / 'programs.toml'}: {message}" in stderr


def test_programs_can_be_chosen_by_name(ilgov: Ilgov, words: tuple[object, ...]) -> None:
    """Of those in the file."""
    dry = (*words, "--dry-run", "--applications")
    assert "held out for validation: none" in ilgov(*dry, "lu").stdout
    expected = "--applications must be programs of --programs: adi, lu (got 'cbench')"
    assert expected in ilgov(*dry, "cbench").stderr


# --- the log -------------------------------------------------------------------------------------


def log_of(tmp_path: Path, rows: int) -> Path:
    """A log with so many of nine rows."""
    plan = plan_for(BOARD)
    header = LogHeader(
        metadata=trace_metadata(BOARD, plan, simulated=False), conduct=plan.conduct, runs=9
    )
    path = log_path(tmp_path / "t.parquet", plan.digest)
    runs = list(plan.runs(plan.scenarios[0], BOARD))
    with RunLog(path, header) as log:
        for number, run in list(enumerate(runs))[:rows]:
            log.add(
                number,
                {
                    "scenario": 0,
                    "application": "adi",
                    "application_core": run.core,
                    "background": list(run.scenario.background),
                    "background_cores": list(run.scenario.background_cores),
                    "opp_index": list(run.opps),
                    "freq_hz": list(BOARD.freqs_hz_at(run.opps)),
                    "rate_ips": 1e9,
                    "l2d_per_s": 1e6,
                    "background_rate_ips": [1e9] * 5,
                    "core_utilisation": [1.0] * 8,
                    "temp_c": 45.0,
                    "temp_samples": 2,
                    "window_s": 2.0,
                    "throttled": False,
                },
            )
    return path


def test_a_log_becomes_traces_on_another_machine(ilgov: Ilgov, tmp_path: Path) -> None:
    """Boards without a Parquet library record too."""
    out = tmp_path / "joined.parquet"
    code, stdout, stderr = ilgov("trace", "join", log_of(tmp_path, 9), "--out", out)
    assert (0, f"{out}: 9 runs\n", "") == (code, stdout, stderr)
    assert 0 == ilgov("trace", "check", out, "--board", "hikey970").code


def test_a_log_that_lacks_runs_is_no_recording(ilgov: Ilgov, tmp_path: Path) -> None:
    """The way out is to go on."""
    path, out = log_of(tmp_path, 7), tmp_path / "joined.parquet"
    code, _, stderr = ilgov("trace", "join", path, "--out", out)
    assert 2 == code
    assert f"{path}: must have all 9 runs (got 7); run the same 'ilgov trace record'" in stderr
    assert not out.exists()


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda lines: [], "line 1 must describe a recording ("),
        (lambda lines: [b"{}\n", *lines[1:]], "line 1 must describe a recording ("),
        (lambda lines: [*lines[:3], b"{\n", *lines[4:]], "line 4 must be a run ("),
    ],
    ids=["empty", "no header", "a damaged line"],
)
def test_what_is_no_log_is_told_with_its_line(
    ilgov: Ilgov,
    tmp_path: Path,
    damage: Callable[[list[bytes]], list[bytes]],
    message: str,
) -> None:
    """A torn last line alone is what a power cut leaves, and is dropped."""
    path = log_of(tmp_path, 9)
    path.write_bytes(b"".join(damage(path.read_bytes().splitlines(keepends=True))))
    code, _, stderr = ilgov("trace", "join", path, "--out", tmp_path / "t")
    assert 2 == code
    assert f"{path}: {message}" in stderr


@pytest.mark.parametrize(("torn", "rows"), [(1, 8), (7, 8), (10**6, 0)])
def test_a_torn_line_is_dropped_and_written_anew(tmp_path: Path, torn: int, rows: int) -> None:
    """Be it the line's end alone that the disk lacks, or half of the first line."""
    path = log_of(tmp_path, 9)
    content = path.read_bytes()
    path.write_bytes(content[: max(len(content) - torn, 20)])
    log_of(tmp_path, 0)
    header, found = read_log(path)
    assert (9, rows) == (header.runs, len(found))
    log_of(tmp_path, 9)
    assert 9 == len(read_log(path)[1])


def test_the_log_of_another_plan_is_not_gone_on_with(tmp_path: Path) -> None:
    """Its runs have other numbers."""
    path = log_of(tmp_path, 2)
    metadata = {"plan_sha256": "other"}
    header = LogHeader(metadata=metadata, conduct=plan_for(BOARD).conduct, runs=9)
    with pytest.raises(ValueError, match="must be the log of this plan"):
        RunLog(path, header)
    assert msgspec.json.decode(path.read_bytes().splitlines()[0])["runs"] == 9
