"""A daemon for tests of those who ask for its status: it answers, and does nothing else.

python -m tests.rm.daemon.status_server PATH       a board that warms up, until it is killed
"""

import math
import socket
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Self

import msgspec
from msgspec.structs import replace

from rm.daemon.status import Status
from tests.rm.daemon.statuses import STATUS, UNMEASURED, crowded


class StatusServer:
    """Answers each line with a status, or with whatever bytes it is given to say."""

    def __init__(self, path: Path, answer: Callable[[], Status | bytes]) -> None:
        """`answer` is asked anew every time."""
        self.requests: list[bytes] = []
        self._answer = answer
        self._listening = socket.socket(socket.AF_UNIX)
        self._listening.bind(str(path))
        self._listening.listen()
        self._path = path
        self._thread = threading.Thread(target=self._serve, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._listening.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        self._listening.close()
        self._path.unlink()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._listening.accept()
            except OSError:
                return
            with connection, connection.makefile("rb") as lines:
                for line in lines:
                    self.requests.append(line)
                    answer = self._answer()
                    if isinstance(answer, Status):
                        answer = msgspec.json.encode(answer) + b"\n"
                    connection.sendall(answer)
                    if not answer.endswith(b"\n"):
                        break


def warming_up(age_s: float) -> Status:
    """A board that warms up for a while, is then without its sensor, and recovers."""
    temp_c = 42.0 + 30.0 * (1.0 - math.exp(-age_s / 20.0)) + 1.5 * math.sin(age_s)
    blind = 20.0 < age_s % 40.0 < 26.0
    soc, *others = STATUS.temperatures
    sensor = replace(soc, temp_c=temp_c, problem="is stuck at 61.2 degC" if blind else None)
    load = tuple(
        replace(core, utilisation=abs(math.sin(age_s / 5.0 + core.core))) for core in STATUS.cores
    )
    little, big = STATUS.clusters
    opps = (509, 1018, 1210, 1402, 1556, 1690, 1844)
    freq_hz = 1_000_000 * opps[int(age_s) % len(opps)]
    apps = (*STATUS.applications[:2], *crowded(9).applications, UNMEASURED)
    return replace(
        STATUS,
        state="hands-off" if blind else "normal",
        reason="sensor soc is stuck at 61.2 degC" if blind else None,
        state_for_s=age_s,
        uptime_s=age_s,
        temperatures=(sensor, *others),
        cores=load,
        clusters=(replace(little, freq_hz=freq_hz, asked_hz=freq_hz), big),
        applications=apps,
    )


def main(path: str) -> None:
    """Serve it."""
    start_s = time.monotonic()
    with StatusServer(Path(path), lambda: warming_up(time.monotonic() - start_s)):
        while True:
            time.sleep(3600)


if __name__ == "__main__":
    main(sys.argv[1])
