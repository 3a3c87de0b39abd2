"""A small service manager for tests: it speaks the protocol of sd_notify(3), as systemd does.

Starts a command with ``NOTIFY_SOCKET`` and ``WATCHDOG_USEC``, notes what it says, and ends it by
SIGABRT when it has been silent for longer than its watchdog allows.
"""

import os
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self


class ServiceManager:
    """Runs one service of ``Type=notify``."""

    def __init__(self, command: Sequence[str], watchdog_s: float, *, cwd: Path) -> None:
        """`watchdog_s` as in ``WatchdogSec``, seconds; counted from ``READY=1`` on."""
        self.heard: list[str] = []
        self.watchdog_fired = False
        self.exit_status: int | None = None
        self.silent_s = 0.0
        self.pid = 0
        self._command = list(command)
        self._watchdog_s = watchdog_s
        self._cwd = cwd
        self._last_sign_s = float("inf")
        self._folder = tempfile.TemporaryDirectory()
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        """Listen, and start the service; its output goes where ours goes."""
        address = str(Path(self._folder.name) / "notify")
        self._socket.bind(address)
        self._socket.settimeout(0.01)
        microseconds = str(int(self._watchdog_s * 1e6))
        told = {"NOTIFY_SOCKET": address, "WATCHDOG_USEC": microseconds}
        self._process = subprocess.Popen(self._command, cwd=self._cwd, env=os.environ | told)
        self.pid = self._process.pid
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        assert self._process is not None
        self._process.kill()
        self._process.wait()
        self._socket.close()
        self._folder.cleanup()

    def run(self, *, until: str | None = None, patience_s: float = 60.0) -> None:
        """Look after it to its end, or until it has said `until` (again)."""
        assert self._process is not None
        end_s = time.monotonic() + patience_s
        while time.monotonic() < end_s:
            lines = self._hear()
            if until in lines:
                return
            self._watch()
            self.exit_status = self._process.poll()
            if self.exit_status is not None:
                while self._hear():
                    pass
                return
        raise AssertionError(f"waited {patience_s} s in vain; heard {self.heard[-5:]}")

    def _hear(self) -> list[str]:
        try:
            lines = self._socket.recv(4096).decode().split("\n")
        except TimeoutError:
            return []
        if {"READY=1", "WATCHDOG=1"} & set(lines):
            self._last_sign_s = time.monotonic()
        self.heard += lines
        return lines

    def _watch(self) -> None:
        assert self._process is not None
        silent_s = time.monotonic() - self._last_sign_s
        if silent_s > self._watchdog_s and not self.watchdog_fired:
            self.watchdog_fired = True
            self.silent_s = silent_s
            self._process.send_signal(signal.SIGABRT)
