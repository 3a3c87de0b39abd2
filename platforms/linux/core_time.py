"""How busy each core was, from the kernel's own account in ``/proc/stat``."""

from collections import deque
from pathlib import Path

import msgspec

from platforms.linux.errors import Unreadable
from platforms.linux.files.cpu_list import parse_cpu_list
from platforms.linux.files.kernel_file import KernelFile
from platforms.linux.processes.process_files import TICKS_PER_S

LEAST_WINDOW_S = 0.2
"""Utilisation is taken over at least so long: the account has steps of a clock tick, 10 ms, which
over one DVFS period would be steps of a fifth."""

_BYTES_PER_CORE = 128
"""A line of the account is shorter for some thousand years of clock ticks."""


class _Columns(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A core's line: clock ticks since boot by what it did. Old kernels have the first four."""

    core: int
    user: int
    nice: int
    system: int
    idle: int
    waiting: int = 0
    irq: int = 0
    softirq: int = 0
    steal: int = 0


_decode = msgspec.json.Decoder(list[_Columns]).decode
"""Reads the columns as JSON: much faster than to split and convert them one by one."""

_Account = dict[int, tuple[int, int]]
"""Busy and idle clock ticks of each core that is online."""


class CoreTime:
    """Busy shares of cores 0 to `cores` - 1."""

    def __init__(
        self, root: Path, *, cores: int | None = None, least_window_s: float = LEAST_WINDOW_S
    ) -> None:
        """Without `cores` all that the kernel calls possible. Utilisation starts to count now."""
        self._file = KernelFile(root / "proc/stat")
        self._cores = _possible(root) if cores is None else cores
        self._most_bytes = _BYTES_PER_CORE * (self._cores + 1)
        self._least_ticks = least_window_s * TICKS_PER_S
        self._past: deque[tuple[int, _Account]] = deque([self._read()])
        self._shares = (0.0,) * self._cores

    def read(self) -> tuple[float, ...]:
        """The busy share of each core, 0 to 1, since the previous read or `least_window_s` ago.

        The earlier of both. A core that is offline, or came online just now, has 0. Where the
        account cannot be read the shares stay as they are.
        """
        past = self._past
        ticks, now = self._read()
        if not now:
            return self._shares
        while len(past) > 1 and ticks - past[1][0] >= self._least_ticks:
            past.popleft()
        before = past[0][1]
        past.append((ticks, now))
        shares = [0.0] * self._cores
        for core, account in now.items():
            if core < self._cores:
                shares[core] = busy_share(before.get(core), account)
        self._shares = tuple(shares)
        return self._shares

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def _read(self) -> tuple[int, _Account]:
        """The account, and how far the core that was online longest has come, clock ticks."""
        try:
            account = parse_account(self._file.read_start(self._most_bytes))
        except (Unreadable, ValueError, msgspec.DecodeError):
            return 0, {}
        return max([busy + idle for busy, idle in account.values()], default=0), account


def parse_account(text: bytes) -> _Account:
    r"""Busy and idle clock ticks since boot of every core that is online.

    Waiting for a disk is idle; time that guests had is in the first two columns already.

    >>> parse_account(b"cpu  9 9 9\ncpu0 5 1 2 90 3 1 1 0 0 0\ncpu4 7 0 0 80 0 0 0 2 5 0\nintr 0")
    {0: (10, 93), 4: (9, 80)}
    """
    lines = text.partition(b"\n")[2]
    cores = lines[: lines.rfind(b"\n", 0, lines.find(b"intr")) if b"intr" in lines else None]
    rows = _decode(b"[[" + cores[3:].replace(b"\ncpu", b"],[").replace(b" ", b",") + b"]]")
    return {
        row.core: (
            row.user + row.nice + row.system + row.irq + row.softirq + row.steal,
            row.idle + row.waiting,
        )
        for row in rows
    }


def busy_share(before: tuple[int, int] | None, now: tuple[int, int]) -> float:
    """The busy share between two accounts of a core, the first None where it was offline.

    >>> busy_share((10, 90), (13, 92))
    0.6
    >>> busy_share((10, 90), (10, 89))
    0.0
    """
    if before is None:
        return 0.0
    busy, idle = now[0] - before[0], now[1] - before[1]
    if busy <= 0:
        return 0.0
    return busy / (busy + idle) if idle > 0 else 1.0


def _possible(root: Path) -> int:
    """How many cores there may be."""
    cores = parse_cpu_list(KernelFile(root / "sys/devices/system/cpu/possible").read_text())
    return max(cores, default=-1) + 1
