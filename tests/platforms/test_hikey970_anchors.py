"""The simulated HiKey 970 reproduces the reference's anchor temperatures."""

import numpy as np
import pytest
from msgspec.structs import replace

from platforms.application import Job
from platforms.board_file import load_board
from platforms.platform import Decision
from platforms.simulated.equilibrium import ThermalRunaway
from platforms.simulated.heat import HeatNetwork
from platforms.simulated.simulated_board import SimulatedBoard
from tests.platforms.programs import COMPUTE

BOARD = load_board("hikey970")
POWER_VIRUS = replace(COMPUTE, name="power-virus", activity=1.0, l2d_per_instruction=0.0)
"""Keeps a core as active as the busy power of the board file assumes."""


def _busy(cooling: str, cores: range, opps: tuple[int, int]) -> SimulatedBoard:
    jobs = [Job(id=c, profile=POWER_VIRUS, target_ips=1.0, cores=(c,)) for c in cores]
    simulated = SimulatedBoard(
        BOARD, cooling=BOARD.cooling_named(cooling), rng=np.random.default_rng(0), jobs=jobs
    )
    simulated.advance_to(1e-6)
    simulated.apply(Decision((), opps))
    return simulated


def _opp(cluster: int, freq_hz: int) -> int:
    return BOARD.clusters[cluster].freqs_hz.index(freq_hz)


def test_4_w_of_soc_power_settle_at_85_degrees_passively_at_35_degrees_ambient() -> None:
    """The vendor's sustainable power, 4 W, is what the passive conductance was chosen to hold."""
    network = HeatNetwork.build(BOARD.thermal, BOARD.cooling_named("passive-35"))
    power_w = np.zeros(len(network.names))
    for core in BOARD.clusters[1].cores:
        power_w[network.names.index(f"core{core}")] = 1.0
    hottest_c = network.steady(power_w).max()
    assert hottest_c == pytest.approx(85.0, abs=1.0)


def test_eight_busy_cores_at_the_top_settle_near_56_degrees_with_the_fan() -> None:
    """The reference's estimate for 5.83 W with the fan at 25 degC ambient, within 3 K."""
    simulated = _busy("fan", range(8), (_opp(0, 1_844_000_000), _opp(1, 2_362_000_000)))
    simulated.settle()
    assert simulated.temperatures_c.max() == pytest.approx(56.0, abs=3.0)


def test_eight_busy_cores_at_the_top_pass_85_degrees_without_the_fan() -> None:
    """They find no steady state at all: leakage runs away, which is told and not hidden."""
    simulated = _busy("passive", range(8), (_opp(0, 1_844_000_000), _opp(1, 2_362_000_000)))
    with pytest.raises(ThermalRunaway):
        simulated.settle()


def test_four_busy_a73_at_2093_mhz_stay_under_the_trip_passively_at_35_degrees() -> None:
    """The reference's ~76 degC plus leakage at that temperature: still below 85 degC."""
    simulated = _busy("passive-35", range(4, 8), (0, _opp(1, 2_093_000_000)))
    simulated.settle()
    assert simulated.temperatures_c.max() < 85.0


def test_four_busy_a73_at_2362_mhz_must_be_throttled_passively_at_35_degrees() -> None:
    """The kernel's protection sets in: the cluster does not keep its operating point."""
    top = _opp(1, 2_362_000_000)
    simulated = _busy("passive-35", range(4, 8), (0, top))
    simulated.advance_to(900.0)
    seen = []
    for second in range(901, 961):
        simulated.advance_to(second)
        seen.append((simulated.opp_index[1], simulated.temperatures_c.max()))
    assert min(opp for opp, _ in seen) < top
    assert simulated.throttled_s > 60.0
    assert max(temp_c for _, temp_c in seen) == pytest.approx(85.0, abs=3.0)
    with pytest.raises(ThermalRunaway):
        _busy("passive-35", range(4, 8), (0, top)).settle()
