"""Serves the metrics over HTTP, on a Unix socket or on this machine's own address.

A thread of its own does it, one request at a time, each of bounded size and duration, so the
governor's loop is never kept waiting:

    server = MetricsServer("unix:/run/ilgov/metrics")
    each round:  if server.wanted: server.publish(status())
    at the end:  server.close()

The status is asked of the loop, never taken from under it. A loop that does not answer in time is
an error 503 for who asks, so a monitoring system sees that it hangs.
"""

import errno
import io
import logging
import re
import socket
import socketserver
import stat
import threading
import time
from contextlib import suppress
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any, NamedTuple

from platforms.errors import InvalidInput
from rm.daemon.metrics.metrics import exposition
from rm.daemon.status import Status

logger = logging.getLogger(__name__)

MAX_REQUEST_BYTES = 8192
REQUEST_S = 1.0
"""A request must be complete after this time, and its answer be taken within the same."""

_MOST_DROPS = 16
"""So many times `MAX_REQUEST_BYTES` of a request that is too long are read and dropped."""

_OWN_ADDRESSES = {"localhost": "127.0.0.1", "127.0.0.1": "127.0.0.1", "[::1]": "::1"}
_HOST_AND_PORT = re.compile(r"(localhost|127\.0\.0\.1|\[::1\]):(\d{1,5})")
_MAX_PORT = 65535
_EVERYBODY = 0o666
"""As with localhost: every user of this machine may read."""


class Listen(NamedTuple):
    """Where to serve: a socket's path, or an address of this machine with a port."""

    path: Path | None
    host: str = ""
    port: int = 0


def parse_listen(text: str) -> Listen:
    """What ``metrics.listen`` says; InvalidInput for anything but this machine.

    >>> parse_listen("localhost:9177")
    Listen(path=None, host='127.0.0.1', port=9177)
    """
    kind, _, path = text.partition(":")
    if kind == "unix" and path.startswith("/"):
        return Listen(Path(path))
    match = _HOST_AND_PORT.fullmatch(text)
    if match and int(match[2]) <= _MAX_PORT:
        return Listen(None, _OWN_ADDRESSES[match[1]], int(match[2]))
    raise InvalidInput(
        "metrics.listen must be unix:/path or localhost:port; other machines have no access "
        f"(got {text!r})"
    )


class MetricsServer:
    """Answers ``GET /metrics``. `patience_s`: how long it waits for the loop, seconds."""

    def __init__(self, listen: str, *, patience_s: float = 1.0) -> None:
        """Serve from now on. InvalidInput where the place is not to be had."""
        self._board = _NoticeBoard(patience_s)
        self._listen = parse_listen(listen)
        self._server = _open(self._listen, self._board)
        self._thread = threading.Thread(
            target=self._server.serve_forever, name="metrics", daemon=True
        )
        self._thread.start()

    @property
    def port(self) -> int | None:
        """The port, where it has one."""
        if self._listen.path is not None:
            return None
        port: int = self._server.socket.getsockname()[1]
        return port

    @property
    def wanted(self) -> bool:
        """Whether somebody waits for a status."""
        return self._board.wanted

    def publish(self, status: Status) -> None:
        """Give it to who waits."""
        self._board.put(status)

    def close(self) -> None:
        """Stop serving; the socket's file is removed."""
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
        if self._listen.path is not None:
            self._listen.path.unlink(missing_ok=True)


class _NoticeBoard:
    """One asks, the other answers at its next round."""

    def __init__(self, patience_s: float) -> None:
        self.wanted = False
        self._patience_s = patience_s
        self._put = threading.Event()
        self._status: Status | None = None

    def ask(self) -> Status | None:
        """A status that is made from now on; None when none came in time."""
        self._put.clear()
        self.wanted = True
        came = self._put.wait(self._patience_s)
        self.wanted = False
        status, self._status = self._status, None
        return status if came else None

    def put(self, status: Status) -> None:
        self._status = status
        self.wanted = False
        self._put.set()


class _Handler(BaseHTTPRequestHandler):
    """One request, read whole before it is looked at."""

    server: "_Server"
    server_version = "ilgov"
    sys_version = ""

    def setup(self) -> None:
        super().setup()
        self.rfile = io.BufferedReader(io.BytesIO(_read_head(self.connection)))
        self.connection.settimeout(REQUEST_S)

    def do_GET(self) -> None:
        """The page."""
        self._answer(with_body=True)

    def do_HEAD(self) -> None:
        """The page's head."""
        self._answer(with_body=False)

    def _answer(self, *, with_body: bool) -> None:
        if self.path.partition("?")[0] != "/metrics":
            self.send_error(HTTPStatus.NOT_FOUND, explain="the metrics are at /metrics")
            return
        status = self.server.board.ask()
        if status is None:
            self.send_error(HTTPStatus.SERVICE_UNAVAILABLE, explain="the loop does not answer")
            return
        page, content_type = exposition(status, self.headers.get("Accept", ""))
        self.send_response(HTTPStatus.OK)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(page)))
        self.end_headers()
        if with_body:
            self.wfile.write(page)

    def log_message(self, format: str, *args: object) -> None:
        logger.debug(format, *args)


def _read_head(connection: socket.socket) -> bytes:
    """All up to the empty line; what is too long or too slow is cut, and then refused as bad."""
    end_s = time.monotonic() + REQUEST_S
    read = b""
    while b"\r\n\r\n" not in read and len(read) < MAX_REQUEST_BYTES:
        left_s = end_s - time.monotonic()
        if left_s <= 0:
            return b""
        connection.settimeout(left_s)
        try:
            more = connection.recv(MAX_REQUEST_BYTES - len(read))
        except OSError:
            return b""
        if not more:
            break
        read += more
    return read


class _Server(socketserver.TCPServer):
    """A server of either family that speaks of its troubles in one line."""

    board: _NoticeBoard
    allow_reuse_address = True
    request_queue_size = 8

    def shutdown_request(self, request: Any) -> None:
        """End a connection; who sent too much gets its answer all the same, and no reset."""
        with suppress(OSError):
            for _ in range(_MOST_DROPS):
                if not request.recv(MAX_REQUEST_BYTES, socket.MSG_DONTWAIT):
                    break
        super().shutdown_request(request)

    def handle_error(self, request: object, client_address: object) -> None:
        logger.warning("metrics could not be served", exc_info=logger.isEnabledFor(logging.DEBUG))


class _Server6(_Server):
    address_family = socket.AF_INET6


class _UnixServer(_Server):
    address_family = socket.AF_UNIX
    allow_reuse_address = False


def _open(listen: Listen, board: _NoticeBoard) -> _Server:
    try:
        server = _open_unix(listen.path) if listen.path else _open_tcp(listen)
    except OSError as error:
        hint = "; 'ilgov unit --localhost'" if error.errno == errno.EAFNOSUPPORT else ""
        raise InvalidInput(
            f"metrics.listen must be a place that is free (got {listen.path or listen.port}: "
            f"{error.strerror}{hint})"
        ) from error
    server.board = board
    return server


def _open_tcp(listen: Listen) -> _Server:
    kind = _Server6 if ":" in listen.host else _Server
    return kind((listen.host, listen.port), _Handler)


def _open_unix(path: Path) -> _Server:
    """A socket at `path`; one that a killed daemon has left there is replaced."""
    _remove_left_over(path)
    server = _UnixServer(str(path), _Handler)  # type: ignore[arg-type]
    path.chmod(_EVERYBODY)
    return server


def _remove_left_over(path: Path) -> None:
    with suppress(FileNotFoundError):
        if not stat.S_ISSOCK(path.lstat().st_mode):
            raise InvalidInput(f"metrics.listen must not be another file's path (got {path})")
        with socket.socket(socket.AF_UNIX) as caller:
            try:
                caller.connect(str(path))
            except ConnectionRefusedError:
                path.unlink()
