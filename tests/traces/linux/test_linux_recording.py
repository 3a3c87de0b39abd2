"""Tests of recording on a fake root: who is pinned where, what is written, what is given back."""

import itertools
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.platforms.linux.living_board import LivingBoard
from tests.traces.linux.fake_programs import (
    PROGRAMS,
    FakePrograms,
    machine_of,
    plan_for,
)
from traces.check import check_traces
from traces.experiment_protocol import RunSpoiled
from traces.linux.recording import planned_runs, record_runs, take_over, write_traces
from traces.linux.run_log import LogHeader, RunLog
from traces.plan import Conduct, Plan, StartTemperature
from traces.store import read_table
from traces.trace_metadata import trace_metadata

FREE = (0, 4, 5)


@pytest.fixture
def living(tmp_path: Path) -> Iterator[LivingBoard]:
    """A HiKey 970 whose clocks are taken, at 45 degC."""
    with LivingBoard(tmp_path) as board:
        for zone in board.root.zones:
            board.root.set_temp(zone, 45.0)
        board.board.take()
        yield board


def header(living: LivingBoard, plan: Plan) -> LogHeader:
    """Of a recording of this plan."""
    board = living.board.board
    metadata = trace_metadata(board, plan, ["--seed", "0"], simulated=False)
    return LogHeader(metadata=metadata, conduct=plan.conduct, runs=plan.run_count(board))


def recorded(
    living: LivingBoard,
    plan: Plan,
    path: Path,
    *,
    programs: FakePrograms | None = None,
    on_done: Callable[[int], None] = lambda made: None,
) -> int:
    """Record what the log lacks."""
    with RunLog(path, header(living, plan)) as log:
        return record_runs(
            living.board.board,
            plan,
            machine_of(living),
            PROGRAMS,
            log,
            start=(programs or FakePrograms(living)).start,
            clock=living.clock,
            settle_s=60.0,
            on_done=on_done,
        )


def test_every_program_is_on_its_core_and_every_clock_as_the_run_says(
    living: LivingBoard, tmp_path: Path
) -> None:
    """Looked at after each run; the kernel's files say so, not the recorder."""
    plan = plan_for(living.board.board)
    runs = planned_runs(living.board.board, plan)
    programs, seen = FakePrograms(living), []

    def look(made: int) -> None:
        masks = [sorted(living.mask(pid)) for pid in programs.pids()]
        folder = "sys/devices/system/cpu/cpufreq/policy{}/scaling_cur_freq"
        khz = [int(living.root.read(folder.format(core))) for core in (0, 4)]
        seen.append((masks, [1000 * value for value in khz]))

    assert 9 == recorded(living, plan, tmp_path / "log", programs=programs, on_done=look)
    expected = [
        ([[run.core], [1], [2], [3], [6], [7]], list(living.board.board.freqs_hz_at(run.opps)))
        for run in runs
    ]
    assert expected == seen
    assert [] == programs.pids()


def test_all_knobs_are_given_back(living: LivingBoard, tmp_path: Path) -> None:
    """Whatever was written in between."""
    living.board.release()
    before = living.knobs()
    living.board.take()
    recorded(living, plan_for(living.board.board), tmp_path / "log")
    assert before != living.knobs()
    living.board.release()
    assert before == living.knobs()


def test_the_file_is_traces_that_the_check_finds_sound(living: LivingBoard, tmp_path: Path) -> None:
    """Rates by the counters, the sensor's temperature, nothing throttled."""
    board = living.board.board
    plan = plan_for(board)
    recorded(living, plan, tmp_path / "log")
    out = tmp_path / "traces.parquet"
    assert 9 == write_traces(tmp_path / "log", out)
    report = check_traces(out, board=board)
    assert ((), 9, 0) == (report.problems, report.runs, report.throttled)
    table, about = read_table(out, kind="traces")
    assert {45.0} == set(table["temp_c"].to_pylist())
    assert {2} == set(table["temp_samples"].to_pylist())
    assert (False, ["--seed", "0"]) == (about["simulated"], about["recorded_with"])
    cores = sorted(set(table["application_core"].to_pylist()))
    assert list(FREE) == cores
    assert min(table["rate_ips"].to_pylist()) > 0


def test_a_run_that_the_kernel_caps_is_throttled_and_the_next_one_is_tried(
    living: LivingBoard, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A cap on the big cores spoils every run that wants more of them, and no other."""
    board = living.board.board
    living.root.cap(4, board.clusters[1].freqs_hz[4] // 1000)
    recorded(living, plan_for(board), tmp_path / "log")
    write_traces(tmp_path / "log", tmp_path / "t")
    table, _ = read_table(tmp_path / "t", kind="traces")
    expected = [opps[1] > 4 for opps in table["opp_index"].to_pylist()]
    assert expected == table["throttled"].to_pylist()
    assert 3 == sum(expected)
    assert 3 == caplog.text.count("throttled, no measurement")


def test_a_recording_goes_on_with_the_runs_that_are_there(
    living: LivingBoard, tmp_path: Path
) -> None:
    """Ctrl-C in the fourth run costs that run; a torn line costs one more; then it is whole."""
    plan, path = plan_for(living.board.board), tmp_path / "log"

    def interrupt(made: int) -> None:
        if made == 4:
            raise KeyboardInterrupt

    programs = FakePrograms(living)
    with pytest.raises(KeyboardInterrupt):
        recorded(living, plan, path, programs=programs, on_done=interrupt)
    assert [] == programs.pids()
    path.write_bytes(path.read_bytes()[:-7])
    assert 6 == recorded(living, plan, path)
    assert 0 == recorded(living, plan, path)
    assert 9 == write_traces(path, tmp_path / "t")


def test_programs_may_load_before_the_first_run_counts(living: LivingBoard, tmp_path: Path) -> None:
    """Once; the other runs settle and are measured for as long as the plan says."""
    times = [living.clock.now_s()]
    recorded(
        living,
        plan_for(living.board.board),
        tmp_path / "log",
        on_done=lambda made: times.append(living.clock.now_s()),
    )
    each_s = [after - before for before, after in itertools.pairwise(times)]
    assert pytest.approx([Conduct().load_s + 5.0] + [5.0] * 8) == each_s


def test_a_program_that_ended_is_started_anew_and_its_run_made_again(
    living: LivingBoard, tmp_path: Path
) -> None:
    """The row is of a run in which all of them ran."""
    programs = FakePrograms(living)

    def end_one(made: int) -> None:
        if made == 2:
            name, started = programs.started[1]
            assert "lu" == name
            started.how = "ended with exit code 1"

    assert 9 == recorded(
        living, plan_for(living.board.board), tmp_path / "log", programs=programs, on_done=end_one
    )
    assert 7 == len(programs.started)
    assert "lu" == programs.started[-1][0]


def test_a_program_that_fails_again_and_again_ends_the_recording(
    living: LivingBoard, tmp_path: Path
) -> None:
    """With its name; what was recorded is kept."""
    programs = FakePrograms(living)
    start = programs.start

    def failing(program: object) -> object:
        started = start(program)  # type: ignore[arg-type]
        if started.pid > 140:
            started.how = "ended with exit code 3"
        return started

    programs.start = failing  # type: ignore[assignment, method-assign]
    with pytest.raises(RunSpoiled, match="syr2k ended with exit code 3"):
        recorded(living, plan_for(living.board.board), tmp_path / "log", programs=programs)
    assert [] == programs.pids()


def test_a_stale_sensor_ends_the_recording(living: LivingBoard, tmp_path: Path) -> None:
    """Its last value is of another run."""
    recorded(living, plan_for(living.board.board), tmp_path / "log")
    living.root.set_temp(living.root.zones[0], None)
    with pytest.raises(RunSpoiled, match="s old"):
        recorded(living, plan_for(living.board.board, scenarios=2), tmp_path / "other")


def test_programs_pause_while_the_board_cools_to_where_runs_begin(
    living: LivingBoard, tmp_path: Path
) -> None:
    """On this root it never gets colder: the time-out passes, and the row says so."""
    start = StartTemperature(temp_c=40.0, timeout_s=20.0)
    plan = plan_for(living.board.board, conduct=Conduct(settle_s=2.0, start=start))
    programs = FakePrograms(living)
    begin_s = living.clock.now_s()
    recorded(living, plan, tmp_path / "log", programs=programs)
    assert pytest.approx(9 * (20.0 + 2.0 + 2.0), abs=9 * 2.0) == living.clock.now_s() - begin_s
    assert all(one.pauses[:2] == [True, False] for _, one in programs.started)
    write_traces(tmp_path / "log", tmp_path / "t")
    table, _ = read_table(tmp_path / "t", kind="traces")
    assert {False} == set(table["start_reached"].to_pylist())
    assert {45.0} == set(table["start_temp_c"].to_pylist())


def test_runs_of_another_recording_are_taken_over(living: LivingBoard, tmp_path: Path) -> None:
    """And not made again."""
    board = living.board.board
    plan, mine = plan_for(board), {"mine": True}
    with RunLog(tmp_path / "log", header(living, plan)) as log:
        assert 1 == take_over(board, plan, log, {0: {(4, (3, 4)): mine}})
        assert 0 == take_over(board, plan, log, {0: {(4, (3, 4)): mine}})
    assert 8 == recorded(living, plan, tmp_path / "log")
