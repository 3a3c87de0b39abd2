"""What a core is: from the device tree's ``compatible``, else from the core's own MIDR register."""

from pathlib import Path

from platforms.linux.files.maybe_file import number_at, text_at
from platforms.linux.probe.device_tree import Node
from platforms.linux.probe.fact import Fact, unseen

ARM_PARTS = {
    0xD03: "cortex-a53",
    0xD04: "cortex-a35",
    0xD05: "cortex-a55",
    0xD07: "cortex-a57",
    0xD08: "cortex-a72",
    0xD09: "cortex-a73",
    0xD0A: "cortex-a75",
    0xD0B: "cortex-a76",
    0xD0D: "cortex-a77",
    0xD41: "cortex-a78",
    0xD44: "cortex-x1",
    0xD46: "cortex-a510",
    0xD47: "cortex-a710",
    0xD48: "cortex-x2",
    0xD4D: "cortex-a715",
    0xD4E: "cortex-x3",
    0xD80: "cortex-a520",
    0xD81: "cortex-a720",
    0xD82: "cortex-x4",
    0xC07: "cortex-a7",
    0xC0F: "cortex-a15",
}
"""Part numbers of implementer 0x41, Arm (Linux, arch/arm64/include/asm/cputype.h)."""

UNKNOWN = "unknown"
"""The type of a core that nothing tells about."""

_ARM = 0x41
_IN_ORDER = {f"cortex-a{number}" for number in (5, 7, 8, 34, 35, 53, 55, 65, 510, 520)} | {
    "kryo-silver"
}


def is_little(core_type: str) -> bool:
    """Whether a core type is one of those made to be small.

    >>> is_little("cortex-a55"), is_little("cortex-a76")
    (True, False)
    """
    return core_type in _IN_ORDER


def core_type(root: Path, core: int, node: Node | None) -> Fact[str]:
    """The type of a core, such as ``cortex-a53``."""
    named = _from_tree(node)
    if named:
        return Fact(named, "device tree: compatible of the core's node")
    part = _midr(root, core)
    if part is not None:
        return Fact(_from_midr(part), f"measured: MIDR register, {part:#x}")
    return unseen(
        UNKNOWN,
        "an unknown core type, for which nothing typical is known",
        what=f"type of core {core}",
        looked_at="device tree (cpus, compatible), midr_el1, /proc/cpuinfo",
    )


def midr_type(root: Path, core: int) -> str | None:
    """The type that the core itself claims, None where the kernel does not show it."""
    part = _midr(root, core)
    return None if part is None else _from_midr(part)


def _from_tree(node: Node | None) -> str:
    for text in node.strings("compatible") if node else ():
        vendor, _, name = text.partition(",")
        if name and not name.startswith("armv"):
            return name
        if vendor and not name:
            return vendor
    return ""


def _midr(root: Path, core: int) -> int | None:
    """The register, from sysfs (arm64) or put together from /proc/cpuinfo."""
    path = f"sys/devices/system/cpu/cpu{core}/regs/identification/midr_el1"
    return number_at(root / path) or _from_cpuinfo(root, core)


def _from_cpuinfo(root: Path, core: int) -> int | None:
    for block in (text_at(root / "proc/cpuinfo") or "").split("\n\n"):
        pairs = (line.partition(":") for line in block.splitlines())
        said = {key.strip(): value.strip() for key, _, value in pairs}
        if said.get("processor") == str(core) and {"CPU implementer", "CPU part"} <= set(said):
            return (int(said["CPU implementer"], 0) << 24) | (int(said["CPU part"], 0) << 4)
    return None


def _from_midr(midr: int) -> str:
    """The name of a part, or its numbers where it is none that we know.

    >>> _from_midr(0x410FD034)
    'cortex-a53'
    >>> _from_midr(0x51AF8001)
    'part-51-800'
    """
    implementer, part = midr >> 24, (midr >> 4) & 0xFFF
    if implementer == _ARM and part in ARM_PARTS:
        return ARM_PARTS[part]
    return f"part-{implementer:x}-{part:x}"
