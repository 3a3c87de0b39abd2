"""Give back what only the start needed: most of what libraries have in memory is never used again.

A network's run-time alone registers some thousand operators when it is loaded; a policy uses two.
The code of that is clean: the kernel can drop it now and read it again if it is ever called.
"""

import ctypes
import gc
import mmap
import re
from collections.abc import Iterator
from pathlib import Path

MADV_PAGEOUT = 21
"""madvise(2), Linux 5.4 and later: drop these pages now. Older kernels refuse (EINVAL)."""

_MAPPING = re.compile(r"([0-9a-f]+)-([0-9a-f]+) r-[x-]p \S+ \S+ [1-9]\d* +/")
"""A file's part that is not written to: code, constants, relocated tables."""


def give_back_start_up_memory(maps: Path = Path("/proc/self/maps")) -> int:
    """Bytes of mappings that were offered to the kernel; it takes what it can.

    Collects garbage first; what lives now is not looked at by later collections.
    """
    gc.collect()
    gc.freeze()
    madvise = ctypes.CDLL(None).madvise
    madvise.argtypes = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int)
    offered = 0
    for start, length in list(_mappings(maps)):
        if madvise(start, length, MADV_PAGEOUT) == 0:
            offered += length
    return offered


def _mappings(maps: Path) -> Iterator[tuple[int, int]]:
    for line in maps.read_text(errors="replace").splitlines():
        match = _MAPPING.match(line)
        if match:
            start, end = int(match[1], 16), int(match[2], 16)
            if start % mmap.PAGESIZE == 0:
                yield start, end - start
