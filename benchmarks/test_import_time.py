"""The daemon starts fast: importing rm costs little more than numpy, which it needs."""

import statistics
import subprocess
import sys
import time

from pytest_benchmark.fixture import BenchmarkFixture

MOST_TIMES_NUMPY = 3.0
DAEMON = "import rm, rm.governor, rm.policies.topil, rm.policies.gts"


def _seconds(statement: str) -> float:
    begun = time.perf_counter()
    subprocess.run([sys.executable, "-c", statement], check=True)
    return time.perf_counter() - begun


def test_importing_rm_takes_less_than_three_times_numpy(benchmark: BenchmarkFixture) -> None:
    """Interleaved fresh processes, the interpreter's own start taken off both."""
    samples = [[_seconds(s) for s in ("pass", "import numpy", DAEMON)] for _ in range(15)]
    bare, numpy, rm = (statistics.median(column) for column in zip(*samples, strict=True))
    benchmark.pedantic(_seconds, args=(DAEMON,), rounds=3)
    ratio = (rm - bare) / (numpy - bare)
    benchmark.extra_info["times_numpy"] = round(ratio, 2)
    print(f"\nimport of the governor: {ratio:.2f} times the import of numpy")
    assert ratio < MOST_TIMES_NUMPY
