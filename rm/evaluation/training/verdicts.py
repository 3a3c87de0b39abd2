"""What must hold of `ilgov` beside a foreground, and whether it does: four lines per cooling setup.

They are the project's own requirements: the foreground misses no more than without training, rounds
that the exhaustive policy meets are met, the temperature limit is passed by no more than a step of
the sensor, and the board stays cooler than with training in the background of the stock scheduler.
"""

from collections.abc import Iterator, Sequence

from msgspec import Struct

from rm.evaluation.table import interval_text
from rm.evaluation.training.outcome import NONE
from rm.evaluation.training.summary import TrainingDifference, TrainingRow

SUBJECT = "ilgov"

MOST_MORE_MISSES = 0.5
"""Percentage points of QoS misses above those without training."""

LEAST_MET = 0.98
"""Share of the rounds that the exhaustive policy met."""

LEAST_COOLER_K = 3.0
"""Mean temperature below that of `nice`."""


class Verdict(Struct, frozen=True):
    """A requirement, what was found, and whether it holds."""

    cooling: str
    required: str
    found: str
    holds: bool


def verdicts(
    rows: Sequence[TrainingRow], differences: Sequence[TrainingDifference], *, sensor_step_k: float
) -> tuple[Verdict, ...]:
    """The requirements that the evaluated policies allow to judge."""
    return tuple(
        verdict
        for row in rows
        if row.policy == SUBJECT
        for verdict in _verdicts(
            row,
            {
                d.reference: d
                for d in differences
                if (d.policy, d.cooling) == (SUBJECT, row.cooling)
            },
            sensor_step_k,
        )
    )


def _verdicts(
    row: TrainingRow, to: dict[str, TrainingDifference], sensor_step_k: float
) -> Iterator[Verdict]:
    if NONE in to:
        more = to[NONE].missed_percent
        yield Verdict(
            row.cooling,
            f"QoS misses at most {MOST_MORE_MISSES:g} percentage points above none's",
            f"{interval_text(more)} ({row.missed} of {row.applications})",
            more.mean <= MOST_MORE_MISSES,
        )
    if row.attainable_rounds is not None and row.missed_attainable_rounds is not None:
        met = row.attainable_rounds - row.missed_attainable_rounds
        yield Verdict(
            row.cooling,
            f"at least {LEAST_MET:.0%} of the rounds met that exhaustive meets",
            f"{met} of {row.attainable_rounds}",
            met >= LEAST_MET * row.attainable_rounds,
        )
    yield Verdict(
        row.cooling,
        f"limit of {row.limit_c:g} °C never passed by more than the sensor's {sensor_step_k:g} K",
        f"by {row.over_k:.2f} K at worst",
        row.over_k <= sensor_step_k,
    )
    if "nice" in to:
        cooler = to["nice"].mean_temp_k
        yield Verdict(
            row.cooling,
            f"mean temperature at least {LEAST_COOLER_K:g} K below nice's",
            f"{interval_text(cooler)} K",
            cooler.mean <= -LEAST_COOLER_K,
        )
