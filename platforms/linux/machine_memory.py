"""How much memory the machine has, and how much of it programs could still get."""

from pathlib import Path

from msgspec import Struct

from platforms.linux.errors import Unreadable
from platforms.linux.files.kernel_file import KernelFile

_BYTES_PER_KB = 1024


class MemoryReading(Struct, frozen=True, gc=False):
    """Bytes: all that the kernel manages, and what is available without swapping."""

    total_bytes: int
    available_bytes: int


class MachineMemory:
    """Reads ``/proc/meminfo``."""

    def __init__(self, root: Path) -> None:
        """`root` is the root of the file system."""
        self._file = KernelFile(root / "proc/meminfo")

    def read(self) -> MemoryReading | None:
        """How it is now; None where the kernel does not tell (MemAvailable: Linux 3.14)."""
        try:
            return parse_meminfo(self._file.read_text())
        except Unreadable:
            return None

    def close(self) -> None:
        """Close the file."""
        self._file.close()


def parse_meminfo(text: str) -> MemoryReading | None:
    r"""The two lines that count, None where one is missing.

    >>> parse_meminfo("MemTotal:  6000 kB\nMemFree: 10 kB\nMemAvailable:  4000 kB\n")
    MemoryReading(total_bytes=6144000, available_bytes=4096000)
    >>> parse_meminfo("MemTotal:  6000 kB")
    """
    fields = {name: rest.split() for name, _, rest in (l.partition(":") for l in text.splitlines())}
    found = [fields.get(name, [""])[0] for name in ("MemTotal", "MemAvailable")]
    if not all(value.isdecimal() for value in found):
        return None
    return MemoryReading(*[int(value) * _BYTES_PER_KB for value in found])
