"""What the tables of a comparison show: their columns, and numbers as text.

Terminal (`terminal`) and report (`html_table`) fill them alike.
"""

from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

from msgspec import Struct

from rm.evaluation.judging import WITHIN_K
from rm.evaluation.outcome import MISS_BELOW
from rm.evaluation.summary import Interval, Spread, SummaryRow

SIMULATED = "Temperatures are simulated: computed from the board's thermal model, not measured."

MISS = (
    f"A QoS miss: an application whose rate over its life stayed below {MISS_BELOW:.0%} of its "
    "target. An attainable miss: one whose target the oracle policy met in the same episode."
)

JUDGED = (
    f"Within {WITHIN_K:g} K: at so many of the judge's looks the mapping was as good as the joint "
    "optimum for the same applications, both with the least operating points for their targets."
)


Row = TypeVar("Row")


class Column(Struct, Generic[Row], frozen=True):
    """One column of a summary: its title, its unit and how a row fills it.

    The title's first space and its soft hyphen (U+00AD) are where a narrow header breaks.
    """

    title: str
    unit: str
    cell: Callable[[Row], str]

    @property
    def header(self) -> str:
        """Title and unit on lines of their own."""
        title = self.title.replace(" ", "\n", 1).replace("\u00ad", "-\n")
        return f"{title}\n{self.unit}".rstrip()


def spread_text(value: Spread, *, digits: int) -> str:
    """Mean ± standard deviation.

    >>> spread_text(Spread(mean=45.25, sd=0.31, n=3), digits=1)
    '45.2 ± 0.3'
    """
    sd = "" if value.sd is None else f" ± {value.sd:.{digits}f}"
    return f"{value.mean:.{digits}f}{sd}"


def percent_text(share: Spread | None) -> str:
    """A share of 0 to 1 in percent, or a dash where it is not known."""
    if share is None:
        return "–"
    sd = None if share.sd is None else 100 * share.sd
    return spread_text(Spread(mean=100 * share.mean, sd=sd, n=share.n), digits=1)


def interval_text(value: Interval | None, *, digits: int = 1) -> str:
    """A difference with its confidence interval, or a dash where there is none.

    >>> interval_text(Interval(mean=-3.25, low=-4.0, high=-2.5, n=3))
    '-3.2 [-4.0, -2.5]'
    """
    if value is None:
        return "–"
    mean = f"{value.mean:+.{digits}f}"
    if value.low is None or value.high is None:
        return mean
    return f"{mean} [{value.low:+.{digits}f}, {value.high:+.{digits}f}]"


def proof_text(rows: Sequence[SummaryRow]) -> str:
    """At how many looks the judge could prove the optimum; nothing where nobody judged."""
    judged = sum(row.judged for row in rows)
    proven = sum(row.judged_proven for row in rows)
    return f"The optimum was proven at {proven} of {judged} looks." if judged else ""


def throttling_text(rows: Sequence[SummaryRow]) -> str:
    """Whom the kernel's protection slowed down under which cooling, and for what share of the time.

    The mean over seeds; "none" where that happened to nobody.
    """
    parts = []
    for cooling in dict.fromkeys(row.cooling for row in rows):
        slowed = [row for row in rows if row.cooling == cooling and row.throttled_share.mean > 0.0]
        shares = [f"{row.policy} {100 * row.throttled_share.mean:.1f} %" for row in slowed]
        parts += [f"{cooling}: {', '.join(shares)}"] if shares else []
    return "; ".join(parts) or "none"


def missed_by_text(row: SummaryRow) -> str:
    """By how much of their target those that missed stayed below it: mean, and the worst."""
    if row.missed_by_mean is None or row.missed_by_worst is None:
        return "–"
    return f"{100 * row.missed_by_mean:.0f}, {100 * row.missed_by_worst:.0f}"


def optional_text(value: Spread | None, *, digits: int) -> str:
    """Mean ± standard deviation, or a dash where nothing is known."""
    return "–" if value is None else spread_text(value, digits=digits)


_Column = Column[SummaryRow]

_MEAN = _Column("mean temp.", "°C", lambda row: spread_text(row.mean_temp_c, digits=1))
_HOTTEST = _Column("hottest core", "°C", lambda row: spread_text(row.mean_hottest_c, digits=1))
_PEAK = _Column("peak temp.", "°C", lambda row: spread_text(row.peak_temp_c, digits=1))
_ENERGY = _Column(
    "energy per instr.", "pJ", lambda row: spread_text(row.energy_per_instruction_pj, digits=0)
)
_FINISHED = _Column("fin\u00adished", "%", lambda row: percent_text(row.finished_share))
_MISSES = _Column("QoS misses", "%", lambda row: percent_text(row.missed_share))
_ATTAINABLE = _Column(
    "attain\u00adable misses", "%", lambda row: percent_text(row.missed_attainable_share)
)
_MISSED_BY = _Column("missed by", "%: mean, worst", missed_by_text)
_MOVES = _Column("migra\u00adtions", "1/s", lambda row: spread_text(row.migrations_per_s, digits=2))
_WITHIN = _Column(f"within {WITHIN_K:g} K", "%", lambda row: percent_text(row.within_share))
_STEADY = _Column("steady regret", "K", lambda row: optional_text(row.steady_regret_k, digits=2))
_THROTTLED = _Column("thrott\u00adled", "%", lambda row: percent_text(row.throttled_share))
_RUNAWAY = _Column("run\u00adaway", "", lambda row: f"{row.runaways} of {len(row.seeds)}")


def columns(rows: Sequence[SummaryRow]) -> tuple[_Column, ...]:
    """The summary's columns behind the policy's name in the terminal.

    Throttling and thermal runaway have a column where there was any.
    """
    always = (_MEAN, _PEAK, _ENERGY, _FINISHED, _MISSES, _ATTAINABLE, _MOVES)
    return (*always, *_trouble(rows))


def heat_columns(rows: Sequence[SummaryRow]) -> tuple[_Column, ...]:
    """What the report says of temperatures, throttling and runaway where there was any."""
    return (_MEAN, _HOTTEST, _PEAK, *_trouble(rows))


def service_columns(rows: Sequence[SummaryRow]) -> tuple[_Column, ...]:
    """What the report says of service and of its price; the judge's columns where one judged."""
    judged = (_WITHIN, _STEADY) if any(row.judged for row in rows) else ()
    return (_MISSES, _ATTAINABLE, _MISSED_BY, _FINISHED, _ENERGY, _MOVES, *judged)


def _trouble(rows: Sequence[SummaryRow]) -> tuple[_Column, ...]:
    throttled = (_THROTTLED,) if any(row.throttled_share.mean > 0 for row in rows) else ()
    runaway = (_RUNAWAY,) if any(row.runaways for row in rows) else ()
    return (*throttled, *runaway)
