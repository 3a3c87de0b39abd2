"""How busy each core was, from the kernel's own account in ``/proc/stat``."""

from collections import deque
from collections.abc import Sequence
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

_ROWS = bytes.maketrans(b"\ncp ", b"],[,")
"""Makes rows of JSON out of lines, with the ``u`` left out: "],[" of the line break and "cpu"."""

_Account = tuple[list[int], list[int], list[int]]
"""The cores that are online, and of each the clock ticks since boot: busy ones, and all."""

_NOTHING: _Account = ([], [], [])

_NEVER = 1 << 62
"""Busy ticks of a core that was not there before: no core is as busy."""


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
        try:
            now = parse_account(self._file.read_start(self._most_bytes))
        except (Unreadable, ValueError, msgspec.DecodeError):
            return self._shares
        past, (cores, busy_ticks, all_ticks) = self._past, now
        first, ticks = cores[0], all_ticks[0]
        # The first core's account may begin anew: what is far ahead of it is as old as far behind.
        while len(past) > 1:
            cores_then, _, ticks_then = past[1]
            if cores_then[0] == first and abs(ticks - ticks_then[0]) < self._least_ticks:
                break
            past.popleft()
        before = past[0] if past else _NOTHING
        past.append(now)
        if cores != before[0]:
            before = _aligned(before, cores)
        _, busy_before, all_before = before
        shares = [0.0] * self._cores
        for number, core in enumerate(cores):
            busy = busy_ticks[number] - busy_before[number]
            if busy > 0 and core < self._cores:
                passed = all_ticks[number] - all_before[number]
                shares[core] = busy / passed if busy < passed else 1.0
        self._shares = tuple(shares)
        return self._shares

    def close(self) -> None:
        """Close the file."""
        self._file.close()


def parse_account(text: bytes) -> _Account:
    r"""What all cores did by ``/proc/stat``; DecodeError where it does not say that of any.

    Waiting for a disk is idle; what guests had is in the first two columns already.

    >>> parse_account(b"cpu  9 9 9 9\ncpu0 5 1 2 90 3 1 1 0 0 0\ncpu4 7 0 0 80\nintr 0")
    ([0, 4], [10, 7], [103, 87])
    """
    begin, end = text.find(b"\ncpu"), text.find(b"\nintr")
    lines = text[begin + 4 : end if end >= 0 else None]
    cores, busy_ticks, all_ticks = [], [], []
    for row in _decode(b"[[" + lines.translate(_ROWS, b"u") + b"]]"):
        busy = row.user + row.nice + row.system + row.irq + row.softirq + row.steal
        cores.append(row.core)
        busy_ticks.append(busy)
        all_ticks.append(busy + row.idle + row.waiting)
    return cores, busy_ticks, all_ticks


def _aligned(account: _Account, cores: Sequence[int]) -> _Account:
    """The account of these cores; of one that was not there nothing counts as busy since."""
    known = {core: ticks for core, *ticks in zip(*account, strict=True)}
    ticks = [known.get(core, (_NEVER, 0)) for core in cores]
    return list(cores), [busy for busy, _ in ticks], [both for _, both in ticks]


def _possible(root: Path) -> int:
    """How many cores there may be."""
    cores = parse_cpu_list(KernelFile(root / "sys/devices/system/cpu/possible").read_text())
    return max(cores, default=-1) + 1
