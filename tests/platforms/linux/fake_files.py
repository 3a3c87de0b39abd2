"""Files of a fake kernel: replaced in place and at once, so that who keeps one open sees it."""

import os
from pathlib import Path


def replace(path: Path, text: str) -> None:
    """Give a file this content in one write.

    The inode stays. What the old content was longer is filled with line breaks: nobody reads a
    torn value, and readers strip them as they strip the kernel's own.
    """
    data = (text if text.endswith("\n") or not text else text + "\n").encode()
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        size = os.fstat(descriptor).st_size
        if data:
            os.pwrite(descriptor, data.ljust(size, b"\n"), 0)
        else:
            os.ftruncate(descriptor, 0)
    finally:
        os.close(descriptor)


def create(folder: Path, files: dict[str, str]) -> None:
    """Make a folder with these files."""
    for part in {(folder / name).parent for name in files}:
        if not part.is_dir():
            part.mkdir(parents=True)
    for name, text in files.items():
        replace(folder / name, text)


def content(path: Path) -> str:
    """What a file says, without the line breaks at its end."""
    return path.read_text(errors="backslashreplace").rstrip("\n")


def cpu_list(cores: list[int]) -> str:
    """Cores as the kernel writes them in ``online``: ``0-3,5``."""
    runs: list[list[int]] = []
    for core in sorted(cores):
        if runs and runs[-1][-1] == core - 1:
            runs[-1].append(core)
        else:
            runs.append([core])
    return ",".join(f"{run[0]}-{run[-1]}" if len(run) > 1 else str(run[0]) for run in runs)
