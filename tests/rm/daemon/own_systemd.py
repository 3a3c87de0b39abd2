"""A systemd of its own for tests: the real service manager as process 1 of new namespaces.

Nothing of the machine is touched: processes, mounts, network, host name and cgroups are its own, so
are ``/run``, ``/etc``, ``/var/lib`` and ``/var/log``, and the kernel's settings cannot be written.
It needs root, and a kernel that lets root make namespaces; where that is not so the test is
skipped, and says so.
"""

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Self

import psutil
import pytest

SYSTEMD = Path("/lib/systemd/systemd")
PATIENCE_S = 60.0

_BOOT = """set -e
echo $$ >"$1/cgroup.procs"
exec unshare --pid --fork --kill-child --mount --uts --ipc --net --cgroup sh -ec '
mount --make-rprivate /
mount -t proc proc /proc
mount --bind /proc/sys /proc/sys
mount -o remount,ro,bind /proc/sys
awk "\\$2 ~ \\"^/sys/fs/cgroup\\" {print \\$2}" /proc/mounts | sort -r | xargs -n 1 umount -l
mount -t cgroup2 cgroup2 /sys/fs/cgroup
cp -a /etc "$1/etc"
mount --bind "$1/etc" /etc
mount --bind "$1/units" /etc/systemd/system
mount --bind "$1/lib" /var/lib
mount --bind "$1/log" /var/log
mount -t tmpfs -o mode=755 tmpfs /run
exec env -i container=test PATH="$PATH" "$2" --system --unit=idle.target --log-target=console
' sh "$2" "$3"
"""
_IDLE = "[Unit]\nDefaultDependencies=no\n"


class OwnSystemd:
    """Runs units from its folder, until the block ends."""

    def __init__(self, folder: Path) -> None:
        """`folder` must be new and is filled."""
        self.folder = folder
        for name in ("units", "lib", "log"):
            (folder / name).mkdir(parents=True)
        self._log = folder / "systemd.log"
        self._cgroup = _cgroup_folder() / f"ilgov-test-{os.getpid()}-{time.monotonic_ns()}"
        self._process: subprocess.Popen[bytes] | None = None
        self._systemd = 0
        self.add_unit("idle.target", _IDLE)

    def __enter__(self) -> Self:
        """Boot it; skips the test where that cannot be."""
        if os.geteuid() != 0 or not SYSTEMD.exists() or shutil.which("nsenter") is None:
            pytest.skip("a systemd of its own needs root, systemd and nsenter")
        self._cgroup.mkdir()
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                ["sh", "-c", _BOOT, "sh", self._cgroup, self.folder, SYSTEMD],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        if not self._boots():
            self._end()
            pytest.skip(f"no systemd can be booted here: {self.log[-300:]}")
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._end()
        if kind is not None:
            print(f"--- systemd's log\n{self.log[-4000:]}", file=sys.stderr)  # noqa: T201 - for pytest

    @property
    def log(self) -> str:
        """What it has said."""
        return self._log.read_text(errors="replace") if self._log.exists() else ""

    def add_unit(self, name: str, text: str) -> None:
        """A unit, or a drop-in as ``NAME.d/FILE``; before the boot, or before `ctl` reloads."""
        path = self.folder / "units" / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)

    def ctl(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run ``systemctl`` in it."""
        inside = ["nsenter", "--target", str(self._systemd), "--mount", "--pid", "--cgroup"]
        return subprocess.run(
            [*inside, "systemctl", *words],
            capture_output=True,
            text=True,
            check=False,
            timeout=PATIENCE_S,
        )

    def property(self, unit: str, name: str) -> str:
        """A property of a unit, as text."""
        return self.ctl("show", unit, f"--property={name}", "--value").stdout.strip()

    def wait_until(self, condition: Callable[[], bool], what: str) -> None:
        """Return when the condition holds; fail when it does not in time."""
        end_s = time.monotonic() + PATIENCE_S
        while not condition():
            assert time.monotonic() < end_s, f"waited in vain for {what}"
            time.sleep(0.05)

    def _boots(self) -> bool:
        assert self._process is not None
        end_s = time.monotonic() + 20.0
        while time.monotonic() < end_s and self._process.poll() is None:
            children = psutil.Process(self._process.pid).children()
            if children and children[0].name() == "systemd":
                self._systemd = children[0].pid
                if self.property("idle.target", "ActiveState") == "active":
                    return True
            time.sleep(0.05)
        return False

    def _end(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
        end_s = time.monotonic() + 10.0
        while not _remove(self._cgroup) and time.monotonic() < end_s:
            time.sleep(0.05)


def _cgroup_folder() -> Path:
    """Where cgroups of version 2 are."""
    for line in Path("/proc/mounts").read_text().splitlines():
        _, place, kind, *_ = line.split()
        if kind == "cgroup2":
            return Path(place)
    pytest.skip("there are no cgroups of version 2")


def _remove(cgroup: Path) -> bool:
    """Whether a cgroup and all below it are gone."""
    try:
        for folder, _, _ in os.walk(cgroup, topdown=False):
            Path(folder).rmdir()
    except OSError:
        return False
    return not cgroup.exists()
