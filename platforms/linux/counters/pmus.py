"""The machine's hardware counters: one PMU per core type, each counting on its own cores only."""

from collections.abc import Iterator, Mapping
from pathlib import Path

from msgspec import Struct

from platforms.linux.counters.perf_event import Event
from platforms.linux.files.cpu_list import parse_cpu_list

INSTRUCTIONS, CYCLES, L2D = "instructions", "cycles", "l2d"

ROLES: dict[str, tuple[str, ...]] = {
    INSTRUCTIONS: ("inst_retired", "instructions"),
    CYCLES: ("cpu_cycles", "cpu-cycles"),
    L2D: ("l2d_cache",),
}
"""What is counted, by the names that PMU drivers give it in their folder ``events``."""

ARM_CODES = {INSTRUCTIONS: 0x08, CYCLES: 0x11, L2D: 0x16}
"""Arm's architectural event numbers (Arm ARM, PMUv3: INST_RETIRED, CPU_CYCLES, L2D_CACHE), for
drivers that do not list their events."""

_WITHOUT_LIST = {"cpu", "armv8_pmuv3", "armv8_pmuv3_0"}
"""PMUs of the cores that say no ``cpus``: they count on all of them."""


class Pmu(Struct, frozen=True):
    """A core PMU: the cores that it counts on, and its events by role."""

    name: str
    cores: frozenset[int]
    events: Mapping[str, Event]


def find_pmus(root: Path) -> tuple[Pmu, ...]:
    """The PMUs of cores, by name, that can count instructions."""
    folder = root / "sys/bus/event_source/devices"
    present = _cores(root / "sys/devices/system/cpu/present")
    found = []
    for device in sorted(folder.iterdir()) if folder.is_dir() else ():
        cores = _cores(device / "cpus")
        if not cores and device.name in _WITHOUT_LIST:
            cores = present
        events = dict(_events(device)) if cores else {}
        if INSTRUCTIONS in events:
            found.append(Pmu(device.name, cores, events))
    return tuple(found)


def uncovered_cores(root: Path, pmus: tuple[Pmu, ...]) -> frozenset[int]:
    """The present cores on which no PMU counts."""
    return _cores(root / "sys/devices/system/cpu/present").difference(*[pmu.cores for pmu in pmus])


def _events(device: Path) -> Iterator[tuple[str, Event]]:
    kind = _text(device / "type")
    if not kind.isdecimal():
        return
    for role, names in ROLES.items():
        terms = next(filter(None, [_text(device / "events" / name) for name in names]), "")
        if terms:
            code = event_code(
                terms, {name: _text(device / "format" / name) for name in _keys(terms)}
            )
        elif (device / "events").is_dir() or not device.name.startswith("arm"):
            code = None
        else:
            code = ARM_CODES[role]
        if code is not None:
            yield role, Event(int(kind), code)


def event_code(terms: str, formats: Mapping[str, str]) -> int | None:
    """The code of an event as its driver describes it; None for what does not fit into one number.

    >>> hex(event_code("event=0x2e,umask=0x4f", {"event": "config:0-7", "umask": "config:8-15"}))
    '0x4f2e'
    >>> event_code("event=0x11", {"event": "config1:0-7"})
    """
    code = 0
    for term in terms.split(","):
        name, _, value = term.partition("=")
        place, _, bits = formats.get(name, "").partition(":")
        first = bits.partition("-")[0].partition(",")[0]
        if place != "config" or not first.isdecimal():
            return None
        code |= int(value or "1", 0) << int(first)
    return code


def _keys(terms: str) -> list[str]:
    return [term.partition("=")[0] for term in terms.split(",")]


def _cores(path: Path) -> frozenset[int]:
    try:
        return frozenset(parse_cpu_list(_text(path)))
    except ValueError:
        return frozenset()


def _text(path: Path) -> str:
    try:
        return path.read_text(errors="replace").strip()
    except OSError:
        return ""
