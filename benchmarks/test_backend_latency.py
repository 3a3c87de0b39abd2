"""What the back ends of the CPU cost, hot and cold, and how long they take to be ready.

Everything is a multiple of something measured in the same run: of numpy's bare matrix products of
the network's sizes, or of the import of numpy. Run with ``-s`` to see the tables.
"""

import resource
import statistics
import subprocess
import sys
from pathlib import Path

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from npu_runtime.load import BACKENDS
from npu_runtime.measure.latency import (
    YARDSTICK,
    Latency,
    Timed,
    bare_products,
    cold,
    hot,
)
from npu_runtime.measure.present import opened
from npu_runtime.policy_file import read_policy_file
from rm.npu.text_table import table

SHIPPED = sorted((Path(__file__).parents[1] / "rm" / "policies" / "shipped").glob("*.onnx"))
BATCH = 8
TIMES_THE_BARE_PRODUCTS = 3.0
MOST_START_S = 0.5
COLD_S = 20.0
STARTS = 9

READY = (
    "import sys; from npu_runtime.load import open_policy;"
    "from npu_runtime.policy_file import read_policy_file;"
    "file = read_policy_file(sys.argv[1]); policy = open_policy(file, backend=sys.argv[2]);"
    "policy.run(file.metadata.parity_rows()[0])"
)


def show(title: str, latencies: tuple[Latency, ...]) -> None:
    """A table of what was measured."""
    header = ("", "rows", "p50 us", "p99 us", "cpu us", "times", "times cpu")
    rows = [
        (
            one.name,
            str(one.batch),
            f"{one.p50_us:.1f}",
            f"{one.p99_us:.1f}",
            f"{one.cpu_us:.1f}",
            f"{one.ratio:.2f}",
            f"{one.cpu_ratio:.2f}",
        )
        for one in latencies
    ]
    print(f"\n{title}", *table([header, *rows], left=(0,)), sep="\n")


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_a_hot_call_of_eight_rows_takes_at_most_three_times_the_bare_products(
    benchmark: BenchmarkFixture, path: Path
) -> None:
    """One thread; the back ends and the yardstick take turns."""
    file = read_policy_file(path)
    rows, _ = file.metadata.parity_rows()
    subjects = [opened(file, name) for name in BACKENDS]
    timed = [Timed(one.name, one.run, one.cpu_s) for one in subjects]
    found = benchmark.pedantic(
        hot, (timed, bare_products(file), rows), {"batches": (1, BATCH, 16), "blocks": 15}, rounds=1
    )
    show(f"{path.stem}, hot", found)
    for one in found:
        if one.batch == BATCH and one.name != YARDSTICK:
            benchmark.extra_info[one.name] = round(one.ratio, 2)
            assert one.ratio <= TIMES_THE_BARE_PRODUCTS, one.name


def test_a_call_once_a_period_is_told(benchmark: BenchmarkFixture) -> None:
    """Said and not judged: what the cold price consists of is not known (docs/npu.md)."""
    file = read_policy_file(SHIPPED[0])
    rows, _ = file.metadata.parity_rows()
    timed = [Timed(name, opened(file, name).run) for name in BACKENDS]
    found = benchmark.pedantic(
        cold, (timed, bare_products(file), rows), {"seconds": COLD_S, "batches": (BATCH,)}, rounds=1
    )
    show(f"{SHIPPED[0].stem}, once in 0.5 s", found)


def _cpu_s(*words: str) -> float:
    """Processor time of a fresh process: what others do on the machine adds little to it."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, "-c", *words], check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


@pytest.mark.parametrize("name", BACKENDS)
def test_import_load_and_a_first_call_take_half_a_second_at_most(
    benchmark: BenchmarkFixture, name: str
) -> None:
    """Processor time, the interpreter's own start taken off; also as times numpy's import."""
    words = (READY, str(SHIPPED[0]), name)
    samples = [[_cpu_s("pass"), _cpu_s("import numpy"), _cpu_s(*words)] for _ in range(STARTS)]
    bare_s, numpy_s, ready_s = (statistics.median(column) for column in zip(*samples, strict=True))
    benchmark.pedantic(_cpu_s, words, rounds=1)
    ratio = (ready_s - bare_s) / (numpy_s - bare_s)
    benchmark.extra_info["times_numpy"] = round(ratio, 2)
    print(
        f"\n{name}: ready after {ready_s - bare_s:.3f} s of processor time, "
        f"{ratio:.1f} times the import of numpy ({numpy_s - bare_s:.3f} s)"
    )
    assert ready_s - bare_s <= MOST_START_S
