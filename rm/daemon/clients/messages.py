"""What clients and the daemon say to each other: one JSON object a line, over a Unix socket.

Both name themselves in ``type``. Every request has one answer, in order, but a heartbeat has none,
so that who sends nothing else need not read. The answer to ``status`` is the status itself.

    {"type": "register", "target": 30.0, "unit": "heartbeats/s"}
    {"type": "registered", "id": 7, "pid": 4711}
    {"type": "heartbeat", "count": 3}
    {"type": "state"}
    {"type": "state", "application": {...}}

`pid` None stands for the process that has connected.

A connection may have one training job. Every word of it is answered with its grant, of which
`expires_s` and `pause_within_s` are seconds from now on.

    {"type": "train", "name": "tiny", "capability": {...}}
    {"type": "training", "job": 3, "grant": {"number": 0, "state": "waiting", ...}}
    {"type": "round", "number": 7, "samples": 2000, "deadline_s": 120}
    {"type": "grant", "number": 0, "state": "paused", ..., "outlook": {"meets": true, ...}}
    {"type": "progress", "samples": 32, "setting": 4, "loss": 1.2}
    {"type": "grant", "number": 12, "state": "granted", "cores": [0, 1], ...}
    {"type": "paused"}
    {"type": "end"}
"""

import re
from typing import Annotated

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

from platforms.linux.managed import RateUnit
from rm.daemon.applications.grant import printable
from rm.daemon.configuration.settings import Priority, Rate
from rm.daemon.status import ApplicationStatus
from rm.planner.capability import Capability
from rm.training.job import JobLimits
from rm.training.job import State as JobState
from rm.training.outlook import Outlook

LONGEST_LINE_BYTES = 4096
"""Of a request, the line break left out."""

LONGEST_TRAIN_BYTES = 1 << 18
"""Of one that begins with its type, ``train``: a capability has tables (80 KB for 24 settings at
every operating point of the Odroid-XU3)."""

_SHOWN = 120

Pid = Annotated[int, Meta(ge=1, le=4_194_304)]
Beats = Annotated[int, Meta(ge=1, le=1_000_000)]
Name = Annotated[str, Meta(min_length=1, max_length=64)]
Samples = Annotated[float, Meta(ge=0.0, le=1e12)]
Number = Annotated[int, Meta(ge=0, le=1 << 53)]
SettingIndex = Annotated[int, Meta(ge=0, le=65535)]


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


class Train(_Request, frozen=True, kw_only=True, tag="train"):
    """A process trains: what it can do, and within which limits beside the daemon's."""

    pid: Pid | None = None
    name: Name | None = None
    capability: Capability
    limits: JobLimits = JobLimits()


class TrainingRound(_Request, frozen=True, kw_only=True, tag="round"):
    """The job begins to work on `samples` reference samples, due in `deadline_s` seconds.

    `done` is what is done of them already, under an earlier daemon: setting and its samples.
    """

    number: Number
    samples: Annotated[float, Meta(gt=0.0, le=1e12)]
    deadline_s: Annotated[float, Meta(gt=0.0, le=1e9)]
    done: Annotated[tuple[tuple[SettingIndex, Samples], ...], Meta(max_length=256)] = ()


class Progress(_Request, frozen=True, kw_only=True, tag="progress"):
    """So many samples more, of `setting` (None: the one that it was last told)."""

    samples: Samples
    setting: SettingIndex | None = None
    loss: float | None = None


class Paused(_Request, frozen=True, kw_only=True, tag="paused"):
    """The job has written its checkpoint, and does not train."""


class End(_Request, frozen=True, kw_only=True, tag="end"):
    """The job is over."""


OfTraining = Train | TrainingRound | Progress | Paused | End

Request = Register | Heartbeat | State | Unregister | StatusOfAll | OfTraining


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


class TrainingGrantAnswer(_Answer, frozen=True, kw_only=True, tag="grant"):
    """What the job may do until it asks again; see `rm.training.job.IssuedGrant`.

    Not `binding`: the daemon only shows what it would do (dry run).
    """

    number: int
    state: JobState
    setting: int
    knobs: dict[str, float]
    cores: tuple[int, ...]
    accelerator: str | None
    expires_s: float | None
    pause_within_s: float | None
    outlook: Outlook
    binding: bool


class Training(_Answer, frozen=True, kw_only=True, tag="training"):
    """The process trains as the job `job`."""

    job: int
    grant: TrainingGrantAnswer


class Ended(_Answer, frozen=True, kw_only=True, tag="ended"):
    """The job is over."""

    job: int


class Error(_Answer, frozen=True, kw_only=True, tag="error"):
    """The request was not fulfilled. `closing`: nor will any other one be, on this connection."""

    error: str
    closing: bool | UnsetType = UNSET


Answer = Registered | StateAnswer | Unregistered | Training | TrainingGrantAnswer | Ended | Error


class Malformed(ValueError):
    """A line is no request."""


_decoder = msgspec.json.Decoder(Request)
_encoder = msgspec.json.Encoder()
_begins_a_train = re.compile(rb'\s{0,8}\{\s{0,8}"type"\s{0,8}:\s{0,8}"train"').match


def longest_bytes(beginning: bytes) -> int:
    """How long a line may be that begins so."""
    return LONGEST_TRAIN_BYTES if _begins_a_train(beginning) else LONGEST_LINE_BYTES


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
