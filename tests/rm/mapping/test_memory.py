"""Tests of the memory: by how much the traffic of others lengthens stalls."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from platforms.simulated.performance import ThreadDemand, memory_slowdown
from rm.mapping.memory import slowdowns

CORES = 4


@given(st.integers(0, 2**32 - 1), st.integers(1, 6), st.floats(0.0, 0.6))
def test_stalls_lengthen_as_they_do_on_the_simulated_board(
    seed: int, count: int, heaviest: float
) -> None:
    """Also of several that take turns on a core; half of the bandwidth is asked for at most."""
    rng = np.random.default_rng(seed)
    core = rng.integers(0, CORES, size=count)
    share = 1.0 / np.bincount(core)[core]
    compute, stall = rng.uniform(0.2, 2.0, size=(2, count))
    memory = rng.uniform(0.0, heaviest, size=count) * stall / min(count, CORES)
    threads = [
        ThreadDemand(int(on), *values)
        for on, *values in zip(core, share, compute, stall, memory, strict=True)
    ]
    expected = np.array(memory_slowdown(threads, CORES, 1.0))[core]
    found = slowdowns(*(column[None, :] for column in (core, share, compute, stall, memory)))
    np.testing.assert_allclose(found[0], expected, rtol=5e-3)


def test_one_core_alone_is_never_slowed_down() -> None:
    """Its profile holds the queue that it makes for itself."""
    row = np.ones((1, 2))
    found = slowdowns(np.zeros((1, 2), dtype=np.int64), 0.5 * row, row, row, 0.9 * row)
    assert [[1.0, 1.0]] == found.tolist()


def test_a_memory_that_cannot_keep_up_makes_stalls_long_but_not_endless() -> None:
    """The load is cut."""
    core, row = np.arange(4)[None, :], np.ones((1, 4))
    found = slowdowns(core, row, 0.01 * row, row, 5.0 * row)
    assert np.isfinite(found).all()
    assert found.min() == pytest.approx(found.max())
    assert found.min() >= 1.0
