"""What the tables of a comparison with training show: their columns, and numbers as text."""

from collections.abc import Sequence

from rm.evaluation.outcome import MISS_BELOW
from rm.evaluation.summary import Interval, Spread
from rm.evaluation.table import Column, interval_text, percent_text, spread_text
from rm.evaluation.training.outcome import NONE
from rm.evaluation.training.summary import TrainingDifference, TrainingRow

MISS = (
    f"QoS misses: foreground applications whose rate over their life stayed below {MISS_BELOW:.0%} "
    "of their target. Missed rounds: those whose samples were not done by their deadline; "
    "attainable: that the exhaustive policy met in the same episode."
)

LIMIT = (
    "Over limit: in how many episodes the hottest core passed the limit, and by how much at worst "
    "(0.0: never)."
)


def over_text(row: TrainingRow) -> str:
    """In how many episodes the limit was passed, and by how much at worst, K."""
    return f"{row.over_seeds} of {len(row.seeds)}, {row.over_k:.1f}"


def rounds_text(row: TrainingRow) -> str:
    """Missed rounds of all rounds; a dash where nothing was to train."""
    return "–" if row.policy == NONE else f"{row.missed_rounds} of {row.rounds}"


def attainable_text(row: TrainingRow) -> str:
    """Missed rounds of those that the exhaustive policy met, or a dash where it did not run."""
    known = row.attainable_rounds is not None and row.missed_attainable_rounds is not None
    if not known or row.policy == NONE:
        return "–"
    return f"{row.missed_attainable_rounds} of {row.attainable_rounds}"


def told_text(row: TrainingRow) -> str:
    """How many missed rounds were said to be impossible early on, and how many that were met."""
    if row.policy == NONE:
        return "–"
    return f"{row.told_rounds} of {row.missed_rounds}, {row.false_alarms}"


def _scaled(value: Spread, factor: float, *, digits: int) -> str:
    sd = None if value.sd is None else factor * value.sd
    return spread_text(Spread(mean=factor * value.mean, sd=sd, n=value.n), digits=digits)


def _kilo(value: Interval) -> Interval:
    low, high = (None if end is None else 1e-3 * end for end in (value.low, value.high))
    return Interval(mean=1e-3 * value.mean, low=low, high=high, n=value.n)


_Column = Column[TrainingRow]

_MEAN = _Column("mean temp.", "°C", lambda row: spread_text(row.mean_temp_c, digits=1))
_HOTTEST = _Column("hottest core", "°C", lambda row: spread_text(row.mean_hottest_c, digits=1))
_PEAK = _Column("peak temp.", "°C", lambda row: spread_text(row.peak_temp_c, digits=1))
_LIMIT = _Column("limit", "°C", lambda row: f"{row.limit_c:.1f}")
_OVER = _Column("over limit", "episodes, K", over_text)
_OVER_S = _Column("time over", "s", lambda row: spread_text(row.over_s, digits=1))
_PEAK_W = _Column("peak power", "W", lambda row: spread_text(row.peak_w, digits=2))
_MISSES = _Column("QoS misses", "%", lambda row: percent_text(row.missed_share))
_ROUNDS = _Column("missed rounds", "", rounds_text)
_ATTAINABLE = _Column("attain\u00adable", "", attainable_text)
_TOLD = _Column("told early", "of missed, false", told_text)
_ROUND_TIME = _Column(
    "round time",
    "% of deadline",
    lambda row: "–" if row.policy == NONE else _scaled(row.round_time, 100.0, digits=0),
)
_ENERGY = _Column("energy", "kJ", lambda row: _scaled(row.energy_j, 1e-3, digits=2))
_SAMPLES = _Column(
    "samples to target",
    "",
    lambda row: "–" if row.samples_to_target is None else f"{row.samples_to_target.mean:.0f}",
)
_TIME = _Column(
    "time to target",
    "s",
    lambda row: "–" if row.time_to_target_s is None else f"{row.time_to_target_s.mean:.1f}",
)
_MOVES = _Column("migra\u00adtions", "1/s", lambda row: spread_text(row.migrations_per_s, digits=2))
_GRANTS = _Column("grants", "", lambda row: spread_text(row.grants, digits=0))
_THROTTLED = _Column("thrott\u00adled", "%", lambda row: percent_text(row.throttled_share))
_RUNAWAY = _Column("run\u00adaway", "", lambda row: f"{row.runaways} of {len(row.seeds)}")


def columns() -> tuple[_Column, ...]:
    """The summary's columns behind the policy's name in the terminal."""
    return (_MEAN, _PEAK, _OVER, _MISSES, _ROUNDS, _ATTAINABLE, _ROUND_TIME, _ENERGY)


def heat_columns(rows: Sequence[TrainingRow]) -> tuple[_Column, ...]:
    """What the report says of heat; throttling and runaway where there was any."""
    throttled = (_THROTTLED,) if any(row.throttled_share.mean > 0 for row in rows) else ()
    heat = (_MEAN, _HOTTEST, _PEAK, _LIMIT, _OVER)
    runaway = (_RUNAWAY,) if any(row.runaways for row in rows) else ()
    return (*heat, _OVER_S, _PEAK_W, _ENERGY, *throttled, *runaway)


def service_columns() -> tuple[_Column, ...]:
    """What the report says of service to the foreground and to the training."""
    rounds = (_ROUNDS, _ATTAINABLE, _TOLD, _ROUND_TIME)
    return (_MISSES, *rounds, _SAMPLES, _TIME, _MOVES, _GRANTS)


def difference_cells(item: TrainingDifference) -> tuple[str, ...]:
    """Temperatures (K), energy (kJ), misses and missed rounds (percentage points)."""
    return (
        interval_text(item.mean_temp_k),
        interval_text(item.peak_temp_k),
        interval_text(_kilo(item.energy_j), digits=2),
        interval_text(item.missed_percent),
        interval_text(item.missed_rounds_percent),
    )


DIFFERENCE_HEADERS = (
    "mean temp.\nK",
    "peak temp.\nK",
    "energy\nkJ",
    "QoS misses\n% points",
    "missed rounds\n% points",
)
