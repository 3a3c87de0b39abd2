"""The thermal zones: can they be read, do they say what temperatures can be."""

from collections.abc import Iterator

from platforms.linux.files.maybe_file import number_at
from platforms.linux.thermal_zones import Zone, find_zones, zone_for
from rm.doctor.finding import Finding, degraded, missing, ok
from rm.doctor.subject import Machine

COLDEST_C, HOTTEST_C = -30.0, 130.0
_PROTECTING = {"passive", "critical"}


def examine_heat(machine: Machine) -> Iterator[Finding]:
    """Whether there are zones; then those of the board's sensors, or all without a board."""
    zones = find_zones(machine.root)
    if not zones:
        yield missing(
            "thermal zones",
            "none",
            "ilgov must not govern what it cannot feel",
            "load the chip's thermal driver, or boot the board's own kernel",
        )
        return
    yield from _sensors(machine, zones)
    kinds = {trip.kind for zone in zones for trip in zone.trips}
    if kinds & _PROTECTING:
        yield ok(
            "thermal trips", f"the kernel protects the chip itself ({', '.join(sorted(kinds))})"
        )
    else:
        yield degraded(
            "thermal trips",
            "no zone has a passive or critical trip",
            "nothing but ilgov's failsafe and the chip's firmware protects it from heat",
            "describe trips in the device tree",
        )


def _sensors(machine: Machine, zones: tuple[Zone, ...]) -> Iterator[Finding]:
    if machine.board is None:
        yield from (_reading(f"thermal zone {zone.name}", zone) for zone in zones)
        return
    names = ", ".join(zone.name for zone in zones)
    for sensor in machine.board.sensors:
        wanted = machine.settings.sensors.get(sensor.name, sensor.name)
        zone = zone_for(zones, wanted)
        if zone is not None:
            yield _reading(f"sensor {sensor.name}", zone)
        else:
            yield missing(
                f"sensor {sensor.name}",
                f"no thermal zone {wanted} (there are: {names})",
                "a sensor of the board is blind: ilgov keeps its hands off",
                f'name its zone in the configuration: [sensors] {sensor.name} = "..."',
            )


def _reading(subject: str, zone: Zone) -> Finding:
    temp = number_at(zone.folder / "temp")
    where = f"{zone.folder.name}"
    if temp is None:
        return missing(
            subject,
            f"{where} cannot be read",
            "a blind sensor: ilgov keeps its hands off",
            f"cat {zone.folder}/temp, and look what the kernel's log says",
        )
    temp_c = temp / 1e3
    if not COLDEST_C <= temp_c <= HOTTEST_C:
        return missing(
            subject,
            f"{where} says {temp_c:g} degC",
            f"outside {COLDEST_C:g} to {HOTTEST_C:g} degC: not believed, ilgov keeps its hands off",
            "compare with another sensor; the driver or the device tree is wrong",
        )
    return ok(subject, f"{where} says {temp_c:g} degC")
