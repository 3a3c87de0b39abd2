"""Where the rig lives: its own files, the checkout, what it builds, and where guests run."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

RIG = Path(__file__).resolve().parent
CHECKOUT = RIG.parents[1]

BUILD_VARIABLE = "ILGOV_RIG_BUILD"
"""The environment variable that names another build folder."""

MOST_GUESTS = 8


@dataclass(frozen=True)
class Slot:
    """The folder of one running guest: its memory, its console, what it writes."""

    folder: Path

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

    @property
    def initramfs(self) -> Path:
        """The guest's root file system, where it is put together for one guest."""
        return self.folder / "initramfs.cpio"

    @property
    def device_tree(self) -> Path:
        """The guest's hardware, as its kernel reads it."""
        return self.folder / "board.dtb"


@dataclass(frozen=True)
class Build:
    """The build folder and what lies in it. Git ignores it; deleting it is always safe."""

    folder: Path

    @property
    def kernel(self) -> Path:
        """The guest's kernel, as Debian ships it."""
        return self.folder / "vmlinuz"

    @property
    def initramfs(self) -> Path:
        """The guest's root file system: Debian's Python, busybox and the drivers."""
        return self.folder / "initramfs.cpio"

    @property
    def systemd(self) -> Path:
        """What the guest's root file system holds besides where systemd is its first process."""
        return self.folder / "systemd.cpio"

    @property
    def site(self) -> Path:
        """Python packages for the guest, unpacked; it sees them as ``/site``."""
        return self.folder / "site"

    @property
    def training_site(self) -> Path:
        """PyTorch and Flower for guests that train; they see it as ``/training``."""
        return self.folder / "training"

    @property
    def compiled(self) -> Path:
        """Compiled Python files of all guests, so that the next one need not compile again."""
        return self.folder / "compiled"

    @property
    def reports(self) -> Path:
        """What the guests' programs said and reported in the tests' latest run."""
        return self.folder / "reports"

    @property
    def fingerprint(self) -> Path:
        """What the build was made from; it is made anew when that changes."""
        return self.folder / "fingerprint"

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Have the folder for oneself, to build in it; waits for who has it now."""
        self.folder.mkdir(parents=True, exist_ok=True)
        with (self.folder / "lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    @contextmanager
    def free_slot(self) -> Iterator[Slot]:
        """The first slot that nobody has, for as long as the block runs; waits while there is none.

        What the guest wrote stays there until the slot's next guest starts.
        """
        number = 0
        while True:
            slot = self.slot(number)
            slot.folder.mkdir(parents=True, exist_ok=True)
            last = number == MOST_GUESTS - 1
            with (slot.folder / "lock").open("w") as lock:
                try:
                    fcntl.flock(lock, fcntl.LOCK_EX | (0 if last else fcntl.LOCK_NB))
                except BlockingIOError:
                    number += 1
                    continue
                yield slot
                return

    def slot(self, number: int) -> Slot:
        """A slot by its number, whoever has it."""
        return Slot(self.folder / "guests" / str(number))


def chosen_build() -> Build:
    """The build folder that the environment names, or the one beside this file."""
    return Build(Path(os.environ.get(BUILD_VARIABLE) or RIG / "build"))
