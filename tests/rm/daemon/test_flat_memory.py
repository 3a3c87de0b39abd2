"""The daemon runs for months: what a round leaves behind must be nothing.

The same for 100,000 rounds, and for the process's memory, is in ``benchmarks``.
"""

import gc
import logging
import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.rm.daemon.long_run import LongRun

WARM_UP_ROUNDS = 1500
ROUNDS = 2500
MOST_GROWTH_BYTES = 60_000
"""Up to 45,000 bytes are seen, mostly names of files that the fake root and pathlib keep, and no
more however many rounds follow (36,000 after 13,500); the smallest object (28 bytes) in every round
would be above this."""


@pytest.fixture
def silence() -> Iterator[None]:
    """No log: pytest keeps every line of it."""
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


@pytest.mark.usefixtures("silence")
def test_rounds_leave_nothing_behind(tmp_path: Path) -> None:
    """Whatever comes and goes; and in the end every knob is as it was."""
    long = LongRun(tmp_path)
    before = long.living.knobs()
    tracemalloc.start()
    try:
        long.run(WARM_UP_ROUNDS)
        gc.collect()
        warm_bytes = tracemalloc.get_traced_memory()[0]
        long.run(ROUNDS)
        gc.collect()
        grown_bytes = tracemalloc.get_traced_memory()[0] - warm_bytes
    finally:
        tracemalloc.stop()
    assert {"normal", "hands-off"} <= long.states
    assert grown_bytes < MOST_GROWTH_BYTES
    long.end()
    assert before.items() <= long.living.knobs().items()
