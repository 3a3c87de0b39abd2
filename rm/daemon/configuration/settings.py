"""What an owner can set: the sections of the configuration file, typed, with their defaults.

A field's `description` completes the sentence "key must ...". Keys carry their units.
"""

from pathlib import Path
from typing import Annotated, Literal

from msgspec import Meta, Struct

from platforms.linux.managed import RateUnit

Actuator = Literal["setspeed", "cap"]
Placement = Literal["affinity", "cpuset"]
LogLevel = Literal["debug", "info", "warning", "error"]
Enforcement = Literal["cgroup", "affinity", "none"]

DEFAULT_PATH = Path("/etc/ilgov/ilgov.toml")
DEFAULT_SOCKET = Path("/run/ilgov/socket")
DEFAULT_STATE_DIR = Path("/var/lib/ilgov")

LONGEST_SOCKET_PATH = 107
"""Bytes of a Unix socket's address, the closing zero left out (``man 7 unix``)."""

Name = Annotated[
    str, Meta(min_length=1, max_length=64, description="be a text of 1 to 64 characters")
]
Pattern = Annotated[
    str, Meta(min_length=1, max_length=1024, description="be a text of 1 to 1024 characters")
]
PathText = Annotated[
    str, Meta(min_length=1, max_length=4096, description="be a path of 1 to 4096 characters")
]
ShortTime = Annotated[
    float, Meta(ge=0.001, le=10.0, description="be a number of seconds from 0.001 to 10")
]
LongTime = Annotated[
    float, Meta(ge=0.1, le=3600.0, description="be a number of seconds from 0.1 to 3600")
]
Difference = Annotated[
    float, Meta(ge=0.1, le=50.0, description="be a number of kelvins from 0.1 to 50")
]
Temperature = Annotated[float, Meta(ge=30.0, le=130.0, description="be a number of °C, 30 to 130")]
Power = Annotated[
    float, Meta(gt=0.0, le=10_000.0, description="be a number of watts above 0, up to 10000")
]
Rate = Annotated[
    float, Meta(gt=0.0, le=1e12, description="be a number of the rate's unit, above 0, up to 1e12")
]
Priority = Annotated[
    int, Meta(ge=-1000, le=1000, description="be a whole number from -1000 to 1000")
]


class LogSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is written down. `decisions`: a file for one JSON line per decision (None: none).

    It is renamed to ``.1``, ``.2`` ... at `max_bytes`; `keep` old ones stay.
    """

    level: LogLevel = "info"
    decisions: Path | None = None
    max_bytes: Annotated[
        int, Meta(ge=65536, le=1 << 40, description="be a number of bytes from 65536 to 2^40")
    ] = 10_485_760
    keep: Annotated[int, Meta(ge=0, le=100, description="be a whole number from 0 to 100")] = 3


class SafetySettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """When control is handed back. `critical_c` None: the board's own critical temperature."""

    critical_c: Temperature | None = None
    hysteresis_k: Difference = 5.0
    stale_after_s: LongTime = 5.0
    stuck_for_s: LongTime = 10.0
    stuck_after_k: Difference = 3.0
    well_for_s: LongTime = 5.0
    rival_writes: Annotated[
        int, Meta(ge=1, le=1000, description="be a whole number from 1 to 1000")
    ] = 3
    rival_within_s: LongTime = 10.0


class MetricsSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where Prometheus metrics are served.

    `listen`: ``unix:/path`` or ``localhost:port``; None: nowhere.
    """

    listen: PathText | None = None


class TrainingSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Training jobs beside the applications: whether there may be any, and what they must keep to.

    `temp_limit_c` None: some kelvins below where the failsafe acts. `power_limit_w` is for all of
    the SoC while it trains. `grace_s` is the longest that a job may ask for to write its
    checkpoint, `expiry_s` how long one may be silent. `enforcement` is what keeps it to its cores:
    a cgroup of its own, masks and signals, or nothing but what it does itself.
    """

    enabled: bool = True
    temp_limit_c: Temperature | None = None
    power_limit_w: Power | None = None
    grace_s: LongTime = 10.0
    expiry_s: LongTime = 5.0
    enforcement: Enforcement = "cgroup"


class ApplicationRule(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An application and its target. A process belongs to it that fulfils all given criteria.

    `executable` and `cgroup` are globs of paths, `command_line` is a regular expression, `unit` a
    glob of a systemd unit's name, `user` a name or number.
    """

    name: Name
    executable: Pattern | None = None
    command_line: Pattern | None = None
    cgroup: Pattern | None = None
    unit: Pattern | None = None
    user: Name | None = None
    target: Rate
    target_unit: RateUnit
    priority: Priority = 0


class Configuration(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Everything that an owner sets. `board` is a name or an absolute path."""

    board: PathText
    policy: Name = "ilgov"
    policy_file: Path | None = None
    backend: Name = "auto"
    npu_deadline_s: ShortTime = 0.02
    state_dir: Path = DEFAULT_STATE_DIR
    socket: Path = DEFAULT_SOCKET
    dvfs_period_s: ShortTime = 0.05
    migration_period_s: ShortTime = 0.5
    actuator: Actuator = "setspeed"
    placement: Placement = "affinity"
    log: LogSettings = LogSettings()
    safety: SafetySettings = SafetySettings()
    metrics: MetricsSettings = MetricsSettings()
    training: TrainingSettings = TrainingSettings()
    sensors: dict[Name, Pattern] = {}
    applications: tuple[ApplicationRule, ...] = ()
