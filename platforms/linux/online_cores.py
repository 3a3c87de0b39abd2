"""Which cores are plugged in."""

from pathlib import Path

from platforms.linux.errors import Unreadable
from platforms.linux.files.cpu_list import parse_cpu_list
from platforms.linux.files.kernel_file import KernelFile


class OnlineCores:
    """The cores that run now, and those that may ever run."""

    def __init__(self, root: Path) -> None:
        folder = root / "sys/devices/system/cpu"
        self._online = KernelFile(folder / "online")
        self._possible = KernelFile(folder / "possible")
        self._last: tuple[bytes, frozenset[int]] = (b"", frozenset())

    def read(self) -> frozenset[int]:
        """Return the cores that are online; raises Unreadable."""
        data = self._online.read_bytes()
        if data != self._last[0]:
            self._last = (data, _cores(self._online, data))
        return self._last[1]

    def possible(self) -> frozenset[int]:
        """Return every core that could be plugged in; raises Unreadable."""
        return _cores(self._possible, self._possible.read_bytes())

    def close(self) -> None:
        """Close the files."""
        self._online.close()
        self._possible.close()


def _cores(file: KernelFile, data: bytes) -> frozenset[int]:
    try:
        return frozenset(parse_cpu_list(data.decode()))
    except ValueError:
        message = f"{file.path} must be a list of cores (got {data[:40]!r})"
        raise Unreadable(message) from None
