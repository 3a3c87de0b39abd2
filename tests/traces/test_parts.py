"""Tests of files that are made in parts: what is kept or computed again, what a kill costs."""

import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Generator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from platforms.errors import InvalidInput
from tests.traces.toy_traces import METADATA, traces
from traces.parts import LazyJobs, Parts, is_made, join_parts, make_parts
from traces.store import write_table
from traces.workers import finished_jobs

HERE = partial(finished_jobs, workers=1)


def parts_of(folder: Path, *, count: int = 4, digest: str = "ab") -> Parts:
    """The parts of a file of traces."""
    return Parts(out=folder / "t.parquet", kind="traces", count=count, digest=digest)


def toy_part(parts: Parts, number: int) -> bytes:
    """A part with as many rows as its number says: the first has none."""
    rows = traces({}).slice(0, 0) if number == 0 else traces(*[{"scenario": number}] * number)
    return parts.encode(number, rows, METADATA, {"rows": number, "parts": 1})


def make(parts: Parts, **options: Any) -> int:
    """Make the parts that are missing, in this process."""
    return make_parts(parts, partial(toy_part, parts), int, **{"finished_jobs": HERE, **options})


def test_rows_come_in_the_order_of_the_parts_and_figures_are_added_up(tmp_path: Path) -> None:
    """A part may be empty; whatever order they were finished in."""
    parts = parts_of(tmp_path)

    def backwards(
        function: Callable[[Any], bytes], jobs: Sequence[Any]
    ) -> Generator[tuple[int, bytes], None, None]:
        for index in reversed(range(len(jobs))):
            yield index, function(jobs[index])

    assert 0 == make(parts, finished_jobs=backwards)
    joined = join_parts(parts)
    assert [1, 2, 2, 3, 3, 3] == joined.table["scenario"].to_pylist()
    assert {"rows": 6, "parts": 4} == joined.figures


def test_only_what_is_missing_is_asked_for_and_only_when_there_is_room(tmp_path: Path) -> None:
    """The jobs of a large sweep do not fit into memory at once."""
    parts = parts_of(tmp_path)
    make(parts)
    for number in (1, 3):
        parts.path(number).unlink()
    events: list[object] = []

    def job_of(number: int) -> int:
        events.append(number)
        return number

    function = partial(toy_part, parts)
    reused = make_parts(parts, function, job_of, finished_jobs=HERE, on_done=events.append)
    assert 2 == reused
    assert [[0, 2], 1, [1], 3, [3]] == events


def test_a_file_says_of_what_it_was_made(tmp_path: Path) -> None:
    """Nothing is computed twice, and nothing else is taken for it."""
    path = tmp_path / "t.parquet"
    write_table(path, traces({}), kind="traces", metadata=METADATA)
    digest = METADATA["plan_sha256"]
    made = partial(is_made, path, kind="traces", digest_key="plan_sha256")
    assert (True, False) == (made(digest=digest), made(digest="other"))
    path.write_bytes(path.read_bytes()[:-9])
    assert not made(digest=digest)


def test_parts_of_something_else_do_not_count(tmp_path: Path) -> None:
    """Equal beginnings of two digests are no equal digests."""
    make(parts_of(tmp_path, digest="0123456789ab-one"))
    assert [0, 1, 2, 3] == parts_of(tmp_path, digest="0123456789ab-two").missing()


def test_a_part_that_disappears_before_the_end_is_told(tmp_path: Path) -> None:
    """Somebody tidied up too early."""
    parts = parts_of(tmp_path)
    make(parts)
    parts.path(2).unlink()
    with pytest.raises(InvalidInput, match=r"part-000002\.parquet: must be there and sound"):
        join_parts(parts)


def test_lazy_jobs_are_a_sequence() -> None:
    """Whoever computes them may look at any."""
    jobs = LazyJobs([2, 3, 5], lambda number: number * 10)
    assert (3, [20, 30, 50], 50, [30, 50]) == (len(jobs), list(jobs), jobs[-1], list(jobs[1:]))


SCRIPT = """
    import sys, time
    from functools import partial
    from pathlib import Path
    sys.path[:0] = {path!r}
    from tests.traces.test_parts import parts_of, toy_part
    from traces.parts import join_parts, make_parts
    from traces.workers import finished_jobs

    def slow_part(parts, number):
        with (parts.out.parent / "begun").open("a") as log:
            log.write(f"{{number}}\\n")
        time.sleep(0.03)
        return toy_part(parts, number)

    if __name__ == "__main__":
        parts = parts_of(Path({folder!r}), count={count})
        workers = partial(finished_jobs, workers={workers})
        print(make_parts(parts, partial(slow_part, parts), int, finished_jobs=workers))
        print(join_parts(parts).table.num_rows)
"""


@pytest.mark.parametrize("workers", [1, 2])
def test_a_kill_costs_at_most_one_part_for_each_worker(tmp_path: Path, workers: int) -> None:
    """SIGKILL to the whole group: no process has a last word. Counted is what was begun."""
    count, kept_at_least = 24, 6
    script = tmp_path / "script.py"
    options = {"path": sys.path, "folder": str(tmp_path), "count": count, "workers": workers}
    script.write_text(textwrap.dedent(SCRIPT).format(**options))
    command = [sys.executable, str(script)]
    parts = parts_of(tmp_path, count=count)
    with subprocess.Popen(command, start_new_session=True) as process:
        end_s = time.monotonic() + 60
        while len(list(parts.folder.glob("part-*"))) < kept_at_least:
            assert process.poll() is None
            assert time.monotonic() < end_s
            time.sleep(0.005)
        os.killpg(process.pid, signal.SIGKILL)
    kept = len(list(parts.folder.glob("part-*")))
    assert kept_at_least <= kept < count
    again = subprocess.run(command, capture_output=True, text=True, check=True)
    assert f"{kept}\n{sum(range(count))}\n" == again.stdout
    begun = (tmp_path / "begun").read_text().split()
    assert {str(number) for number in range(count)} == set(begun)
    assert len(begun) <= count + workers


def test_the_table_of_a_part_is_checked_when_it_is_made() -> None:
    """A mistake is told where it was made, not where the parts are joined."""
    parts = parts_of(Path("nowhere"))
    wrong = pa.table({"scenario": [1]})
    with pytest.raises(ValueError, match="column scenario must be int32"):
        parts.encode(0, wrong, METADATA)
