"""The device tree that this kernel was booted with, as its folders under /sys/firmware show it.

A node is a folder, a property a file of big-endian 32-bit cells or of zero-terminated strings.
"""

import struct
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path

_BASE = "sys/firmware/devicetree/base"
_SKIPPED = {"__symbols__", "__fixups__", "__local_fixups__", "aliases"}


class Node:
    """A node of the device tree; every property may be missing."""

    def __init__(self, folder: Path) -> None:
        """`folder` is the node's folder."""
        self.folder = folder

    @property
    def name(self) -> str:
        """The node's name without its unit address: ``cpu`` of ``cpu@100``."""
        return self.folder.name.partition("@")[0]

    def cells(self, name: str) -> tuple[int, ...]:
        """A property's 32-bit cells, none where it is missing."""
        raw = self._raw(name)
        count = len(raw) // 4
        return struct.unpack(f">{count}I", raw[: 4 * count])

    def cell(self, name: str) -> int | None:
        """A property's first cell."""
        cells = self.cells(name)
        return cells[0] if cells else None

    def wide(self, name: str) -> int | None:
        """A property of two cells as one 64-bit number."""
        cells = self.cells(name)
        return (cells[0] << 32) + cells[1] if len(cells) >= 2 else None

    def strings(self, name: str) -> tuple[str, ...]:
        """A property's strings, none where it is missing."""
        text = self._raw(name).decode("utf-8", "replace")
        return tuple(part for part in text.split("\0") if part)

    def has(self, name: str) -> bool:
        """Whether there is a property or a child of this name."""
        return (self.folder / name).exists()

    def child(self, name: str) -> "Node":
        """A child; all its properties are missing where there is none."""
        return Node(self.folder / name)

    def children(self) -> Iterator["Node"]:
        """The children, by name."""
        try:
            entries = sorted(self.folder.iterdir())
        except OSError:
            return
        for entry in entries:
            if entry.is_dir() and entry.name not in _SKIPPED:
                yield Node(entry)

    def _raw(self, name: str) -> bytes:
        try:
            return (self.folder / name).read_bytes()
        except OSError:
            return b""


class DeviceTree:
    """The whole tree; empty on machines that have none (x86, ACPI)."""

    def __init__(self, root: Path) -> None:
        """`root` is the file system's root, ``/`` on the running machine."""
        self.top = Node(root / _BASE)

    @property
    def is_there(self) -> bool:
        """Whether this kernel was booted with a device tree."""
        return self.top.folder.is_dir()

    def target(self, phandle: int | None) -> Node | None:
        """The node that a phandle points to."""
        return None if phandle is None else self._by_phandle.get(phandle)

    @cached_property
    def _by_phandle(self) -> dict[int, Node]:
        found: dict[int, Node] = {}
        waiting = [self.top]
        while waiting:
            node = waiting.pop()
            number = node.cell("phandle")
            if number is not None:
                found[number] = node
            waiting.extend(node.children())
        return found
