"""Asks the running daemon for its status, over its socket."""

import socket
import time
from pathlib import Path

import msgspec

from platforms.errors import InvalidInput
from rm.daemon.status import SCHEMA, Status

PATIENCE_S = 3.0
"""A daemon answers within one round, 50 ms; later than this is as good as never."""

_REQUEST = b'{"type":"status"}\n'
_MAX_BYTES = 1 << 20
_CHUNK_BYTES = 65536


class NoDaemon(Exception):
    """Nobody listens at the socket."""


class NoAnswer(Exception):
    """Somebody listens, but does not answer, or not as this version understands it."""


def read_status_line(path: Path, *, patience_s: float = PATIENCE_S) -> bytes:
    """The answer as it came, one line of JSON. Raises NoDaemon, NoAnswer or InvalidInput."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(patience_s)
        _connect(connection, path)
        try:
            connection.sendall(_REQUEST)
            return _read_line(connection, time.monotonic() + patience_s)
        except TimeoutError:
            raise NoAnswer(f"{path}: the daemon does not answer within {patience_s:g} s") from None
        except OSError as error:
            raise NoAnswer(f"{path}: the daemon closed the connection: {error.strerror}") from error


def read_status(path: Path, *, patience_s: float = PATIENCE_S) -> Status:
    """The same, typed."""
    return decode_status(read_status_line(path, patience_s=patience_s), path)


def decode_status(line: bytes, path: Path) -> Status:
    """The status of one line; fields that a newer daemon adds are passed over."""
    try:
        status = msgspec.json.decode(line, type=Status)
    except msgspec.DecodeError as error:
        raise NoAnswer(
            f"{path}: the answer must be a status of schema {SCHEMA} (got {_start(line)}: {error})"
        ) from error
    if status.schema != SCHEMA:
        raise NoAnswer(
            f"{path}: the answer must be a status of schema {SCHEMA} (got {status.schema}); use "
            f"the command of the daemon's version {status.version}"
        )
    return status


def _start(line: bytes) -> str:
    return line[:80].decode(errors="replace").strip() or "nothing"


def _connect(connection: socket.socket, path: Path) -> None:
    try:
        connection.connect(str(path))
    except (FileNotFoundError, ConnectionRefusedError):
        raise NoDaemon(
            f"no daemon runs at {path}; 'sudo ilgov run' or 'sudo systemctl start ilgov' starts one"
        ) from None
    except TimeoutError:
        raise NoAnswer(f"{path}: the daemon does not take connections") from None
    except OSError as error:
        raise InvalidInput(
            f"--socket must be a socket that you may use (got {path}: {error.strerror or error})"
        ) from error


def _read_line(connection: socket.socket, end_s: float) -> bytes:
    read = bytearray()
    while b"\n" not in read:
        connection.settimeout(max(end_s - time.monotonic(), 0.001))
        more = connection.recv(_CHUNK_BYTES)
        if not more or len(read) > _MAX_BYTES:
            break
        read += more
    return bytes(read).partition(b"\n")[0]
