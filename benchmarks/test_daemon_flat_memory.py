"""100,000 rounds of the daemon's loop, 83 minutes on its clock: the process does not grow."""

import gc
import logging
import resource
from collections.abc import Iterator
from pathlib import Path

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from tests.rm.daemon.long_run import LongRun

WARM_UP_ROUNDS = 10_000
ROUNDS = 100_000
MOST_GROWTH_BYTES = 2_000_000
"""20 bytes a round; the allocator's own rounding is below a tenth of this."""


@pytest.fixture
def quiet(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """No log, of which pytest would keep every line; no disk, which is not what is measured."""
    monkeypatch.setattr("os.fdatasync", lambda descriptor: None)
    monkeypatch.setattr("os.fsync", lambda descriptor: None)
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


def resident_bytes() -> int:
    """What of this process is in memory."""
    gc.collect()
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize()


@pytest.mark.usefixtures("quiet")
def test_the_daemon_does_not_grow(benchmark: BenchmarkFixture, tmp_path: Path) -> None:
    """Applications, faults and all."""
    long = LongRun(tmp_path)
    long.run(WARM_UP_ROUNDS)
    before_bytes = resident_bytes()
    benchmark.pedantic(long.run, (ROUNDS,), rounds=1)
    grown_bytes = resident_bytes() - before_bytes
    benchmark.extra_info["grown_bytes"] = grown_bytes
    assert {"normal", "hands-off"} <= long.states
    assert grown_bytes < MOST_GROWTH_BYTES
    long.end()
