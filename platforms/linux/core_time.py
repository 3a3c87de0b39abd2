"""How busy each core was, from the kernel's own account in ``/proc/stat``."""

from collections import deque
from pathlib import Path

from platforms.linux.cpu_list import parse_cpu_list
from platforms.linux.errors import Unreadable
from platforms.linux.kernel_file import KernelFile
from platforms.linux.process_files import TICKS_PER_S

LEAST_WINDOW_S = 0.2
"""Utilisation is taken over at least so long: the account has steps of a clock tick, 10 ms, which
over one DVFS period would be steps of a fifth."""

_Account = dict[int, tuple[int, int]]


class CoreTime:
    """Busy shares of cores 0 to `cores` - 1."""

    def __init__(
        self, root: Path, *, cores: int | None = None, least_window_s: float = LEAST_WINDOW_S
    ) -> None:
        """Without `cores` all that the kernel calls possible. Utilisation starts to count now."""
        self._file = KernelFile(root / "proc/stat")
        self._cores = _possible(root) if cores is None else cores
        self._least_ticks = least_window_s * TICKS_PER_S
        self._past: deque[_Account] = deque([self._read()])
        self._shares = (0.0,) * self._cores

    def read(self) -> tuple[float, ...]:
        """The busy share of each core, 0 to 1, since the previous read or `least_window_s` ago.

        The earlier of both. A core that is offline, or came online just now, has 0. Where the
        account cannot be read the shares stay as they are.
        """
        now = self._read()
        if not now:
            return self._shares
        while len(self._past) > 1 and _ticks(self._past[1], now) >= self._least_ticks:
            self._past.popleft()
        before = self._past[0]
        self._past.append(now)
        self._shares = tuple([busy_share(before.get(c), now.get(c)) for c in range(self._cores)])
        return self._shares

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def _read(self) -> _Account:
        try:
            return parse_account(self._file.read_bytes())
        except (Unreadable, ValueError):
            return {}


def parse_account(text: bytes) -> _Account:
    r"""Busy and idle clock ticks since boot of every core that is online.

    Waiting for a disk is idle; time that guests had is in the first two columns already.

    >>> parse_account(b"cpu  9 9 9\ncpu0 5 1 2 90 3 1 1 0 0 0\ncpu4 7 0 0 80 0 0 0 2 5 0\nintr 0")
    {0: (10, 93), 4: (9, 80)}
    """
    found = {}
    for line in text.splitlines()[1:]:
        if not line.startswith(b"cpu"):
            break
        name, *columns = line.split()
        user, nice, system, idle, *rest = map(int, columns[:8])
        waiting, *interrupts = rest or [0]
        found[int(name[3:])] = (user + nice + system + sum(interrupts), idle + waiting)
    return found


def busy_share(before: tuple[int, int] | None, now: tuple[int, int] | None) -> float:
    """The busy share between two accounts of a core, None where it was offline.

    >>> busy_share((10, 90), (13, 92))
    0.6
    >>> busy_share((10, 90), (10, 89))
    0.0
    """
    if before is None or now is None:
        return 0.0
    busy, idle = max(0, now[0] - before[0]), max(0, now[1] - before[1])
    return busy / (busy + idle) if busy else 0.0


def _ticks(before: _Account, now: _Account) -> int:
    """Clock ticks that have passed between two accounts, by the core that shows most."""
    return max((sum(now[c]) - sum(before[c]) for c in now.keys() & before.keys()), default=0)


def _possible(root: Path) -> int:
    """How many cores there may be."""
    cores = parse_cpu_list(KernelFile(root / "sys/devices/system/cpu/possible").read_text())
    return max(cores, default=-1) + 1
