"""Tests of a recording as files: the same bytes whatever happens on the way."""

import signal
from collections.abc import Callable
from pathlib import Path

import msgspec
import numpy as np
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from platforms.board_file import load_board
from tests.started_command import started
from traces.plan import Plan, draw_scenarios, opp_grid
from traces.recording import forget, is_recorded, parts_folder, record
from traces.schema import board_digest
from traces.store import read_table

BOARD = load_board("hikey970")
NAMES = ("bzip2e", "telecom_CRC32", "automotive_susan_s")


def plan(scenarios: int = 4, *, cooling: str = "fan", opps: int = 2) -> Plan:
    """A plan that takes a moment."""
    rng = np.random.default_rng(7)
    return Plan(
        board=BOARD.name,
        board_sha256=board_digest(BOARD),
        applications_sha256="cd",
        cooling=cooling,
        seed=7,
        window_s=3.0,
        variation=0.1,
        diversity=0.2,
        grid=opp_grid(BOARD, opps),
        scenarios=draw_scenarios(BOARD, [NAMES], count=scenarios, most_background=6, rng=rng),
        pools=(NAMES,),
    )


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The recording of `plan()` that nothing disturbed."""
    out = tmp_path_factory.mktemp("whole") / "traces.parquet"
    record(BOARD, plan(), out, workers=1)
    return out


def test_the_rows_are_free_cores_times_grid_of_every_scenario(whole: Path) -> None:
    """Nothing is lost between the parts and the whole, and their order is the plan's."""
    table, metadata = read_table(whole, kind="traces")
    expected = [
        (scenario.number, core, list(opps))
        for scenario in plan().scenarios
        for core in plan().free_cores(scenario, BOARD)
        for opps in plan().grid
    ]
    columns = ("scenario", "application_core", "opp_index")
    found = zip(*(table[name].to_pylist() for name in columns), strict=True)
    assert expected == list(found)
    assert plan().run_count(BOARD) == table.num_rows
    assert (plan().digest, board_digest(BOARD)) == (
        metadata["plan_sha256"],
        metadata["board_sha256"],
    )
    assert [list(NAMES)] == metadata["pools"]
    assert is_recorded(whole, plan())
    assert not is_recorded(whole, plan(3))


def test_readings_are_plausible(whole: Path) -> None:
    """Rates of real cores, temperatures between the air's and the kernel's limit."""
    table, _ = read_table(whole, kind="traces")
    rates, temps = pc.min_max(table["rate_ips"]).as_py(), pc.min_max(table["temp_c"]).as_py()
    assert 1e8 < rates["min"] < rates["max"] < 4 * BOARD.clusters[1].freqs_hz[-1]
    assert BOARD.cooling_named("fan").ambient_c < temps["min"] < temps["max"] < 85.0
    assert {3} == set(table["temp_samples"].to_pylist())
    for busy, background in zip(
        table["core_utilisation"].to_pylist(), table["background"].to_pylist(), strict=True
    ):
        assert len(background) + 1 == sum(busy)


def test_two_workers_write_the_same_bytes_as_one(whole: Path, tmp_path: Path) -> None:
    """A faster machine must not get other demonstrations; nothing else is left either."""
    out = tmp_path / "traces.parquet"
    heard: list[int] = []
    done = record(BOARD, plan(), out, workers=2, on_done=heard.append)
    assert whole.read_bytes() == out.read_bytes()
    assert [out] == list(tmp_path.iterdir())
    assert [0, 1, 2, 3, 4] == heard
    assert (plan().run_count(BOARD), 0, 0) == (done.runs, done.throttled, done.reused_parts)


def interrupt_after(count: int) -> Callable[[int], None]:
    """A listener that presses Ctrl-C when that many scenarios are done."""

    def on_done(done: int) -> None:
        if done == count:
            raise KeyboardInterrupt

    return on_done


def interrupted(out: Path) -> list[Path]:
    """The parts that an interrupted recording leaves."""
    with pytest.raises(KeyboardInterrupt):
        record(BOARD, plan(), out, workers=1, on_done=interrupt_after(3))
    assert not out.exists()
    return sorted(parts_folder(out, plan()).iterdir())


def cut_off(path: Path) -> None:
    """As a disk does that lost its power in the middle."""
    path.write_bytes(path.read_bytes()[:-200])


def empty(path: Path) -> None:
    """As a file system does that wrote the name before the content."""
    path.write_bytes(b"")


def flip(path: Path) -> None:
    """Wrong bytes in the middle of the data."""
    content = bytearray(path.read_bytes())
    for place in range(len(content) // 4, len(content) // 4 + 64):
        content[place] ^= 0xFF
    path.write_bytes(content)


def lose_a_run(path: Path) -> None:
    """A sound file, but not all of the part."""
    table = pq.read_table(path)
    pq.write_table(table.slice(1), path)


def of_another_scenario(path: Path) -> None:
    """A sound file under a wrong name."""
    path.write_bytes((path.parent / "scenario-000001.parquet").read_bytes())


def test_finished_parts_are_taken_over(whole: Path, tmp_path: Path) -> None:
    """They are not even written again, and the file has the bytes of an undisturbed one."""
    out = tmp_path / "traces.parquet"
    parts = interrupted(out)
    assert ["scenario-000000.parquet", "scenario-000001.parquet", "scenario-000002.parquet"] == [
        part.name for part in parts
    ]
    written = [part.stat().st_mtime_ns for part in parts]
    heard: list[int] = []

    def hear(done: int) -> None:
        heard.append(done)
        assert written == [part.stat().st_mtime_ns for part in parts]

    assert 3 == record(BOARD, plan(), out, workers=1, on_done=hear).reused_parts
    assert [3, 4] == heard
    assert whole.read_bytes() == out.read_bytes()
    assert [out] == list(tmp_path.iterdir())


@pytest.mark.parametrize("damage", [cut_off, empty, flip, lose_a_run, of_another_scenario])
def test_a_damaged_part_is_recorded_again(
    whole: Path, tmp_path: Path, damage: Callable[[Path], None]
) -> None:
    """A power cut must cost a scenario, not the recording."""
    out = tmp_path / "traces.parquet"
    damage(interrupted(out)[2])
    assert 2 == record(BOARD, plan(), out, workers=1).reused_parts
    assert whole.read_bytes() == out.read_bytes()


def test_parts_of_another_plan_are_not_taken(tmp_path: Path) -> None:
    """Whoever asks for another window gets it."""
    out = tmp_path / "traces.parquet"
    interrupted(out)
    other = msgspec.structs.replace(plan(), window_s=2.0)
    assert 0 == record(BOARD, other, out, workers=1).reused_parts
    assert {2} == set(read_table(out, kind="traces")[0]["temp_samples"].to_pylist())


def test_half_written_files_of_ended_workers_are_removed(tmp_path: Path) -> None:
    """A worker that is ended in the middle of writing cannot do it itself."""
    out = tmp_path / "traces.parquet"
    folder = parts_folder(out, plan())
    folder.mkdir()
    (folder / ".scenario-000001.parquet.x1y2.part").write_bytes(b"PAR1")
    assert all(part.suffix == ".parquet" for part in interrupted(out))


def test_nothing_is_left_of_a_recording_that_was_interrupted_at_once(tmp_path: Path) -> None:
    """An empty folder would only raise questions."""
    with pytest.raises(KeyboardInterrupt):
        record(BOARD, plan(), tmp_path / "t.parquet", workers=1, on_done=interrupt_after(0))
    assert [] == [path for path in tmp_path.rglob("*") if path.is_file()]


def test_forgetting_removes_the_parts_of_this_plan_only(tmp_path: Path) -> None:
    """That is what --fresh does."""
    out = tmp_path / "traces.parquet"
    interrupted(out)
    forget(out, plan(3))
    assert parts_folder(out, plan()).exists()
    forget(out, plan())
    assert [] == list(tmp_path.iterdir())


def test_throttled_runs_are_kept_apart(tmp_path: Path) -> None:
    """Without a fan the busiest runs cannot hold their points; they are counted and marked."""
    out = tmp_path / "traces.parquet"
    done = record(BOARD, plan(cooling="passive-35"), out, workers=1)
    table, _ = read_table(out, kind="traces")
    assert 0 < done.throttled == pc.sum(table["throttled"]).as_py() < done.runs
    measured = table.filter(pc.invert(table["throttled"]))
    assert pc.max(measured["temp_c"]).as_py() < 86.0


def test_a_killed_recording_goes_on_and_ends_with_the_same_bytes(tmp_path: Path) -> None:
    """SIGKILL to the whole group, workers in the midst of writing: as when memory runs out."""
    options = ["--scenarios", "24", "--opps", "4", "--seed", "3", "--jobs", "2"]
    undisturbed, out = tmp_path / "undisturbed.parquet", tmp_path / "killed.parquet"
    with started("trace", "record", "--out", undisturbed, *options) as command:
        assert 0 == command.process.wait()
    with started("trace", "record", "--out", out, *options) as command:
        command.wait_until(
            lambda: len(list(tmp_path.glob("killed.parquet.parts-*/*.parquet"))) >= 3, "three parts"
        )
        code, _, _ = command.send(signal.SIGKILL)
        assert -signal.SIGKILL == code
        command.process.wait()
    assert not out.exists()
    kept = len(list(tmp_path.glob("killed.parquet.parts-*/*.parquet")))
    assert 3 <= kept < 24
    with started("trace", "record", "--out", out, *options) as command:
        stdout, _ = command.process.communicate()
    assert f"{kept} scenarios taken over from an earlier start" in stdout
    assert undisturbed.read_bytes() == out.read_bytes()
    assert {undisturbed, out} == set(tmp_path.iterdir())
