"""The devices that train: what each can do, read from a file in which every figure has its source.

A fleet is a TOML file of groups of equal devices; see `fleets/` for those that are shipped.
"""

from collections.abc import Iterator, Sequence
from importlib import resources

from msgspec import Struct

from platforms.described_file import (
    check_finite,
    check_not_negative,
    check_positive,
    check_sources,
    convert_toml,
    shipped_names,
    text_of,
)
from platforms.errors import InvalidInput
from training.federated.dice import dice

SCHEMA_VERSION = 1
_FLEETS = resources.files("training.federated") / "fleets"
_HIGHEST_DRIFT = 1.0


class Device(Struct, frozen=True, kw_only=True):
    """One device of a fleet.

    `flops_per_s` is what it sustains in training (a multiply-accumulate counts as two),
    `memory_bytes` what it can spare for training, `availability` the share of rounds in which it
    is there, `drift` the relative spread of its speed from round to round.
    """

    name: str
    kind: str
    flops_per_s: float
    memory_bytes: int
    up_bytes_per_s: float
    down_bytes_per_s: float
    active_power_w: float
    idle_power_w: float
    availability: float = 1.0
    drift: float = 0.0


class Group(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Equal devices; the figures are those of `Device`, `sources` says where each is from."""

    kind: str
    count: int
    flops_per_s: float
    memory_bytes: int
    up_bytes_per_s: float
    down_bytes_per_s: float
    active_power_w: float
    idle_power_w: float
    availability: float = 1.0
    drift: float = 0.0
    sources: dict[str, str]


class FleetFile(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A fleet as its file describes it."""

    schema: int
    name: str
    title: str
    groups: tuple[Group, ...]


class Fleet(Struct, frozen=True, kw_only=True):
    """Devices in a fixed order: a device's index says which part of a task's data it holds."""

    name: str
    devices: tuple[Device, ...]

    def index(self, device: str) -> int:
        """The index of a device by its name; InvalidInput where there is none."""
        for index, known in enumerate(self.devices):
            if known.name == device:
                return index
        raise InvalidInput(f"device must be one of the fleet {self.name} (got {device})")


def shipped_fleets() -> tuple[str, ...]:
    """Names of the fleets that come with ilgov."""
    return shipped_names(_FLEETS)


def load_fleet(name_or_file: str, devices: int = 0) -> Fleet:
    """The fleet of a shipped name or of a TOML file, in `devices` devices of the same mix (0: all).

    Raises InvalidInput naming file, key, requirement and value.
    """
    return fleet_of(load_fleet_file(name_or_file), devices)


def load_fleet_file(name_or_file: str) -> FleetFile:
    """A fleet as its file describes it, sources included; InvalidInput where that is wrong."""
    text, origin = text_of(name_or_file, _FLEETS, kind="fleet", listed_by="ilgov federated fleet")
    return parse_fleet(text, origin=origin)


def parse_fleet(text: str, *, origin: str) -> FleetFile:
    """The fleet that a TOML text describes; `origin` names the text in errors."""
    described = convert_toml(text, FleetFile, origin=origin)
    for problem in check(described):
        raise InvalidInput(f"{origin}: {problem}")
    return described


def check(described: FleetFile) -> Iterator[str]:
    """Every contradiction inside a fleet file, as ``key requirement (got value)``."""
    if described.schema != SCHEMA_VERSION:
        yield f"schema must be {SCHEMA_VERSION} (got {described.schema})"
    yield from check_finite(described)
    kinds = [group.kind for group in described.groups]
    if not kinds or len(set(kinds)) < len(kinds):
        yield f"groups must be one or more, of different kinds (got {kinds})"
    for group in described.groups:
        yield from _check_group(group)


def _check_group(group: Group) -> Iterator[str]:
    where = f"groups.{group.kind}"
    yield from check_positive(
        where,
        group,
        "count",
        "flops_per_s",
        "memory_bytes",
        "up_bytes_per_s",
        "down_bytes_per_s",
        "active_power_w",
        "availability",
    )
    yield from check_not_negative(where, group, "idle_power_w", "drift")
    if group.idle_power_w > group.active_power_w:
        yield f"{where}.idle_power_w must not exceed active_power_w (got {group.idle_power_w})"
    if group.availability > 1:
        yield f"{where}.availability must lie in 0 ... 1 (got {group.availability})"
    if group.drift > _HIGHEST_DRIFT:
        yield f"{where}.drift must lie in 0 ... {_HIGHEST_DRIFT:g} (got {group.drift})"
    yield from check_sources(where, group)


def fleet_of(described: FleetFile, devices: int = 0) -> Fleet:
    """The devices of a fleet file; see `load_fleet`."""
    if devices < 0:
        raise InvalidInput(f"devices must be 0 (all) or more (got {devices})")
    counts = [group.count for group in described.groups]
    if devices:
        counts = apportion(counts, devices)
    made = [
        _device(group, number)
        for group, count in zip(described.groups, counts, strict=True)
        for number in range(1, count + 1)
    ]
    return Fleet(name=described.name, devices=tuple(made))


def apportion(counts: Sequence[int], devices: int) -> list[int]:
    """So many devices in the mix of `counts`, by largest remainders; earlier groups win ties.

    >>> apportion([30, 40, 10], 8)
    [3, 4, 1]
    >>> apportion([30, 40, 10], 10)
    [4, 5, 1]
    """
    total = sum(counts)
    shares = [divmod(count * devices, total) for count in counts]
    seats = [whole for whole, _ in shares]
    by_rest = sorted(range(len(counts)), key=lambda i: (-shares[i][1], i))
    for i in by_rest[: devices - sum(seats)]:
        seats[i] += 1
    return seats


def _device(group: Group, number: int) -> Device:
    return Device(
        name=f"{group.kind}-{number:02d}",
        kind=group.kind,
        flops_per_s=group.flops_per_s,
        memory_bytes=group.memory_bytes,
        up_bytes_per_s=group.up_bytes_per_s,
        down_bytes_per_s=group.down_bytes_per_s,
        active_power_w=group.active_power_w,
        idle_power_w=group.idle_power_w,
        availability=group.availability,
        drift=group.drift,
    )


def present(fleet: Fleet, round_: int, seed: int) -> tuple[Device, ...]:
    """The devices that are there in a round, each by dice of its own; one at least."""
    thrown = [dice(seed, "present", device.name, round_).random() for device in fleet.devices]
    there = [d for d, value in zip(fleet.devices, thrown, strict=True) if value < d.availability]
    if not there:
        there = [fleet.devices[thrown.index(min(thrown))]]
    return tuple(there)
