"""How long an import takes against pyarrow's parsing of the same file, and how much memory.

Run by hand, on a machine that does nothing else: ``pytest benchmarks/test_import_speed.py -s``.
The two are timed in turn, five times each, and the fastest of each counts; each import makes a new
file. `ROWS` lines of the widest format make 1.2 GB.
"""

import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.csv as pc
import pytest

from benchmarks.big_files import WRITERS
from traces.importers.importer import Request
from traces.importing import import_files

ROWS = 1_000_000
MOST_TIMES_PYARROW = 3.0
MOST_GROWTH = 1.3
"""Of the peak memory, for four times the rows: what is known of each run is kept."""
_RUNS = 5

_CHILD = r"""
import re, sys
from pathlib import Path
from traces.importers.importer import Request
from traces.importing import import_files

import_files([Path(sys.argv[1])], Path(sys.argv[2]), format_name=sys.argv[3], board="b",
             asked=Request())
print(re.search(r"VmHWM:\s*(\d+) kB", Path("/proc/self/status").read_text())[1])
"""


@pytest.fixture(scope="module")
def big_file(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str, int], Path]:
    """A file of a format with so many rows."""
    folder = tmp_path_factory.mktemp("big")

    def of(name: str, rows: int) -> Path:
        path = folder / f"{name}-{rows}.txt"
        if not path.exists():
            WRITERS[name](path, rows)
        return path

    return of


@pytest.mark.parametrize("name", sorted(WRITERS))
def test_import_takes_at_most_three_times_what_pyarrow_parses_in(
    name: str, big_file: Callable[[str, int], Path], tmp_path: Path
) -> None:
    """Reading the text is most of the work."""
    path = big_file(name, ROWS)
    parse, import_ = [], []
    out = tmp_path / "m.parquet"
    for _ in range(_RUNS):
        out.unlink(missing_ok=True)
        parse.append(_seconds(lambda: pc.read_csv(path, **_options(name))))
        import_.append(_seconds(lambda: _import(path, out, name)))
    (parse_s, parse_cpu_s), (import_s, import_cpu_s) = _least(parse), _least(import_)
    ratio = import_s / parse_s
    size_mb = path.stat().st_size / 1e6
    print(
        f"\n{name}: {ROWS} rows, {size_mb:.0f} MB: pyarrow {parse_s:.2f} s ({parse_cpu_s:.2f} "
        f"CPU), import {import_s:.2f} s ({import_cpu_s:.2f} CPU): {ratio:.2f} times"
    )
    assert ratio <= MOST_TIMES_PYARROW


@pytest.mark.parametrize("name", sorted(WRITERS))
def test_memory_does_not_grow_with_the_file(
    name: str, big_file: Callable[[str, int], Path], tmp_path: Path
) -> None:
    """Files may be larger than memory: four times the rows need no more of it."""
    few = ROWS // 4 if name == "powmon" else ROWS
    peaks_mb = [_peak_mb(big_file(name, rows), tmp_path, name) for rows in (few, 4 * few)]
    print(f"\n{name}: peak {peaks_mb[0]:.0f} MB for {few} rows, {peaks_mb[1]:.0f} for {4 * few}")
    assert peaks_mb[1] <= MOST_GROWTH * peaks_mb[0]


def _options(name: str) -> dict[str, Any]:
    if name == "perf-stat":
        return {"read_options": pc.ReadOptions(skip_rows=2, autogenerate_column_names=True)}
    return {"parse_options": pc.ParseOptions(delimiter="\t")}


def _import(path: Path, out: Path, name: str) -> None:
    import_files([path], out, format_name=name, board="b", asked=Request())


def _seconds(call: Callable[[], object]) -> tuple[float, float]:
    """Wall clock and CPU time, of all threads."""
    begun, begun_cpu = time.perf_counter(), time.process_time()
    call()
    return time.perf_counter() - begun, time.process_time() - begun_cpu


def _least(times: list[tuple[float, float]]) -> tuple[float, float]:
    return min(wall for wall, _ in times), min(cpu for _, cpu in times)


def _peak_mb(path: Path, folder: Path, name: str) -> float:
    command = [sys.executable, "-c", _CHILD, str(path), str(folder / "m.parquet"), name]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return int(done.stdout) / 1e3
