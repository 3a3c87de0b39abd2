"""What the daemon says of itself: the answer to ``ilgov status``, and what its metrics show.

Every reading carries its age, so that who reads it sees when it is stale. Times are seconds, ages
counted from the moment of the answer.
"""

from typing import Literal

from msgspec import Struct

from platforms.linux.machine_memory import MemoryReading
from platforms.linux.managed import RateUnit
from rm.training.job import State as JobState

SCHEMA = 1

State = Literal["normal", "degraded", "hands-off", "stopped"]
"""See `rm.safety.states`."""


class ClusterStatus(Struct, frozen=True, kw_only=True):
    """A cluster: the clock that runs, the one asked for (None: not steered), the kernel's cap."""

    name: str
    cores: tuple[int, ...]
    freq_hz: int
    asked_hz: int | None
    cap_hz: int


class CoreStatus(Struct, frozen=True, kw_only=True):
    """A core; `utilisation` is its busy share, 0 to 1, over the last DVFS period."""

    core: int
    cluster: str
    online: bool
    utilisation: float


class TemperatureStatus(Struct, frozen=True, kw_only=True):
    """A sensor; None where it was never read. `problem` says why it is not trusted."""

    sensor: str
    temp_c: float | None
    age_s: float | None
    problem: str | None = None


class ApplicationStatus(Struct, frozen=True, kw_only=True):
    """An application against its target, both in `unit`; `rate` None where nothing measures it.

    `counted` is the share of its target that counts now: less than 1 where it gives way to more
    important ones.
    """

    id: int
    name: str
    pid: int
    source: str
    priority: int
    threads: int
    cores: tuple[int, ...]
    rate: float | None
    target: float
    unit: RateUnit
    met: bool | None
    measured_by: str
    counted: float = 1.0


class TrainingRoundStatus(Struct, frozen=True, kw_only=True):
    """The round of a training job, in samples of its first setting; `deadline_s` is from now.

    `meets` is whether it will be done by then, in `finish_s` from now (None: never, as things are);
    else `reason` says why not, and `samples_possible` how many of its `samples` will be.
    """

    number: int
    samples: float
    done: float
    deadline_s: float
    meets: bool
    finish_s: float | None
    samples_possible: float
    reason: str = ""


class TrainingStatus(Struct, frozen=True, kw_only=True):
    """A training job; its `state` is as in `rm.training.job`.

    It trains by `knobs`, those of its `setting`, on `cores` or an accelerator, at `rate` samples/s;
    `samples` are all that it ever did. `held_by` is what keeps it from training against its grant:
    "frozen" or "throttled"; None where nothing need.
    """

    id: int
    name: str
    pid: int
    state: JobState
    setting: int
    knobs: dict[str, float]
    cores: tuple[int, ...]
    accelerator: str | None
    rate: float
    samples: float
    loss: float | None
    rounds_done: int
    rounds_missed: int
    round: TrainingRoundStatus | None
    held_by: Literal["frozen", "throttled"] | None


class BackendStatus(Struct, frozen=True, kw_only=True):
    """What rates the mappings, and why; how often it answered, was late, crashed, was wrong."""

    name: str
    device: str
    answers: int
    late: int
    crashed: int
    wrong: int
    restarts: int
    why: str = ""


class LoopTimes(Struct, frozen=True, kw_only=True):
    """How long rounds took since the start, seconds."""

    rounds: int
    missed_rounds: int
    least_s: float
    mean_s: float
    most_s: float
    sd_s: float


class Counts(Struct, frozen=True, kw_only=True):
    """What happened since the start. `training_held`: jobs frozen or throttled, counted anew."""

    migrations: int
    opp_changes: int
    writes: int
    writes_refused: int
    clamped: int
    failsafe_rounds: int
    hands_off: int
    connections: int
    connections_closed_for_cause: int
    log_lines_lost: int = 0
    training_grants: int = 0
    training_pauses: int = 0
    training_held: int = 0


class Status(Struct, frozen=True, kw_only=True):
    """The whole answer. `training_refused` is why no training job is let in, None: they are."""

    schema: int = SCHEMA
    version: str
    pid: int
    board: str
    policy: str
    dry_run: bool
    state: State
    reason: str | None
    state_for_s: float
    uptime_s: float
    features: tuple[str, ...]
    clusters: tuple[ClusterStatus, ...]
    cores: tuple[CoreStatus, ...]
    temperatures: tuple[TemperatureStatus, ...]
    applications: tuple[ApplicationStatus, ...]
    training: tuple[TrainingStatus, ...] = ()
    training_refused: str | None = None
    backend: BackendStatus | None
    loop: LoopTimes
    counts: Counts
    memory: MemoryReading | None = None
