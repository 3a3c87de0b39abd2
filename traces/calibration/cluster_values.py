"""From fits of a cluster's power to the values of a board file, each with its source.

With V and f of an operating point, E the reference program's energy per busy cycle at one volt and
L a core's leakage at one volt and the board's reference temperature: a busy core takes
``V^2 f E + L V^3``, the shared part ``V^2 f (clock + busy)``. What the data do not tell stays as
the skeleton has it.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from msgspec.structs import replace
from numpy.typing import NDArray

from platforms.board import Board, Cluster, Leakage
from platforms.simulated.power import LeakageShape
from traces.calibration.activity import ActivityFit
from traces.calibration.leakage_growth import Growth, cubic
from traces.calibration.power import LEAKAGE_REF_C, PowerFit
from traces.calibration.power_study import PowerStudy

Vector = NDArray[np.float64]

_SAME_CLOCK = 0.01
"""Clocks this close, relatively, are the same."""


@dataclass(frozen=True)
class ClusterPower:
    """All that was fitted of one cluster's power; `data` names the measurements in sources.

    `reference_j` is the 95 % interval of the reference program's energy per busy cycle at one volt.
    """

    study: PowerStudy
    growth: Growth
    activity: ActivityFit
    reference_j: tuple[float, float]
    data: str


def board_leakage(skeleton: Leakage, fitted: Sequence[Growth], data: str) -> Leakage:
    """The leakage's curve: a cubic for the mean of the growths that the data tell, or as it was."""
    told = [growth for growth in fitted if growth.identified]
    if not told:
        return skeleton
    growth_per_k = float(np.mean([growth.used_per_k for growth in told]))
    coefficients, deviation = cubic(growth_per_k, skeleton.ref_temp_c)
    low, high = min(g.low_per_k for g in told), max(g.high_per_k for g in told)
    source = (
        f"fitted: {data}, exp({growth_per_k:.3g}/K (T - ref)), 95 % interval {low:.3g} to "
        f"{high:.3g}, as a cubic that is off by {deviation:.1%} at most from 20 to 110 degC"
    )
    c0, c1, c2, c3 = coefficients
    return replace(
        skeleton,
        coefficients=(c0, c1, c2, c3),
        sources=skeleton.sources | {"coefficients": source},
    )


def calibrated_cluster(skeleton: Cluster, board: Board, power: ClusterPower) -> Cluster:
    """The cluster with every value that the data tell; `board` has the leakage's curve already."""
    fit, measured = power.study.fit, _measured_volts(skeleton, power.study)
    volts = _volts(skeleton, measured)
    ref_c = board.leakage.ref_temp_c
    leak = fit.leakage_w / len(skeleton.cores) * _from_fit_to(board.leakage)
    opps = tuple(
        replace(
            opp,
            volt_v=_rounded(volt),
            core_busy_w=_rounded(
                volt**2 * opp.freq_hz * power.activity.reference_j + leak * volt**3
            ),
            cluster_busy_w=_rounded(volt**2 * opp.freq_hz * (fit.clock_f + fit.busy_f)),
        )
        for opp, volt in zip(skeleton.opps, volts, strict=True)
    )
    changed = replace(
        skeleton,
        opps=opps,
        leakage_w_per_v3=_rounded(leak),
        activity_floor=_rounded(power.activity.floor),
        sources=skeleton.sources | _sources(skeleton, power, measured, ref_c),
    )
    return changed if skeleton.idle_states else _with_idle(changed, power)


def _with_idle(cluster: Cluster, power: ClusterPower) -> Cluster:
    """A cluster that never sleeps: idle cores leak, and the clock tree ticks."""
    middle, lowest = cluster.opps[len(cluster.opps) // 2], cluster.opps[0]
    clock_w = lowest.volt_v**2 * lowest.freq_hz * power.study.fit.clock_f
    return replace(
        cluster,
        core_wfi_w=_rounded(cluster.leakage_w_per_v3 * middle.volt_v**3),
        cluster_idle_w=_rounded(clock_w),
        sources=cluster.sources
        | {
            "core_wfi_w": (
                f"derived: a core's leakage at {_mhz(middle.freq_hz)} MHz, {middle.volt_v:g} V, "
                "because an idle core keeps its supply"
            ),
            "cluster_idle_w": (
                f"derived: the fitted clock tree at {_mhz(lowest.freq_hz)} MHz; it takes more at "
                "higher clocks, which a board file cannot say"
            ),
        },
    )


def _sources(
    skeleton: Cluster, power: ClusterPower, measured: dict[int, float], ref_c: float
) -> dict[str, str]:
    activity, data = power.activity, power.data
    low, high = power.reference_j
    beyond = [_mhz(opp.freq_hz) for opp in skeleton.opps if opp.freq_hz > max(measured)]
    outside = f"; extrapolated at {', '.join(beyond)} MHz" if beyond else ""
    clock, busy, leak = (_interval(power.study, name) for name in ("clock", "busy", "leakage"))
    floor = f"{activity.floor:.2g} ({activity.low:.2g} to {activity.high:.2g})"
    return {
        "opps.volt_v": _volt_source(skeleton, measured, data),
        "opps.core_busy_w": (
            f"fitted: {data}, V^2 f E + leakage, E = {activity.reference_j * 1e12:.0f} pJ "
            f"(95 % interval {low * 1e12:.0f} to {high * 1e12:.0f}) per busy cycle at 1 V of "
            f"{activity.reference}, the hungriest of {len(activity.activity)} programs{outside}"
        ),
        "opps.cluster_busy_w": (
            f"fitted: {data}, V^2 f x (clock tree {clock} + while busy {busy}) pF{outside}"
        ),
        "leakage_w_per_v3": (
            f"derived: the rail's fitted leakage {leak} W at 1 V and {LEAKAGE_REF_C:g} degC (95 % "
            f"interval), over {len(skeleton.cores)} cores, at {ref_c:g} degC; {_growth(power)}"
        ),
        "activity_floor": (
            f"fitted: {data}, energy per cycle against stall within programs, 95 % interval {floor}"
            if activity.identified
            else skeleton.sources["activity_floor"]
        ),
    }


def _growth(power: ClusterPower) -> str:
    growth = power.growth
    if growth.identified:
        return f"its growth {growth.used_per_k:.3g}/K is fitted too"
    return (
        f"its growth is not told by the data (best {growth.best_per_k:.3g}, resampled "
        f"{growth.low_per_k:.3g} to {growth.high_per_k:.3g}/K) and was taken as "
        f"{growth.used_per_k:.3g}/K from the board's curve"
    )


def _interval(study: PowerStudy, what: str) -> str:
    """A capacity in pF or the leakage in W, with its interval."""
    place = {"clock": -3, "busy": -2, "leakage": -1}[what]
    scale = 1.0 if what == "leakage" else 1e12
    value, low, high = (
        scale * float(part[place]) for part in (study.fit.coefficients, study.low, study.high)
    )
    return f"{value:.3g} ({low:.3g} to {high:.3g})"


def _volt_source(skeleton: Cluster, measured: dict[int, float], data: str) -> str:
    clocks = ", ".join(map(_mhz, sorted(measured)))
    text = f"measured: {data}, medians at {clocks} MHz, not let fall with the clock"
    if len(measured) < len(skeleton.opps):
        text += f"; other points follow the skeleton's ({skeleton.sources['opps.volt_v']})"
    return text


def _measured_volts(skeleton: Cluster, study: PowerStudy) -> dict[int, float]:
    """The median supply at each of the cluster's clocks that was measured."""
    found = {}
    for freq_hz in skeleton.freqs_hz:
        near = np.abs(study.samples.freq_hz / freq_hz - 1.0) <= _SAME_CLOCK
        if near.any():
            found[freq_hz] = float(np.median(study.samples.volt_v[near]))
    return found


def _volts(skeleton: Cluster, measured: dict[int, float]) -> Vector:
    """Measured volts, the skeleton's between them scaled alike, and none below a lower point's."""
    freqs_hz = np.array(skeleton.freqs_hz, float)
    drawn = np.array([opp.volt_v for opp in skeleton.opps])
    known = np.array([measured.get(freq_hz, np.nan) for freq_hz in skeleton.freqs_hz])
    told = np.isfinite(known)
    ratio = np.interp(freqs_hz, freqs_hz[told], known[told] / drawn[told])
    return _not_falling(ratio * drawn)


def _not_falling(values: Vector) -> Vector:
    """The nearest values that never fall: neighbours that do are pooled.

    >>> _not_falling(np.array([1.0, 3.0, 2.0, 4.0])).tolist()
    [1.0, 2.5, 2.5, 4.0]
    """
    pools: list[tuple[float, int]] = []
    for value in values:
        mean, count = float(value), 1
        while pools and pools[-1][0] > mean:
            before, many = pools.pop()
            mean, count = (before * many + mean * count) / (many + count), many + count
        pools.append((mean, count))
    return np.concatenate([np.full(count, mean) for mean, count in pools])


def _from_fit_to(leakage: Leakage) -> float:
    """The leakage at the board's reference temperature relative to that where fits hold."""
    at_fit = LeakageShape.build(leakage).value(np.array([LEAKAGE_REF_C]))[0]
    return float(1.0 / at_fit)


def energy_per_cycle(fit: PowerFit, events_per_s: Vector) -> Vector:
    """What a busy cycle takes at one volt (J) in every row, from what was counted per second.

    Raises ValueError where cycles were not counted.
    """
    if "cycles_per_s" not in fit.events:
        raise ValueError("events must hold cycles_per_s (counted or busy cores times clock)")
    cycles = events_per_s[:, fit.events.index("cycles_per_s")]
    return np.asarray(events_per_s @ fit.energy_j / np.maximum(cycles, 1.0), float)


def _mhz(freq_hz: int) -> str:
    return f"{freq_hz / 1e6:g}"


def _rounded(value: float) -> float:
    """To five digits: more would only look exact."""
    return float(f"{value:.5g}")
