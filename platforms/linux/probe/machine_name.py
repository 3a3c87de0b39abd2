"""What this machine calls itself."""

import re
from pathlib import Path

from msgspec import Struct

from platforms.linux.files.maybe_file import text_at
from platforms.linux.probe.device_tree import DeviceTree


class MachineName(Struct, frozen=True):
    """`name` is fit for a board file, `title` is for people; `compatible` is the device tree's."""

    name: str
    title: str
    soc: str
    compatible: tuple[str, ...]
    kernel: str


def machine_name(root: Path, tree: DeviceTree) -> MachineName:
    """From the device tree, else from the firmware's tables (DMI)."""
    models = tree.top.strings("model")
    title = models[0] if models else text_at(root / "sys/class/dmi/id/product_name") or "unknown"
    compatible = tree.top.strings("compatible")
    return MachineName(
        name=slug(title),
        title=title,
        soc=compatible[-1] if compatible else "unknown",
        compatible=compatible,
        kernel=text_at(root / "proc/sys/kernel/osrelease") or "unknown",
    )


def slug(title: str) -> str:
    """A title as a name.

    >>> slug("Radxa ROCK 5B (v1.4)"), slug("???")
    ('radxa-rock-5b-v1-4', 'board')
    """
    return re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-") or "board"
