"""Power traces: blocks in any order, read piece by piece, refused with their place."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from platforms.errors import InvalidInput
from platforms.floorplan.power_trace import PowerTrace
from platforms.floorplan.trace_run import run_trace
from tests.platforms.floorplan.conftest import PTRACE

Write = Callable[[str, str], Path]
NAMES = ("core0", "core1", "cache")


def test_columns_may_stand_in_any_order(write: Write) -> None:
    """The mean is in the floorplan's order, the rows are in the trace's."""
    trace = PowerTrace(write("a.ptrace", PTRACE), NAMES)
    assert ("cache", "core0", "core1") == trace.header
    done = run_trace(trace)
    assert 3 == done.steps
    assert [1.0, 0.25, 0.5] == pytest.approx(list(done.mean_power_w))


def test_a_long_trace_is_never_held_as_a_whole(write: Write) -> None:
    """The first rows come when only a part of the file was read; no batch is larger."""
    rows = 100_000
    trace = PowerTrace(write("long.ptrace", "core0 core1 cache\n" + "1 2 3\n" * rows), NAMES)
    seen = 0
    for batch in trace.batches():
        seen += len(batch)
        assert batch.size <= 1 << 17
        if seen < rows:
            assert trace.bytes_read < trace.path.stat().st_size
    assert rows == seen


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("core1", "core9", "line 1, column 3: must name blocks of the floorplan .got 'core9'"),
        ("core1", "Core0", "line 1, column 3: must name each block once .*as in column 2"),
        ("\tcore1", "", "line 1: must name every block of the floorplan .missing: .'core1'"),
        ("2.0\t0.25", "2.0", "line 4: must have 3 columns, as the first line .got 2"),
        ("2.0\t", "2.0\t7\t", "line 4: must have 3 columns, as the first line .got 4"),
        ("2.0", "hot", "line 4, column 2: power of core0 must be a number .got 'hot'"),
        ("2.0", "nan", "line 4, column 2: power of core0 must be a number"),
        ("2.0", "inf", "line 4, column 2: power of core0 must be a number"),
        ("2.0", "2_0", "line 4, column 2: power of core0 must be a number"),
        ("2.0", "-2.0", "line 4, column 2: power of core0 must not be negative .got -2.0"),
        ("2.0\t0.25", "1e308\t1e308", "line 4: powers must have a finite sum"),
        ("2.0\t0.25\n", "2.0\t0.2", "line 4: must end with a line break"),
    ],
)
def test_a_wrong_trace_is_refused_with_file_line_and_column(
    write: Write, old: str, new: str, message: str
) -> None:
    """Unknown and missing blocks, columns too many or too few, and what is no power."""
    assert old in PTRACE
    path = write("bad.ptrace", PTRACE.replace(old, new, 1))
    with pytest.raises(InvalidInput, match=rf"bad\.ptrace, {message}"):
        run_trace(PowerTrace(path, NAMES))


@pytest.mark.parametrize(
    ("text", "message"),
    [("", "must begin with the blocks' names"), ("core0 core1 cache\n", "at least one row")],
)
def test_an_empty_trace_is_refused(write: Write, text: str, message: str) -> None:
    """No names, or no powers."""
    with pytest.raises(InvalidInput, match=message):
        run_trace(PowerTrace(write("empty.ptrace", text), NAMES))


def test_empty_lines_between_rows_are_passed_over(write: Write) -> None:
    """As in HotSpot."""
    batches = list(PowerTrace(write("a.ptrace", PTRACE.replace("\n", "\n\n")), NAMES).batches())
    assert (1, 3) == (len(batches), len(np.concatenate(batches)))
