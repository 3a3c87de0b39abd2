"""Give back the memory of a library's start-up code.

onnxruntime touches 17 MiB of its code while it starts, registering every operator it knows; a small
network then needs 4 of them. The rest would stay mapped as long as the daemon runs. Code is never
written to, so the kernel fetches again what is needed after all.
"""

import ctypes
import re
from collections.abc import Iterator
from pathlib import Path

_MADV_DONTNEED = 4
_MAPPING = re.compile(r"([0-9a-f]+)-([0-9a-f]+) r-xp \S+ \S+ (\d+)\s+(/.*)")


def give_back_code(library: str) -> None:
    """Unmap the code pages of all files whose name begins with `library`, for now.

    Does nothing where the kernel does not show a process its mappings, or refuses.
    """
    try:
        madvise = ctypes.CDLL(None).madvise
        for start, length in _code_of(library):
            madvise(ctypes.c_void_p(start), ctypes.c_size_t(length), _MADV_DONTNEED)
    except (OSError, AttributeError):
        return


def _code_of(library: str) -> Iterator[tuple[int, int]]:
    """Start and length of the read-only, executable mappings of a library's file."""
    for line in Path("/proc/self/maps").read_text().splitlines():
        found = _MAPPING.fullmatch(line)
        if found and int(found[3]) and Path(found[4]).name.startswith(library):
            start = int(found[1], 16)
            yield start, int(found[2], 16) - start
