"""The sleep states of a cluster's cores: from the device tree, else as cpuidle shows them."""

from collections.abc import Iterator

from platforms.board import IdleState
from platforms.linux.files.maybe_file import folders_at, number_at, text_at
from platforms.linux.probe.fact import Fact, Gap
from platforms.linux.probe.place import Place

_NO_SLEEP = {"wfi", "poll", "c1", "c1_acpi"}
"""States in which a core only waits; they cost `core_wfi_w`."""


def idle_states(place: Place) -> Fact[tuple[IdleState, ...]]:
    """The sleep states deeper than waiting for an interrupt, the shallowest first."""
    described = tuple(_described(place))
    if described:
        return Fact(described, "device tree: cpu-idle-states of the core's node")
    shown = tuple(_shown(place))
    if shown:
        source = f"measured: cpuidle of cpu{place.core}; its one latency is taken as the exit's"
        return Fact(shown, source)
    gap = Gap(
        f"sleep states of core {place.core}",
        "device tree (cpu-idle-states), cpuidle in sysfs",
        "none: an idle core costs what it costs while it waits (WFI)",
        "a kernel with CONFIG_CPU_IDLE and a driver for this board",
    )
    return Fact((), "assumed: none", gap)


def _described(place: Place) -> Iterator[IdleState]:
    for handle in place.node.cells("cpu-idle-states") if place.node else ():
        state = place.tree.target(handle)
        if state is None or not state.has("exit-latency-us"):
            continue
        names = state.strings("idle-state-name")
        yield _state(
            names[0] if names else state.folder.name,
            state.cell("entry-latency-us") or 0,
            state.cell("exit-latency-us") or 0,
            state.cell("min-residency-us") or 0,
        )


def _shown(place: Place) -> Iterator[IdleState]:
    folder = place.root / f"sys/devices/system/cpu/cpu{place.core}/cpuidle"
    for state in folders_at(folder, "state*"):
        name = text_at(state / "name") or state.name
        if name.lower() not in _NO_SLEEP:
            latency_us = number_at(state / "latency") or 0
            yield _state(name, 0, latency_us, number_at(state / "residency") or 0)


def _state(name: str, entry_us: int, exit_us: int, stay_us: int) -> IdleState:
    return IdleState(
        name=name,
        entry_s=round(entry_us * 1e-6, 7),
        exit_s=round(exit_us * 1e-6, 7),
        min_residency_s=round(stay_us * 1e-6, 7),
    )
