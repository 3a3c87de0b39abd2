"""Keep a core of the guest busy at little cost to the host, by a few instructions of AArch64.

The loop runs through no-operations, which the emulator counts as time but hardly works for, then
executes ``yield``, at which it turns to the next emulated core. So the kernel sees a core that is
busy all the time, while processes on other cores get most of the host's speed.
"""

import ctypes
import mmap
import struct
from collections.abc import Callable

_NOPS = 480
_ROUNDS = 32

_READ_COUNTER_X0 = 0xD53BE040  # mrs x0, cntvct_el0
_READ_COUNTER_X1 = 0xD53BE041  # mrs x1, cntvct_el0
_READ_FREQUENCY_X0 = 0xD53BE000  # mrs x0, cntfrq_el0
_COMPARE = 0xEB00003F  # cmp x1, x0
_SET_X2 = 0xD2800002  # mov x2, #0
_DECREMENT_X2 = 0xF1000442  # subs x2, x2, #1
_NOP = 0xD503201F
_YIELD = 0xD503203F
_RETURN = 0xD65F03C0


def _branch(words: int) -> int:
    """Jump by so many instructions."""
    return 0x1400_0000 | words & 0x3FF_FFFF


def _branch_if(condition: int, words: int) -> int:
    """Jump by so many instructions where the flags say so."""
    return 0x5400_0000 | (words & 0x7_FFFF) << 5 | condition


_HIGHER_OR_SAME, _NOT_EQUAL = 2, 1


def spin_code() -> list[int]:
    """``void spin_until(uint64_t counter)``: return when the core's counter has got there."""
    head = [_READ_COUNTER_X1, _COMPARE]
    body = [_SET_X2 | _ROUNDS << 5, *[_NOP] * _NOPS, _DECREMENT_X2]
    body += [_branch_if(_NOT_EQUAL, -(_NOPS + 1)), _YIELD]
    back = _branch(-(len(head) + 1 + len(body)))
    return [*head, _branch_if(_HIGHER_OR_SAME, len(body) + 2), *body, back, _RETURN]


class Spinner:
    """The code, executable. Python's lock is not held while it spins."""

    def __init__(self) -> None:
        """Put the code into memory; works on AArch64 only."""
        code = spin_code()
        counter = [_READ_COUNTER_X0, _RETURN]
        frequency = [_READ_FREQUENCY_X0, _RETURN]
        words = [*code, *counter, *frequency]
        protection = mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC
        self._memory = mmap.mmap(-1, 4 * len(words), prot=protection)
        self._memory.write(struct.pack(f"<{len(words)}I", *words))
        start = ctypes.addressof(ctypes.c_char.from_buffer(self._memory))
        returns_number = ctypes.CFUNCTYPE(ctypes.c_uint64)
        self._spin_until = ctypes.CFUNCTYPE(None, ctypes.c_uint64)(start)
        self._counter: Callable[[], int] = returns_number(start + 4 * len(code))
        rate: Callable[[], int] = returns_number(start + 4 * (len(code) + len(counter)))
        self._counts_per_s = rate()

    def spin(self, seconds: float) -> None:
        """Keep the core busy for so long, in the guest's time."""
        self._spin_until(self._counter() + round(seconds * self._counts_per_s))
