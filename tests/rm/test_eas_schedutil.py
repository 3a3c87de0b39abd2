"""schedutil's documented formula: next_freq = 1.25 * max_freq * util / max."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rm.policies.energy_model import EnergyModel
from rm.policies.schedutil import next_freq_hz, opps_for
from tests.rm.readings import HIKEY

MODEL = EnergyModel.of(HIKEY)


@pytest.mark.parametrize(
    ("util", "freq_hz"),
    [(0.0, 0.0), (512.0, 1.25e9), (409.6, 1.0e9), (819.2, 2.0e9), (900.0, 2.0e9), (2000.0, 2.0e9)],
)
def test_a_quarter_more_than_is_used_is_asked_for(util: float, freq_hz: float) -> None:
    """The tipping point to the highest frequency lies at util / max = 0.8."""
    assert next_freq_hz(2.0e9, util, 1024.0) == pytest.approx(freq_hz)


def test_the_lowest_opp_that_reaches_the_frequency_is_taken() -> None:
    """409.6 of 1024 is half of 2362 MHz: the next is 1210 MHz. 144 of 360 likewise, 1018 MHz."""
    assert (1, 2) == opps_for(HIKEY, MODEL, (144.0, 0, 0, 0, 409.6, 0, 0, 0))


def test_the_busiest_core_decides_for_its_cluster_alone() -> None:
    """Sums do not count, and the other cluster sleeps."""
    four = opps_for(HIKEY, MODEL, (0, 0, 0, 0, 300.0, 300.0, 300.0, 300.0))
    assert four == opps_for(HIKEY, MODEL, (0, 0, 0, 0, 0, 0, 300.0, 0))
    assert 0 == four[0]


@given(st.lists(st.floats(0.0, 1024.0), min_size=8, max_size=8))
def test_no_core_is_busier_than_80_percent_below_the_top(utils: list[float]) -> None:
    """Which is what the headroom is for."""
    for cluster, opp in zip(HIKEY.clusters, opps_for(HIKEY, MODEL, utils), strict=True):
        domain = MODEL.domains[HIKEY.clusters.index(cluster)]
        capacity_now = domain.capacity * cluster.freqs_hz[opp] / cluster.freqs_hz[-1]
        if opp < len(cluster.opps) - 1:
            assert max(utils[core] for core in cluster.cores) <= 0.8 * capacity_now * (1 + 1e-5)
