"""Tests of putting the daemon's data into huge pages."""

import ctypes
import mmap
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from rm.daemon import huge_pages
from rm.daemon.huge_pages import HUGE_PAGE_BYTES, gather_in_huge_pages

SMAPS = Path("/proc/self/smaps")
MAPPED = 4 * HUGE_PAGE_BYTES


@pytest.fixture
def filled() -> Iterator[mmap.mmap]:
    """Three huge pages' worth of data at least, in small pages."""
    memory = mmap.mmap(-1, MAPPED, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    memory.madvise(mmap.MADV_NOHUGEPAGE)
    for place in range(0, MAPPED, mmap.PAGESIZE):
        memory[place : place + 8] = place.to_bytes(8, "little")
    memory.madvise(mmap.MADV_HUGEPAGE)
    yield memory
    memory.close()


def test_well_filled_memory_is_put_into_huge_pages_and_stays_what_it_is(
    filled: mmap.mmap, tmp_path: Path
) -> None:
    """As the kernel itself tells of the mapping."""
    start = ctypes.addressof(ctypes.c_char.from_buffer(filled))
    smaps = tmp_path / "smaps"
    smaps.write_text(f"{start:x}-{start + MAPPED:x} rw-p 00000000 00:00 0 \nRss: {MAPPED >> 10} kB")
    gathered = gather_in_huge_pages(smaps=smaps)
    if not gathered:
        pytest.skip("this kernel has no MADV_COLLAPSE, or no free huge page")
    assert 3 * HUGE_PAGE_BYTES <= gathered
    assert gathered <= _huge_bytes_at(start)
    seen = [filled[place : place + 8] for place in range(0, MAPPED, mmap.PAGESIZE)]
    assert seen == [n.to_bytes(8, "little") for n in range(0, MAPPED, mmap.PAGESIZE)]


def test_only_well_filled_memory_of_its_own_is_looked_at(tmp_path: Path) -> None:
    """Neither files nor code, and no stack that is nearly empty."""
    smaps = tmp_path / "smaps"
    smaps.write_text(
        "00200000-00600000 rw-p 00000000 00:00 0                  [heap]\n"
        "Size: 4096 kB\nRss: 4000 kB\n"
        "00700000-00d00000 rw-p 00000000 00:00 0 \nSize: 6144 kB\nRss: 6144 kB\n"
        "01000000-01800000 rw-p 00000000 00:00 0 \nSize: 8192 kB\nRss: 12 kB\n"
        "02000000-02800000 r-xp 00000000 08:01 77                 /usr/lib/libc.so.6\n"
        "Size: 8192 kB\nRss: 8192 kB\n"
        "03000000-03800000 rw-p 00000000 00:00 0                  [stack]\n"
        "Size: 8192 kB\nRss: 8192 kB\n"
    )
    assert [0x200000, 0x400000, 0x800000, 0xA00000] == list(huge_pages._whole_huge_pages(smaps))


def test_a_kernel_that_cannot_is_no_error(tmp_path: Path) -> None:
    """It saves time, and is no duty."""
    assert 0 == gather_in_huge_pages(smaps=tmp_path / "nowhere")
    smaps = tmp_path / "smaps"
    smaps.write_text("00200000-00600000 rw-p 00000000 00:00 0 \nRss: 4096 kB\n")
    assert 0 == gather_in_huge_pages(smaps=smaps)  # nothing is mapped there


def _huge_bytes_at(start: int) -> int:
    """What the kernel says of the mapping that this lies in; it may be joined to others."""
    for block in re.split(r"\n(?=[0-9a-f]+-[0-9a-f]+ )", SMAPS.read_text()):
        first, last = (int(part, 16) for part in block.split(" ", 1)[0].split("-"))
        if first <= start < last:
            kib = re.search(r"AnonHugePages: +(\d+) kB", block)
            return int(kib[1]) * 1024 if kib else 0
    return 0
