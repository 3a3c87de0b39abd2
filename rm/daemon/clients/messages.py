"""What clients and the daemon say to each other: one JSON object a line, over a Unix socket.

Both name themselves in ``type``. Every request has one answer, in order, but a heartbeat has none,
so that who sends nothing else need not read. The answer to ``status`` is the status itself.

    {"type": "register", "target": 30.0, "unit": "heartbeats/s"}
    {"type": "registered", "id": 7, "pid": 4711}
    {"type": "heartbeat", "count": 3}
    {"type": "state"}
    {"type": "state", "application": {...}}

`pid` None stands for the process that has connected.
"""

from typing import Annotated

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

from platforms.linux.managed import RateUnit
from rm.daemon.applications.grant import printable
from rm.daemon.configuration.settings import Priority, Rate
from rm.daemon.status import ApplicationStatus

LONGEST_LINE_BYTES = 4096
"""Of a request, the line break left out."""

_SHOWN = 120

Pid = Annotated[int, Meta(ge=1, le=4_194_304)]
Beats = Annotated[int, Meta(ge=1, le=1_000_000)]
Name = Annotated[str, Meta(min_length=1, max_length=64)]


class _Request(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="type"):
    """What a client may send."""


class Register(_Request, frozen=True, kw_only=True, tag="register"):
    """Manage a process. Without a target the configuration's for this process holds."""

    pid: Pid | None = None
    name: Name | None = None
    target: Rate | None = None
    unit: RateUnit = "heartbeats/s"
    priority: Priority | None = None


class Heartbeat(_Request, frozen=True, kw_only=True, tag="heartbeat"):
    """A registered process has done `count` pieces of work more."""

    pid: Pid | None = None
    count: Beats = 1


class State(_Request, frozen=True, kw_only=True, tag="state"):
    """How a process does that this connection has registered."""

    pid: Pid | None = None


class Unregister(_Request, frozen=True, kw_only=True, tag="unregister"):
    """Leave a process alone from now on."""

    pid: Pid | None = None


class StatusOfAll(_Request, frozen=True, kw_only=True, tag="status"):
    """The daemon's whole status."""


Request = Register | Heartbeat | State | Unregister | StatusOfAll


class _Answer(Struct, frozen=True, kw_only=True, tag_field="type"):
    """What the daemon may send."""


class Registered(_Answer, frozen=True, kw_only=True, tag="registered"):
    """The process is managed as the application `id`."""

    id: int
    pid: int


class StateAnswer(_Answer, frozen=True, kw_only=True, tag="state"):
    """How an application does."""

    application: ApplicationStatus


class Unregistered(_Answer, frozen=True, kw_only=True, tag="unregistered"):
    """The process is left alone."""

    pid: int


class Error(_Answer, frozen=True, kw_only=True, tag="error"):
    """The request was not fulfilled. `closing`: nor will any other one be, on this connection."""

    error: str
    closing: bool | UnsetType = UNSET


Answer = Registered | StateAnswer | Unregistered | Error


class Malformed(ValueError):
    """A line is no request."""


_decoder = msgspec.json.Decoder(Request)
_encoder = msgspec.json.Encoder()


def decode(line: bytes) -> Request:
    """The request in a line. Raises Malformed."""
    try:
        return _decoder.decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        said = printable(str(error), longest=_SHOWN)  # parts of the line may be in it
        raise Malformed(f"line must be a request ({said})") from error


def encode(answer: Answer) -> bytes:
    """An answer as a line."""
    return _encoder.encode(answer) + b"\n"
