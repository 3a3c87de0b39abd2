"""Where the rig lives: its own files, the checkout, and the folder that it builds into."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

RIG = Path(__file__).resolve().parent
CHECKOUT = RIG.parents[1]

BUILD_VARIABLE = "ILGOV_RIG_BUILD"
"""The environment variable that names another build folder, for a second guest at a time."""


@dataclass(frozen=True)
class Build:
    """The build folder and what lies in it. Git ignores it; deleting it is always safe."""

    folder: Path

    @property
    def kernel(self) -> Path:
        """The guest's kernel, uncompressed or not as Debian ships it."""
        return self.folder / "vmlinuz"

    @property
    def initramfs(self) -> Path:
        """The guest's root file system: Debian's Python, busybox and the drivers."""
        return self.folder / "initramfs.cpio"

    @property
    def site(self) -> Path:
        """Python packages for the guest, unpacked; it sees them as ``/site``."""
        return self.folder / "site"

    @property
    def fingerprint(self) -> Path:
        """What the build was made from; it is made anew when that changes."""
        return self.folder / "fingerprint"

    @property
    def out(self) -> Path:
        """What the guest writes; it sees the folder as ``/out``."""
        return self.folder / "out"

    @property
    def console(self) -> Path:
        """What the guest's kernel said in the latest run."""
        return self.folder / "console.log"

    @property
    def ram(self) -> Path:
        """The running guest's memory."""
        return self.folder / "ram"

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Have the folder for oneself, to build or to run a guest; waits for who has it now."""
        self.folder.mkdir(parents=True, exist_ok=True)
        with (self.folder / "lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield


def chosen_build() -> Build:
    """The build folder that the environment names, or the one beside this file."""
    return Build(Path(os.environ.get(BUILD_VARIABLE) or RIG / "build"))
