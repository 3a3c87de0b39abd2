"""The process that runs a vendor's code, so that nothing it does can harm the daemon.

Started as ``python -m npu_runtime.isolation_child BACK-END POLICY-NAME OWNER-PID`` with the socket
to its owner as standard input and the policy file's bytes as descriptor 3. It ends with its owner,
whatever the vendor's code is doing then.
"""

import contextlib
import ctypes
import os
import signal
import socket
import sys
from pathlib import Path

import msgspec

from npu_runtime.backend import Backend
from npu_runtime.isolation_messages import (
    ANSWER,
    FAILED,
    HELLO,
    MOST_BYTES,
    POLICY,
    REQUEST,
    SOCKET,
    packed_rows,
    packed_text,
    unpacked,
)
from npu_runtime.load import backend_named, check_shapes, run_in_batches
from npu_runtime.policy_file import parse_policy_file

WARM_UP_ROWS = 9
"""A row per core of a board of eight, and the canary."""

_PR_SET_PDEATHSIG = 1


def main() -> int:
    """Serve until the owner closes the socket; 1 after telling it why the back end failed."""
    name, path, owner = sys.argv[1:]
    _die_with(int(owner))
    _close_what_is_not_ours()
    with socket.socket(fileno=SOCKET) as link:
        try:
            backend = _opened(name, Path(path))
            link.send(packed_text(HELLO, msgspec.json.encode(backend.capabilities).decode()))
            _serve(link, backend)
        except Exception as error:  # noqa: BLE001 (whatever it is, the owner has to hear of it)
            link.send(packed_text(FAILED, f"{type(error).__name__}: {error}"))
            return 1
    return 0


def _die_with(owner: int) -> None:
    """Have the kernel kill this process when its owner ends, even in the middle of a call."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != owner:
        sys.exit("the owner is gone")


def _close_what_is_not_ours() -> None:
    """Descriptors that the owner inherited itself, such as a service manager's."""
    for name in [link.name for link in Path("/proc/self/fd").iterdir()]:
        if int(name) > POLICY:
            with contextlib.suppress(OSError):
                os.close(int(name))


def _opened(name: str, path: Path) -> Backend:
    """The back end with the policy, warm."""
    with os.fdopen(POLICY, "rb") as stream:
        file = parse_policy_file(stream.read(), path=path)
    backend = backend_named(name)(file)
    check_shapes(file, backend)
    backend.warm_up(backend.capabilities.max_batch or WARM_UP_ROWS)
    return backend


def _serve(link: socket.socket, backend: Backend) -> None:
    while packet := link.recv(MOST_BYTES):
        request = unpacked(packet)
        if request.kind != REQUEST:
            raise ValueError(f"the owner must send requests (got kind {request.kind})")
        scores = run_in_batches(backend, request.matrix)
        link.send(packed_rows(ANSWER, request.sequence, scores))
    backend.close()


if __name__ == "__main__":
    sys.exit(main())
