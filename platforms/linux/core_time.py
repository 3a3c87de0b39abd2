"""How busy each core was, from the kernel's own account in ``/proc/stat``."""

from collections import deque
from pathlib import Path

import msgspec
from msgspec import Struct

from platforms.linux.errors import Unreadable
from platforms.linux.files.cpu_list import parse_cpu_list
from platforms.linux.files.kernel_file import KernelFile
from platforms.linux.processes.process_files import TICKS_PER_S

LEAST_WINDOW_S = 0.2
"""Utilisation is taken over at least so long: the account has steps of a clock tick, 10 ms, which
over one DVFS period would be steps of a fifth."""

_BYTES_PER_CORE = 128
"""A line of the account is shorter for some thousand years of clock ticks."""


class _Columns(Struct, frozen=True, array_like=True, gc=False):
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
"""Busy and idle clock ticks since boot of each core that is online."""

_NEVER = (-1 << 62, 0)
"""When a core was not there."""


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
        self._shares = (0.0,) * self._cores
        self._past: deque[_Account] = deque()
        self.read()

    def read(self) -> tuple[float, ...]:
        """The busy share of each core, 0 to 1, since the previous read or `least_window_s` ago.

        The earlier of both. A core that is offline, or came online just now, has 0. Where the
        account cannot be read the shares stay as they are.
        """
        rows, past, now = self._read(), self._past, _Account()
        if not rows:
            return self._shares
        first = rows[0]
        least, ticks = self._least_ticks, _ticks(first)
        # The first core's account may begin anew: what is far ahead of it is as old as far behind.
        while len(past) > 1 and abs(ticks - sum(past[1].get(first.core, _NEVER))) >= least:
            past.popleft()
        before, cores = past[0] if past else {}, self._cores
        shares = [0.0] * cores
        for row in rows:
            core = row.core
            # Waiting for a disk is idle; what guests had is in the first two columns already.
            busy = row.user + row.nice + row.system + row.irq + row.softirq + row.steal
            idle = row.idle + row.waiting
            now[core] = busy, idle
            was = before.get(core)
            if was is not None and busy > was[0] and core < cores:
                busy, idle = busy - was[0], idle - was[1]
                shares[core] = busy / (busy + idle) if idle > 0 else 1.0
        past.append(now)
        self._shares = tuple(shares)
        return self._shares

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def _read(self) -> list[_Columns]:
        """The lines of the cores that are online, none where they cannot be read."""
        try:
            return parse_account(self._file.read_start(self._most_bytes))
        except (Unreadable, ValueError, msgspec.DecodeError):
            return []


def _ticks(row: _Columns) -> int:
    """How far a core's account has come."""
    busy = row.user + row.nice + row.system + row.irq + row.softirq + row.steal
    return busy + row.idle + row.waiting


def parse_account(text: bytes) -> list[_Columns]:
    r"""The lines of all cores in ``/proc/stat``; DecodeError for what is none.

    >>> parse_account(b"cpu  9 9 9 9\ncpu0 5 1 2 90 3 1 1 0 0 0\ncpu4 7 0 0 80\nintr 0")[1]
    _Columns(core=4, user=7, nice=0, system=0, idle=80, waiting=0, irq=0, softirq=0, steal=0)
    """
    begin, end = text.find(b"\ncpu"), text.find(b"\nintr")
    lines = text[begin + 4 : end if end >= 0 else None]
    return _decode(b"[[%b]]" % lines.replace(b"\ncpu", b"],[").replace(b" ", b","))


def _possible(root: Path) -> int:
    """How many cores there may be."""
    cores = parse_cpu_list(KernelFile(root / "sys/devices/system/cpu/possible").read_text())
    return max(cores, default=-1) + 1
