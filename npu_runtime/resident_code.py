"""Give back memory that libraries needed for their start only: most of it is never used again.

onnxruntime touches 17 MiB of its code while it starts, registering every operator it knows; a small
network then needs 4 of them. The rest would stay mapped as long as the daemon runs. What was only
read from a file the kernel fetches again if it is needed after all.
"""

import ctypes
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

_MADV_DONTNEED = 4
"""madvise(2): unmap these pages. What was written to them is lost, so it is for code alone."""

_MADV_PAGEOUT = 21
"""madvise(2), Linux 5.4 and later: reclaim these pages. Older kernels refuse (EINVAL)."""

_MAPS = Path("/proc/self/maps")
_MAPPING = re.compile(r"([0-9a-f]+)-([0-9a-f]+) r-([x-])p \S+ \S+ [1-9]\d* +(/.*)")
"""A file's part that is not written to: code, constants, relocated tables."""


class _Mapping(NamedTuple):
    start: int
    length: int
    is_code: bool
    name: str


def give_back_code(library: str, *, maps: Path = _MAPS) -> int:
    """Unmap the code pages of all files whose name begins with `library`, for now.

    The number of bytes of their mappings; 0 where the kernel does not show a process its mappings,
    or refuses.
    """
    found = (m for m in _mappings(maps) if m.is_code and m.name.startswith(library))
    return advise(((m.start, m.length) for m in found), _MADV_DONTNEED)


def give_back_files(*, maps: Path = _MAPS) -> int:
    """Offer the kernel all that was read from files and not written to; it takes what it can.

    The number of bytes of these mappings, as above.
    """
    return advise(((m.start, m.length) for m in _mappings(maps)), _MADV_PAGEOUT)


def advise(ranges: Iterable[tuple[int, int]], advice: int) -> int:
    """Give the kernel an advice, see madvise(2), on this process's memory.

    `ranges` are starts and lengths in bytes. Returns the bytes of those that the kernel took it
    for; 0 where they cannot be listed.
    """
    try:
        madvise = ctypes.CDLL(None).madvise
        madvise.argtypes = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int)
        return sum(length for start, length in list(ranges) if madvise(start, length, advice) == 0)
    except (OSError, AttributeError):
        return 0


def _mappings(maps: Path) -> Iterator[_Mapping]:
    for line in maps.read_text(errors="replace").splitlines():
        match = _MAPPING.match(line)
        if match:
            start = int(match[1], 16)
            yield _Mapping(start, int(match[2], 16) - start, match[3] == "x", Path(match[4]).name)
