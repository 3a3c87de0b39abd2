"""The system call perf_event_open: counters of a thread, inherited by all that it starts."""

import ctypes
import errno
import os
import platform
import struct
from collections.abc import Sequence
from contextlib import suppress

from msgspec import Struct

_NUMBERS = {"aarch64": 241, "riscv64": 241, "x86_64": 298, "i686": 336, "armv7l": 364}
"""The system call's number per machine (the kernel's tables, asm/unistd.h)."""

# struct perf_event_attr up to its first published size; see perf_event_open(2).
_ATTRIBUTES = struct.Struct("=IIQQQQQ16x")
_FLAG_INHERIT, _FLAG_EXCLUDE_KERNEL, _FLAG_EXCLUDE_HV = 1 << 1, 1 << 5, 1 << 6
_FORMAT_TIMES, _FORMAT_GROUP = 0x3, 0x8
_CLOSE_ON_EXEC = 8


class Event(Struct, frozen=True, gc=False):
    """What to count: a PMU's `type` number and its event code."""

    type: int
    config: int


def open_event(event: Event, tid: int, *, leader: int = -1, grouped: bool = True) -> int:
    """A descriptor that counts `event` in user mode for thread `tid`, on every core.

    What the thread starts from now on, threads and processes, is counted as well, also after the
    thread's own end. With `grouped`, reading `leader` gives the whole group. Raises OSError as the
    kernel's: ESRCH (no such thread), ENOENT (no such event), EACCES, EMFILE, EINVAL (kernels before
    4.13 cannot read a group that is inherited).
    """
    attributes = _ATTRIBUTES.pack(
        event.type,
        _ATTRIBUTES.size,
        event.config,
        0,
        0,
        _FORMAT_TIMES | (_FORMAT_GROUP if grouped else 0),
        _FLAG_INHERIT | _FLAG_EXCLUDE_KERNEL | _FLAG_EXCLUDE_HV,
    )
    number = _NUMBERS.get(platform.machine())
    if number is None:
        raise OSError(errno.ENOSYS, f"perf_event_open has no known number on {platform.machine()}")
    buffer = ctypes.create_string_buffer(attributes, len(attributes))
    descriptor = int(_LIBC.syscall(number, buffer, tid, -1, leader, _CLOSE_ON_EXEC))
    if descriptor < 0:
        code = ctypes.get_errno()
        raise OSError(code, f"perf_event_open of {event} for thread {tid}: {os.strerror(code)}")
    return descriptor


def open_group(events: Sequence[Event], tid: int, *, grouped: bool) -> list[int]:
    """Descriptors of events that count together or not at all, the leader's first.

    Raises OSError as `open_event` does; nothing is left open then.
    """
    descriptors: list[int] = []
    try:
        for event in events:
            leader = descriptors[0] if descriptors else -1
            descriptors.append(open_event(event, tid, leader=leader, grouped=grouped))
    except OSError:
        close_all(descriptors)
        raise
    return descriptors


def close_all(descriptors: Sequence[int]) -> None:
    """Close them."""
    for descriptor in descriptors:
        with suppress(OSError):
            os.close(descriptor)


_LIBC = ctypes.CDLL(None, use_errno=True)
