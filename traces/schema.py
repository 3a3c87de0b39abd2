"""What each kind of ilgov's Parquet files holds: its columns with types and units, its metadata.

Units are part of the column names. This module knows no Parquet; `traces.store` does.
"""

import hashlib
from collections.abc import Iterable
from typing import Any, Literal

import msgspec
from msgspec import Struct

from platforms.application import ApplicationProfile
from platforms.board import Board, CoolingSetup

SCHEMA_VERSION = 1

Value = Literal["bool", "int8", "int16", "int32", "int64", "float64", "string"]
Shape = Literal["one", "list", "vector"]


class Column(Struct, frozen=True):
    """A column of a table.

    `shape` is one value a row, a list of any length, or a vector: a list of the same length in
    every row. `optional` values may be absent: null, or NaN in a float column. All other floats
    are finite.
    """

    name: str
    value: Value
    shape: Shape = "one"
    optional: bool = False

    def __str__(self) -> str:
        """The type, as errors name it.

        >>> print(Column("freq_hz", "int64", "list"))
        list<int64>
        """
        return self.value if self.shape == "one" else f"{self.shape}<{self.value}>"


class Metadata(Struct, frozen=True, kw_only=True):
    """What every file says of itself: the board that it belongs to."""

    board: str


class TraceMetadata(Metadata, frozen=True, kw_only=True):
    """The circumstances of recorded runs.

    `board_sha256` is `board_digest` of the board's description, `sensor` the one behind `temp_c`,
    `opps_hz` the frequencies per cluster, `plan_sha256` the digest of the plan of runs. `pools` are
    the applications that ran only among themselves, where the recorder knew. `axes` are the
    operating points per cluster that the recording is about (empty: those that occur in it),
    `design` which of their combinations were visited (`traces.designs`), `recorded_with` the words
    of the command that recorded them.
    """

    board_sha256: str
    cooling: str
    sensor: str
    opps_hz: tuple[tuple[int, ...], ...]
    seed: int
    plan_sha256: str
    pools: tuple[tuple[str, ...], ...] = ()
    axes: tuple[tuple[int, ...], ...] = ()
    design: str = "full"
    recorded_with: tuple[str, ...] = ()


class DemonstrationMetadata(Metadata, frozen=True, kw_only=True):
    """The features and outputs by name, and the parameters of the oracle that made the labels.

    `board_sha256`, `cooling` and `pools` are those of the traces (`TraceMetadata`); the first is
    None in files of versions that did not write it. `fill` says what stands for runs that were not
    measured: "none", or "model"; the column ``measured`` then says how much of a row is measured.
    """

    features: tuple[dict[str, Any], ...]
    outputs: tuple[str, ...]
    oracle: dict[str, Any]
    cooling: str
    board_sha256: str | None = None
    pools: tuple[tuple[str, ...], ...] = ()
    fill: str = "none"


class JointMetadata(Metadata, frozen=True, kw_only=True):
    """From what joint scenarios were drawn and how they were solved.

    `board_sha256`, `cooling_sha256` and `applications_sha256` are digests of the descriptions,
    `drawn` the parameters of the draw and `search` those of the search; the applications are known
    by their names in `applications`.
    """

    board_sha256: str
    cooling: str
    cooling_sha256: str
    applications: tuple[str, ...]
    applications_sha256: str
    drawn: dict[str, Any]
    search: dict[str, Any]


class Source(Struct, frozen=True, kw_only=True):
    """A file that measurements come from: its format's name, its name, the SHA-256 of its bytes."""

    format: str
    file: str
    sha256: str


class Dropped(Struct, frozen=True, kw_only=True):
    """How many rows or runs of a source a rule left out, and one of them by file and line."""

    rule: str
    count: int
    example: str


class MeasurementMetadata(Metadata, frozen=True, kw_only=True):
    """The machine that measurements were taken on, and what was done to get at them.

    `clusters` and `sensors` name the entries of the lists over clusters and sensors, `cores` are
    the core numbers of each cluster; `core_utilisation` runs over them, cluster by cluster.
    `averaged` says that a row is the mean of a whole run. `power_of` says what `power_w` is the
    power of. `ambient_c` is None where nobody noted it. `notes` are what a reader has to know of
    the values, a sentence each.
    """

    clusters: tuple[str, ...]
    cores: tuple[tuple[int, ...], ...]
    sensors: tuple[str, ...]
    source: tuple[Source, ...]
    averaged: bool
    power_of: Literal["cluster rails", "device above idle", "floorplan blocks", "nothing"]
    dropped: tuple[Dropped, ...] = ()
    notes: tuple[str, ...] = ()
    cooling: str = ""
    ambient_c: float | None = None
    simulated: bool = False


class Kind(Struct, frozen=True):
    """One kind of file: the columns it must have (more are allowed), the type of its metadata."""

    name: str
    columns: tuple[Column, ...]
    metadata: type[Metadata] = Metadata


_TRACES = Kind(
    "traces",
    (
        Column("scenario", "int32"),
        Column("application", "string"),
        Column("application_core", "int16"),
        Column("background", "string", "list"),
        Column("background_cores", "int16", "list"),
        Column("opp_index", "int16", "list"),
        Column("freq_hz", "int64", "list"),
        Column("rate_ips", "float64"),
        Column("l2d_per_s", "float64"),
        Column("background_rate_ips", "float64", "list"),
        Column("core_utilisation", "float64", "list"),
        Column("temp_c", "float64"),
        Column("temp_samples", "int32"),
        Column("window_s", "float64"),
        Column("throttled", "bool"),
    ),
    TraceMetadata,
)
"""One row is one run on a board: one application among others, at one operating point per cluster.

`scenario` numbers the runs that differ only in core and operating points. Lists run over background
applications, clusters (`opp_index`, `freq_hz`) or cores (`core_utilisation`, 0 to 1). Rates are
means over `window_s`; `temp_c` is the mean of `temp_samples` readings of the sensor. A `throttled`
run could not hold its operating points: it is no measurement of them.
"""

_DEMONSTRATIONS = Kind(
    "demonstrations",
    (
        Column("scenario", "int32"),
        Column("application", "string"),
        Column("background", "string", "list"),
        Column("features", "float64", "vector"),
        Column("labels", "float64", "vector"),
        Column("temp_c", "float64", "vector", optional=True),
        Column("status", "int8", "vector"),
    ),
    DemonstrationMetadata,
)
"""One row is one scenario as the policy sees it, with three figures per core: the oracle's label,
the temperature (NaN where the application cannot go) and the status (0 feasible, 1 target not
reachable, 2 occupied)."""

_JOINT = Kind(
    "joint",
    (
        Column("scenario", "int32"),
        Column("application", "string", "list"),
        Column("phase", "int16", "list"),
        Column("target_ips", "float64", "list"),
        Column("present_core", "int16", "list"),
        Column("core", "int16", "list"),
        Column("opp_index", "int16", "list"),
        Column("missed_share", "float64", "list"),
        Column("shortfall", "float64"),
        Column("shortfall_bound", "float64"),
        Column("peak_c", "float64", optional=True),
        Column("value", "float64", optional=True),
        Column("lower_bound", "float64", optional=True),
        Column("gap", "float64", optional=True),
        Column("optimal", "bool"),
        Column("nodes", "int64"),
    ),
    JointMetadata,
)
"""One row is one drawn scenario with the joint search's decision.

Lists run over the scenario's applications, `opp_index` over the clusters. The decision puts each
application onto `core`; `missed_share` is what it then lacks of its target (0: met), `shortfall`
their sum. `value` is the objective's with the moves' costs. The bounds are proven: no decision
misses less than `shortfall_bound`, and none that misses no more than this one has a value below
`lower_bound`; `gap` is how far that lies below, `optimal` says that nothing is better. Figures that
do not exist (at thermal runaway) are null.
"""

_RUN = (Column("policy", "string"), Column("cooling", "string"), Column("seed", "int64"))

_EPISODES = Kind(
    "episodes",
    (
        *_RUN,
        Column("duration_s", "float64"),
        Column("mean_temp_c", "float64"),
        Column("mean_hottest_c", "float64"),
        Column("peak_temp_c", "float64"),
        Column("energy_j", "float64"),
        Column("instructions", "float64"),
        Column("migrations", "int32"),
        Column("opp_changes", "int32"),
        Column("throttled_s", "float64"),
        Column("runaway_s", "float64", optional=True),
        Column("judged", "int32"),
        Column("judged_within", "int32"),
        Column("judged_short", "int32"),
        Column("judged_proven", "int32"),
        Column("steady_regret_k", "float64", optional=True),
    ),
)

_APPLICATIONS = Kind(
    "applications",
    (
        *_RUN,
        Column("id", "int32"),
        Column("name", "string"),
        Column("arrival_s", "float64"),
        Column("end_s", "float64", optional=True),
        Column("target_ips", "float64"),
        Column("achieved_ips", "float64"),
        Column("attainable", "bool", optional=True),
    ),
)

_TIMELINE = Kind(
    "timeline",
    (
        *_RUN,
        Column("time_s", "float64"),
        Column("sensor_temp_c", "float64"),
        Column("peak_temp_c", "float64"),
        Column("power_w", "float64"),
        Column("freqs_hz", "int64", "list"),
        Column("application_on_core", "int32", "list"),
    ),
)

_TRAINING_EPISODES = Kind(
    "training_episodes",
    (
        *_RUN,
        Column("duration_s", "float64"),
        Column("mean_temp_c", "float64"),
        Column("mean_hottest_c", "float64"),
        Column("peak_temp_c", "float64"),
        Column("limit_c", "float64"),
        Column("over_s", "float64"),
        Column("over_k", "float64"),
        Column("over_sensor_k", "float64"),
        Column("limit_w", "float64", optional=True),
        Column("peak_w", "float64"),
        Column("energy_j", "float64"),
        Column("instructions", "float64"),
        Column("samples", "float64"),
        Column("reference_samples", "float64"),
        Column("lost_samples", "float64"),
        Column("goal_samples", "float64"),
        Column("migrations", "int32"),
        Column("opp_changes", "int32"),
        Column("grants", "int32"),
        Column("throttled_s", "float64"),
        Column("runaway_s", "float64", optional=True),
    ),
)

_TRAINING_ROUNDS = Kind(
    "training_rounds",
    (
        *_RUN,
        Column("number", "int32"),
        Column("start_s", "float64"),
        Column("deadline_s", "float64"),
        Column("samples", "float64"),
        Column("done_samples", "float64"),
        Column("end_s", "float64", optional=True),
        Column("told_s", "float64", optional=True),
        Column("attainable", "bool", optional=True),
    ),
)

_TRAINING_TIMELINE = Kind(
    "training_timeline",
    (
        *_TIMELINE.columns,
        Column("setting", "int16"),
        Column("cores", "int16", "list"),
    ),
)
"""Episodes with training jobs: `rm.evaluation.training.outcome` describes each column."""

_MEASUREMENTS = Kind(
    "measurements",
    (
        Column("run", "string"),
        Column("application", "string"),
        Column("repeat", "int32"),
        Column("time_s", "float64"),
        Column("window_s", "float64"),
        Column("instances", "int16"),
        Column("cluster", "int8"),
        Column("freq_hz", "int64", "list"),
        Column("volt_v", "float64", "list", optional=True),
        Column("power_w", "float64", "list", optional=True),
        Column("busy_cores", "float64", "list", optional=True),
        Column("core_utilisation", "float64", "list", optional=True),
        Column("temp_c", "float64", "list", optional=True),
        Column("cycles_per_s", "float64", optional=True),
        Column("instructions_per_s", "float64", optional=True),
        Column("l2d_per_s", "float64", optional=True),
        Column("work_per_s", "float64", optional=True),
    ),
    MeasurementMetadata,
)
"""One row is one interval of one run on one machine; `traces.measurements` describes each column.
"""

_ALL = (
    *(_TRACES, _DEMONSTRATIONS, _JOINT, _MEASUREMENTS),
    *(_EPISODES, _APPLICATIONS, _TIMELINE),
    *(_TRAINING_EPISODES, _TRAINING_ROUNDS, _TRAINING_TIMELINE),
)

KINDS = {kind.name: kind for kind in _ALL}
"""Every kind of file by its name."""


def board_digest(board: Board) -> str:
    """SHA-256 of all in a board's description that makes it another board for a policy.

    Titles and the notes on where values come from are left out: rewording them makes no other
    board. So are the cooling setups: a policy holds under each of them, and one more spoils none.
    """
    values = msgspec.to_builtins(board)
    del values["cooling"]
    return _digest(values)


def cooling_digest(setup: CoolingSetup) -> str:
    """SHA-256 of the values of one cooling setup, which `board_digest` leaves out."""
    return _digest(setup)


def applications_digest(profiles: Iterable[ApplicationProfile]) -> str:
    """SHA-256 of all in the applications' descriptions that can change a simulation of them.

    In whatever order they come; the notes on where values come from are left out.
    """
    return _digest(sorted(profiles, key=lambda profile: profile.name))


def _digest(described: object) -> str:
    values = _without_prose(msgspec.to_builtins(described))
    return hashlib.sha256(msgspec.json.encode(values, order="sorted")).hexdigest()


def _without_prose(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: _without_prose(v) for k, v in value.items() if k not in {"sources", "title"}}
    if isinstance(value, list | tuple):
        return [_without_prose(item) for item in value]
    return value
