"""What the daemon tells systemd: ready, alive, reloading, stopping (the protocol of sd_notify(3)).

Datagrams to the Unix socket that the service manager names in ``NOTIFY_SOCKET``. Without it nothing
is sent, so the daemon runs the same from a shell. A manager that does not read never stops the
daemon: sending does not block, what cannot be sent is counted.
"""

import math
import os
import socket
from collections.abc import MutableMapping
from types import TracebackType
from typing import Self

SHARE_OF_WATCHDOG = 0.25
"""The manager is told at most this often per ``WatchdogSec``; it is satisfied with half of it."""

_VARIABLES = ("NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID")
_PER_SECOND = 1e6


class Notifier:
    """The way to the service manager, or to nobody.

    `watchdog_s` is the time without a sign of life after which the manager ends the daemon,
    seconds; None where it does not watch. `due_s` is when `alive` has something to do.
    """

    def __init__(self, address: str | None = None, *, watchdog_s: float | None = None) -> None:
        """`address`: a path, or a name in the abstract namespace that starts with ``@``."""
        self.watchdog_s = watchdog_s
        self.unsent = 0
        self._address = "\0" + address[1:] if address and address[0] == "@" else address
        self.due_s = math.inf if watchdog_s is None else -math.inf
        self._socket: socket.socket | None = None
        if self._address:
            kind = socket.SOCK_DGRAM | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK
            self._socket = socket.socket(socket.AF_UNIX, kind)

    @classmethod
    def from_environment(cls, environment: MutableMapping[str, str] = os.environ) -> Self:
        """As the manager asks. The variables are taken out: they are not for our children."""
        address, microseconds, pid = (environment.pop(name, "") for name in _VARIABLES)
        is_for_us = pid in {"", str(os.getpid())}
        watched = microseconds.isdecimal() and int(microseconds) > 0 and is_for_us
        return cls(address or None, watchdog_s=int(microseconds) / _PER_SECOND if watched else None)

    def ready(self, status: str = "") -> None:
        """Started, or done with reloading."""
        self._send("READY=1", *_status(status))

    def status(self, text: str) -> None:
        """What ``systemctl status`` shows; one line."""
        self._send(*_status(text))

    def alive(self, now_s: float) -> None:
        """A round is complete. The manager is told of it as often as it must, not every time."""
        if self.watchdog_s is not None and now_s >= self.due_s and self._send("WATCHDOG=1"):
            self.due_s = now_s + SHARE_OF_WATCHDOG * self.watchdog_s

    def reloading(self, now_s: float) -> None:
        """The configuration is read anew; `ready` follows. `now_s` by the monotonic clock."""
        self._send("RELOADING=1", f"MONOTONIC_USEC={int(now_s * _PER_SECOND)}")

    def stopping(self, status: str = "") -> None:
        """The end has begun."""
        self._send("STOPPING=1", *_status(status))

    def close(self) -> None:
        """Tell nobody anything any more."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _send(self, *lines: str) -> bool:
        """Whether it went out (to nobody counts as well)."""
        if self._socket is None or self._address is None:
            return True
        try:
            self._socket.sendto("\n".join(lines).encode(), self._address)
        except OSError:  # nobody reads, or the manager restarts: the next one may arrive
            self.unsent += 1
            return False
        return True


def _status(text: str) -> tuple[str, ...]:
    r"""The line that shows a text, if there is one; a line break would begin another assignment.

    >>> _status("normal\nREADY=1")
    ('STATUS=normal READY=1',)
    """
    return (f"STATUS={' '.join(text.split())}",) if text else ()
