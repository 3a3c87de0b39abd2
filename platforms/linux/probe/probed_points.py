"""The operating points of a cluster: frequencies, voltages, and dynamic power at each."""

from pathlib import Path

from msgspec import Struct

from platforms.linux.clocks.frequency_policies import counted_hz, listed_hz, range_hz
from platforms.linux.probe.energy_model import modelled_power_w
from platforms.linux.probe.fact import Fact, unseen
from platforms.linux.probe.opp_table import DEBUGFS_WAY_OUT, OppTable, described_opps, used_opps
from platforms.linux.probe.place import Place
from platforms.linux.probe.typical_values import (
    HIGHEST_V,
    LOWEST_V,
    OPP_STEPS,
    Typical,
    dynamic_coefficient,
)


class Points(Struct, frozen=True):
    """Facts about all points of a cluster, lowest frequency first.

    `dynamic_w` is what one core switching all the time takes at each, without leakage.
    `tree_latency_ns` is the device tree's time for a change.
    """

    freqs_hz: Fact[tuple[int, ...]]
    volts: Fact[tuple[float, ...]]
    dynamic_w: Fact[tuple[float, ...]]
    tree_latency_ns: int | None


def probe_points(place: Place, core_type: str, typical: Typical) -> Points:
    """The points of the cluster at `place`; `typical` is for what cannot be seen."""
    used = _first_table(place.root, place.cores)
    described = described_opps(place.tree, place.node)
    power_w = modelled_power_w(place.root, place.cores)
    freqs = _freqs(place.folder, used, described, power_w)
    volts = _volts(place, freqs.value, used, described, power_w)
    dynamic = _dynamic(place, freqs.value, volts, power_w, dynamic_coefficient(core_type, typical))
    return Points(freqs, volts, dynamic, described.latency_ns)


def _first_table(root: Path, cores: tuple[int, ...]) -> OppTable:
    tables = (used_opps(root, f"cpu{core}") for core in cores)
    return next((table for table in tables if table.volts), OppTable({}))


def _freqs(
    folder: Path, used: OppTable, described: OppTable, power_w: dict[int, float]
) -> Fact[tuple[int, ...]]:
    policy = folder.name
    for freqs_hz, source in (
        (listed_hz(folder), f"measured: cpufreq {policy}, scaling_available_frequencies"),
        (counted_hz(folder), f"measured: cpufreq {policy}, stats/time_in_state"),
        (used.freqs_hz, "measured: operating points in debugfs"),
        (tuple(sorted(power_w)), "measured: energy model in debugfs"),
        (described.freqs_hz, "device tree: operating-points of the core's node"),
    ):
        if freqs_hz:
            return Fact(freqs_hz, source)
    return _assumed_freqs(folder)


def _assumed_freqs(folder: Path) -> Fact[tuple[int, ...]]:
    """Even steps over the hardware's range; without even that there is nothing to work with."""
    span = range_hz(folder)
    low_hz, high_hz = span or (0, 0)
    step_hz = (high_hz - low_hz) / (OPP_STEPS - 1)
    steps = {round((low_hz + step * step_hz) / 1e6) * 1_000_000 for step in range(OPP_STEPS)}
    return unseen(
        tuple(sorted(steps)) if span else (),
        f"{OPP_STEPS} even steps over the range that the hardware names",
        what=f"frequencies of {folder.name}",
        looked_at="scaling_available_frequencies, time_in_state, debugfs (opp, energy_model), "
        "device tree",
        way_out="write the true ones into the board file",
    )


def _volts(
    place: Place,
    freqs_hz: tuple[int, ...],
    used: OppTable,
    described: OppTable,
    power_w: dict[int, float],
) -> Fact[tuple[float, ...]]:
    for volts, source in (
        (used.volts_at(freqs_hz), "measured: operating points in debugfs, u_volt_target"),
        (described.volts_at(freqs_hz), f"device tree: opp-microvolt{_bin(described)}"),
        (
            _volts_from_power(freqs_hz, power_w, place.power_coefficient),
            "derived: energy model in debugfs / (dynamic-power-coefficient x frequency), the root",
        ),
    ):
        if volts:
            return _never_falling(tuple(round(volt_v, 6) for volt_v in volts), source)
    return unseen(
        _straight_line(freqs_hz),
        f"{LOWEST_V:.2f} V at the lowest point to {HIGHEST_V:.2f} V at the highest, a straight "
        "line, as on the HiKey 970",
        what=f"voltages of {place.folder.name}",
        looked_at="debugfs (opp, energy_model), device tree (operating points)",
        way_out=DEBUGFS_WAY_OUT,
    )


def _bin(described: OppTable) -> str:
    return ", the first of several bins of silicon" if described.binned else ""


def _volts_from_power(
    freqs_hz: tuple[int, ...], power_w: dict[int, float], coefficient: int | None
) -> tuple[float, ...] | None:
    """What the kernel put in when it computed coefficient x f x V^2 (uW, MHz, V)."""
    if not coefficient or not set(freqs_hz) <= set(power_w):
        return None
    return tuple((power_w[hz] * 1e12 / (coefficient * hz)) ** 0.5 for hz in freqs_hz)


def _straight_line(freqs_hz: tuple[int, ...]) -> tuple[float, ...]:
    """Volts that rise with frequency.

    >>> _straight_line((500, 1000, 1500))
    (0.7, 0.875, 1.05)
    """
    if not freqs_hz:
        return ()
    span = max(freqs_hz[-1] - freqs_hz[0], 1)
    slope = (HIGHEST_V - LOWEST_V) / span
    return tuple(round(LOWEST_V + slope * (hz - freqs_hz[0]), 4) for hz in freqs_hz)


def _never_falling(volts: tuple[float, ...], source: str) -> Fact[tuple[float, ...]]:
    """A supply never needs less for more speed: points that say so take the voltage below them."""
    risen = tuple(max(volts[: index + 1]) for index in range(len(volts)))
    if risen == volts:
        return Fact(volts, source)
    return Fact(risen, f"{source}; raised to the point below where it falls")


def _dynamic(
    place: Place,
    freqs_hz: tuple[int, ...],
    volts: Fact[tuple[float, ...]],
    power_w: dict[int, float],
    otherwise: tuple[int, str],
) -> Fact[tuple[float, ...]]:
    if freqs_hz and set(freqs_hz) <= set(power_w):
        return Fact(tuple(power_w[hz] for hz in freqs_hz), "derived: energy model in debugfs")
    coefficient = place.power_coefficient
    if coefficient:
        source = f"derived: dynamic-power-coefficient {coefficient} x MHz x V^2 uW"
        return Fact(_power_w(coefficient, freqs_hz, volts.value), source)
    number, whose = otherwise
    return unseen(
        _power_w(number, freqs_hz, volts.value),
        f"dynamic-power-coefficient {whose}, x MHz x V^2 uW",
        what=f"power of {place.folder.name}",
        looked_at="debugfs (energy_model), device tree (dynamic-power-coefficient)",
        way_out=DEBUGFS_WAY_OUT,
    )


def _power_w(
    coefficient: int, freqs_hz: tuple[int, ...], volts: tuple[float, ...]
) -> tuple[float, ...]:
    pairs = zip(freqs_hz, volts, strict=True)
    return tuple(coefficient * hz / 1e6 * volt_v**2 * 1e-6 for hz, volt_v in pairs)
