"""Tests of a cluster's values: from fits back to what was put in."""

import numpy as np
import pytest
from msgspec.structs import replace

from platforms.board import OperatingPoint
from platforms.board_file import check, load_board
from tests.traces.calibration.toy_measurements import measured
from traces.calibration.cluster_study import ClusterStudy, run_means, study_cluster
from traces.calibration.cluster_values import board_leakage, calibrated_cluster, energy_per_cycle
from traces.calibration.leakage_growth import Growth
from traces.calibration.power import PowerFit

BOARD = load_board("odroid-xu3")
TOLD = Growth(0.025, 0.02, 0.03, identified=True, used_per_k=0.025)
OPEN = Growth(0.04, 0.03, 0.04, identified=False, used_per_k=0.03)


@pytest.fixture(scope="module")
def study() -> ClusterStudy:
    """The toy's second cluster: every row has 50 degC, the busy cycle 200 pJ, a miss 3 nJ."""
    table = measured(np.random.default_rng(3))
    return study_cluster(table, 1, BOARD, [0], data="toys", rng=np.random.default_rng(0))


def test_busy_power_is_what_the_hungriest_program_draws(study: ClusterStudy) -> None:
    """At a clock that was measured, without its stalls, leakage included."""
    assert study.power is not None
    cluster = calibrated_cluster(BOARD.clusters[1], BOARD, study.power)
    opp = next(opp for opp in cluster.opps if opp.freq_hz == 1_000_000_000)
    volt_v = 0.9 + 0.2 / 1.8
    assert volt_v == pytest.approx(opp.volt_v, rel=1e-4)
    assert 0.1 / 4 == pytest.approx(cluster.leakage_w_per_v3, rel=1e-3)
    core_w = volt_v**2 * 1e9 * study.power.activity.reference_j + 0.1 / 4 * volt_v**3
    assert core_w == pytest.approx(opp.core_busy_w, rel=1e-3)
    assert 2e-10 < study.power.activity.reference_j < 2.5e-10


def test_without_noise_power_as_the_board_computes_it_is_right(study: ClusterStudy) -> None:
    """Of programs that were held out, from one clock; only the floor's form is not the toy's."""
    known = np.abs(study.board_errors[np.isfinite(study.board_errors)])
    assert 12 * 8 == len(known)
    assert np.median(known) < 0.02


def test_every_value_has_a_source_and_the_board_holds_together(study: ClusterStudy) -> None:
    """What the data tell says so, with intervals; the rest is the skeleton's."""
    assert study.power is not None
    cluster = calibrated_cluster(BOARD.clusters[1], BOARD, study.power)
    assert [] == list(check(replace(BOARD, clusters=(BOARD.clusters[0], cluster))))
    assert cluster.sources["opps.core_busy_w"].startswith("fitted: toys, V^2 f E + leakage, E = ")
    assert "95 % interval" in cluster.sources["opps.core_busy_w"]
    assert "extrapolated at 1900, 2000 MHz" in cluster.sources["opps.core_busy_w"]
    assert BOARD.clusters[1].sources["l2_bytes"] == cluster.sources["l2_bytes"]


def test_voltage_is_measured_where_it_was_and_never_falls(study: ClusterStudy) -> None:
    """Between measured points it follows the skeleton's; a dip is evened out."""
    assert study.power is not None
    odd = replace(BOARD.clusters[1], opps=tuple(map(_dipped, BOARD.clusters[1].opps)))
    volts = [opp.volt_v for opp in calibrated_cluster(odd, BOARD, study.power).opps]
    assert sorted(volts) == volts
    at = dict(zip(odd.freqs_hz, volts, strict=True))
    assert 0.9 + 0.2 * 0.8 / 1.8 == pytest.approx(at[800_000_000], rel=1e-4)


def _dipped(opp: OperatingPoint) -> OperatingPoint:
    return replace(opp, volt_v=0.95 if opp.freq_hz == 1_500_000_000 else opp.volt_v)


def test_a_cluster_that_sleeps_keeps_its_idle_power(study: ClusterStudy) -> None:
    """The board file has it from where its idle states are from."""
    assert study.power is not None
    states = load_board("hikey970").clusters[1].idle_states
    sleeper = replace(BOARD.clusters[1], idle_states=states)
    found = calibrated_cluster(sleeper, BOARD, study.power)
    assert (sleeper.core_wfi_w, sleeper.cluster_idle_w) == (found.core_wfi_w, found.cluster_idle_w)
    awake = calibrated_cluster(BOARD.clusters[1], BOARD, study.power)
    assert awake.sources["core_wfi_w"].startswith("derived: a core's leakage at ")


def test_the_leakage_curve_is_replaced_only_where_the_data_tell_it() -> None:
    """Else it stays, to the last digit."""
    assert BOARD.leakage == board_leakage(BOARD.leakage, [OPEN], "toys")
    told = board_leakage(BOARD.leakage, [TOLD, OPEN], "toys")
    assert told.sources["coefficients"].startswith("fitted: toys, exp(0.025/K (T - ref)), 95 %")
    assert told.coefficients != BOARD.leakage.coefficients


def test_a_cluster_that_nobody_loaded_says_why_it_has_no_power() -> None:
    """And one without a sensor, and one whose rail was not read."""
    table = measured(np.random.default_rng(3))
    rng = np.random.default_rng(0)
    none = study_cluster(table, 0, BOARD, [0], data="toys", rng=rng)
    assert (None, "no program ran on it alone") == (none.power, none.why_no_power)
    none = study_cluster(table, 1, BOARD, [], data="toys", rng=rng)
    assert "no sensor is named as its own" == none.why_no_power


def test_busy_cores_times_clock_stand_for_cycles_that_nobody_counted() -> None:
    """Programs are told apart by what their rail draws beyond clock tree and leakage."""
    table = measured(np.random.default_rng(5), counted=False)
    study = study_cluster(table, 1, BOARD, [0], data="toys", rng=np.random.default_rng(0))
    assert study.power is not None
    assert ("cycles_per_s",) == study.power.study.fit.events
    assert 2e-10 < study.power.activity.reference_j < 2.5e-10
    assert min(study.power.activity.activity.values()) < 0.99


def test_energy_per_cycle_needs_cycles() -> None:
    """It would divide by another event."""
    fit = PowerFit(("l2d_per_s",), np.array([1e-9]), 0.0, 0.0, 0.0, 0.0)
    with pytest.raises(ValueError, match="events must hold cycles_per_s"):
        energy_per_cycle(fit, np.ones((1, 1)))


def test_run_means_are_weighted_by_the_rows_windows() -> None:
    """Lists too; names and clocks are the run's first."""
    table = measured(np.random.default_rng(0), programs=2).slice(0, 2)
    names = table.column_names
    one = table.set_column(names.index("run"), "run", [["a", "a"]])
    one = one.set_column(names.index("window_s"), "window_s", [[10.0, 30.0]])
    mean = run_means(one)
    assert 1 == len(mean)
    assert 40.0 == mean["window_s"][0].as_py()
    rates = one["instructions_per_s"].to_numpy()
    assert (rates[0] + 3 * rates[1]) / 4 == pytest.approx(mean["instructions_per_s"][0].as_py())
    power = [row[1] for row in one["power_w"].to_pylist()]
    assert (power[0] + 3 * power[1]) / 4 == pytest.approx(mean["power_w"][0].as_py()[1])
