"""Tests of threads that nobody moves: they sit where the kernel would put them."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from platforms.simulated.scheduler import place_threads
from rm.mapping.packing import groups_of_cores
from rm.mapping.threads import with_threads
from tests.rm.mapping.demands import mapping
from tests.rm.readings import HIKEY


@given(
    st.lists(st.integers(0, 7), min_size=1, max_size=8),
    st.lists(st.tuples(st.integers(0, 1), st.integers(2, 6)), max_size=3),
)
def test_threads_are_where_the_kernel_puts_them_now(
    present: list[int], several: list[tuple[int, int]]
) -> None:
    """Of the present mapping, core by core."""
    asked = [(1, (core,)) for core in present]
    asked += [(threads, HIKEY.clusters[x].cores) for x, threads in several]
    placed = place_threads(asked, HIKEY.core_count)
    expected = groups_of_cores(HIKEY, [core for cores in placed for core in cores])
    held = [x for x, threads in several for _ in range(threads)]
    found = with_threads(HIKEY, groups_of_cores(HIKEY, present), held)
    np.testing.assert_array_equal(expected.cluster, found.cluster)
    np.testing.assert_array_equal(expected.group, found.group)


def test_every_mapping_of_the_others_leaves_other_cores_free() -> None:
    """Threads spread over what is left, then they share."""
    others = mapping([0, 0, 0], [1, 0, 1], groups=[[0, 0, 1], [0, 2, 1]])
    found = with_threads(HIKEY, others, [0, 0, 0])
    assert [[0, 0, 0, 0, 0, 0], [1, 0, 1, 0, 0, 0]] == found.cluster.tolist()
    assert [[0, 0, 1, 2, 3, 1], [0, 2, 1, 0, 1, 3]] == found.group.tolist()


def test_without_threads_nothing_is_added() -> None:
    """The common case."""
    others = mapping([0, 1], groups=[[0, 0]])
    found = with_threads(HIKEY, others, [])
    assert others.cluster is found.cluster
    assert others.group is found.group
