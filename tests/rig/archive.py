"""Write the initramfs: a folder as a cpio archive of the kind that the kernel unpacks ("newc")."""

import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

_MAGIC = "070701"
_TRAILER = "TRAILER!!!"


def write_archive(folder: Path, target: Path) -> None:
    """All files, folders and symbolic links below `folder`, owned by root."""
    with target.open("wb") as archive:
        for number, path in enumerate(_walk(folder), start=1):
            state = path.lstat()
            name = str(path.relative_to(folder))
            _entry(archive, number, name, state.st_mode, _content(path, state.st_mode))
        _entry(archive, 0, _TRAILER, 0, b"")


def _walk(folder: Path) -> Iterator[Path]:
    for path in sorted(folder.iterdir()):
        yield path
        if path.is_dir() and not path.is_symlink():
            yield from _walk(path)


def _content(path: Path, mode: int) -> bytes:
    if stat.S_ISLNK(mode):
        return os.fsencode(path.readlink())
    return path.read_bytes() if stat.S_ISREG(mode) else b""


def _entry(archive: BinaryIO, number: int, name: str, mode: int, content: bytes) -> None:
    encoded = name.encode() + b"\0"
    # inode, mode, uid, gid, links, mtime, size, device (2), its own device (2), name, checksum
    fields = (number, mode, 0, 0, 1, 0, len(content), 0, 0, 0, 0, len(encoded), 0)
    header = _MAGIC + "".join(f"{field:08x}" for field in fields)
    _padded(archive, header.encode() + encoded)
    _padded(archive, content)


def _padded(archive: BinaryIO, content: bytes) -> None:
    archive.write(content + b"\0" * (-len(content) % 4))
