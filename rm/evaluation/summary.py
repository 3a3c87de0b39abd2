"""Compare policies: means and spreads over seeds, and differences paired by seed."""

import math
import statistics
from collections.abc import Iterator, Sequence
from typing import Protocol, TypeVar

from msgspec import Struct
from scipy.special import stdtrit

from platforms.errors import InvalidInput
from rm.evaluation.outcome import ApplicationOutcome, EpisodeOutcome

CONFIDENCE = 0.95
"""How much confidence the intervals of `differences` carry."""


class Outcome(Protocol):
    """What outcomes of all kinds of episodes have, to be summed up."""

    @property
    def policy(self) -> str: ...  # noqa: D102 -- see `EpisodeOutcome`
    @property
    def cooling(self) -> str: ...  # noqa: D102
    @property
    def seed(self) -> int: ...  # noqa: D102
    @property
    def mean_temp_c(self) -> float: ...  # noqa: D102
    @property
    def applications(self) -> tuple[ApplicationOutcome, ...]: ...  # noqa: D102


_Outcome = TypeVar("_Outcome", bound=Outcome)


class Spread(Struct, frozen=True):
    """The mean of `n` values, one per seed, and their standard deviation.

    `sd` divides by n - 1; it is None for a single value.
    """

    mean: float
    sd: float | None
    n: int


class SummaryRow(Struct, frozen=True, kw_only=True):
    """What one policy did under one cooling setup, over all its seeds. Temperatures are simulated.

    Shares lie in 0 to 1: `throttled_share` of the time, `finished_share` of the applications that
    came to their end in the episode, `missed_share` of all applications of an episode,
    `missed_attainable_share` of all applications too, counting those that missed a target which the
    oracle policy met (None: not known of all that missed). `applications`, `missed` and
    `missed_attainable` are counts over all seeds, `runaways` counts the episodes where leakage
    outran cooling. `missed_by_mean` and `missed_by_worst` say by what share of their target those
    that missed stayed below it, over all seeds (None: nobody missed).

    `within_share` is the share of the judge's looks that found the mapping within 1 K of the
    optimum, `steady_regret_k` the mean excess over it where targets were met (`judging`), both None
    where nobody judged; `judged` counts the looks over all seeds, `judged_proven` those at which
    the optimum was proven.
    """

    policy: str
    cooling: str
    seeds: tuple[int, ...]
    mean_temp_c: Spread
    mean_hottest_c: Spread
    peak_temp_c: Spread
    energy_j: Spread
    energy_per_instruction_pj: Spread
    finished_share: Spread
    migrations: Spread
    migrations_per_s: Spread
    throttled_share: Spread
    missed_share: Spread
    missed_attainable_share: Spread | None
    applications: int
    missed: int
    missed_attainable: int | None
    missed_by_mean: float | None
    missed_by_worst: float | None
    runaways: int
    within_share: Spread | None
    steady_regret_k: Spread | None
    judged: int
    judged_proven: int


class Interval(Struct, frozen=True):
    """A mean of `n` differences with its confidence interval (None where n is 1)."""

    mean: float
    low: float | None
    high: float | None
    n: int


class Difference(Struct, frozen=True):
    """A policy's temperatures minus the reference's under the same cooling and seeds, in kelvin.

    `mean_temp_k` is of the time means where the sensor sits, `mean_hottest_k` of those of the
    hottest core.
    """

    policy: str
    cooling: str
    reference: str
    mean_temp_k: Interval
    mean_hottest_k: Interval
    peak_temp_k: Interval


def spread(values: Sequence[float]) -> Spread:
    """Mean and standard deviation of at least one value.

    >>> spread([1.0, 2.0, 3.0])
    Spread(mean=2.0, sd=1.0, n=3)
    """
    sd = statistics.stdev(values) if len(values) > 1 else None
    return Spread(mean=statistics.fmean(values), sd=sd, n=len(values))


def interval(values: Sequence[float]) -> Interval:
    """Mean of at least one value with Student's t interval at `CONFIDENCE`.

    >>> found = interval([1.0, 2.0, 3.0])
    >>> found.mean, round(found.low, 3), round(found.high, 3)
    (2.0, -0.484, 4.484)
    """
    found = spread(values)
    if found.sd is None:
        return Interval(mean=found.mean, low=None, high=None, n=found.n)
    quantile = float(stdtrit(found.n - 1, (1 + CONFIDENCE) / 2))
    half = quantile * found.sd / math.sqrt(found.n)
    return Interval(mean=found.mean, low=found.mean - half, high=found.mean + half, n=found.n)


def geometric_interval(ratios: Sequence[float]) -> Interval:
    """Geometric mean of at least one ratio above 0, with the interval of its logarithms' mean.

    >>> geometric_interval([2.0, 2.0])
    Interval(mean=2.0, low=2.0, high=2.0, n=2)
    """
    found = interval([math.log(ratio) for ratio in ratios])
    low, high = (None if end is None else math.exp(end) for end in (found.low, found.high))
    return Interval(mean=math.exp(found.mean), low=low, high=high, n=found.n)


def missed_share(outcome: Outcome) -> float:
    """The share of an episode's applications that missed their target (0 where there were none)."""
    return _share(sum(app.missed for app in outcome.applications), outcome)


def missed_attainable_share(outcome: EpisodeOutcome) -> float | None:
    """The share of an episode's applications that missed an attainable target.

    None where it is not known of every application that missed whether its target was attainable.
    """
    count = _missed_attainable(outcome)
    return None if count is None else _share(count, outcome)


def grouped(outcomes: Sequence[_Outcome]) -> dict[tuple[str, str], tuple[_Outcome, ...]]:
    """The outcomes of each (policy, cooling), ordered by seed.

    Raises ValueError where a seed occurs twice in a group.
    """
    groups: dict[tuple[str, str], list[_Outcome]] = {}
    for outcome in outcomes:
        groups.setdefault((outcome.policy, outcome.cooling), []).append(outcome)
    for (policy, cooling), group in groups.items():
        seeds = sorted(outcome.seed for outcome in group)
        if len(set(seeds)) < len(seeds):
            raise ValueError(f"{policy} under {cooling} must have every seed once (got {seeds})")
    return {key: tuple(sorted(group, key=lambda o: o.seed)) for key, group in groups.items()}


def in_order(outcomes: Sequence[_Outcome]) -> list[tuple[_Outcome, ...]]:
    """The groups of `grouped`: coolings as they first occur, coolest policies first."""
    coolings = list(dict.fromkeys(outcome.cooling for outcome in outcomes))

    def place(group: tuple[_Outcome, ...]) -> tuple[int, float, str]:
        mean_temp_c = statistics.fmean(outcome.mean_temp_c for outcome in group)
        return coolings.index(group[0].cooling), mean_temp_c, group[0].policy

    return sorted(grouped(outcomes).values(), key=place)


def summarise(outcomes: Sequence[EpisodeOutcome]) -> tuple[SummaryRow, ...]:
    """One row per policy and cooling: coolings as they first occur, coolest policies first."""
    return tuple(_row(group) for group in in_order(outcomes))


def paired(
    outcomes: Sequence[_Outcome], *, reference: str
) -> Iterator[list[tuple[_Outcome, _Outcome]]]:
    """Every other policy's outcomes with those of the policy `reference`, seed by seed.

    Only seeds that both ran count; a policy and cooling of which they share none is left out. The
    order is that of `in_order`. Raises InvalidInput where no outcome is of `reference`.
    """
    groups = grouped(outcomes)
    policies = sorted({policy for policy, _ in groups})
    if reference not in policies:
        raise InvalidInput(
            f"the reference policy must be one of those evaluated, {', '.join(policies)} "
            f"(got {reference!r})"
        )
    for group in in_order(outcomes):
        base = {o.seed: o for o in groups.get((reference, group[0].cooling), ())}
        pairs = [(o, base[o.seed]) for o in group if o.seed in base]
        if group[0].policy != reference and pairs:
            yield pairs


def differences(outcomes: Sequence[EpisodeOutcome], *, reference: str) -> tuple[Difference, ...]:
    """Every other policy's temperatures minus those of the policy `reference`, seed by seed.

    As `paired` pairs them. Raises InvalidInput where no outcome is of `reference`.
    """
    return tuple(_difference(pairs) for pairs in paired(outcomes, reference=reference))


def _difference(pairs: Sequence[tuple[EpisodeOutcome, EpisodeOutcome]]) -> Difference:
    outcome, base = pairs[0]
    return Difference(
        policy=outcome.policy,
        cooling=outcome.cooling,
        reference=base.policy,
        mean_temp_k=interval([ours.mean_temp_c - theirs.mean_temp_c for ours, theirs in pairs]),
        mean_hottest_k=interval(
            [ours.mean_hottest_c - theirs.mean_hottest_c for ours, theirs in pairs]
        ),
        peak_temp_k=interval([ours.peak_temp_c - theirs.peak_temp_c for ours, theirs in pairs]),
    )


def _row(group: Sequence[EpisodeOutcome]) -> SummaryRow:
    attainable_counts = [_missed_attainable(outcome) for outcome in group]
    known_counts = [count for count in attainable_counts if count is not None]
    shares = [share for o in group if (share := missed_attainable_share(o)) is not None]
    all_known = len(known_counts) == len(group)
    missed_by = [app.shortfall for o in group for app in o.applications if app.missed]
    within = [o.judged_within / o.judged for o in group if o.judged]
    excess_k = [o.steady_regret_k for o in group if o.steady_regret_k is not None]
    return SummaryRow(
        policy=group[0].policy,
        cooling=group[0].cooling,
        seeds=tuple(outcome.seed for outcome in group),
        mean_temp_c=spread([o.mean_temp_c for o in group]),
        mean_hottest_c=spread([o.mean_hottest_c for o in group]),
        peak_temp_c=spread([o.peak_temp_c for o in group]),
        energy_j=spread([o.energy_j for o in group]),
        energy_per_instruction_pj=spread([_energy_per_instruction_pj(o) for o in group]),
        finished_share=spread([_finished_share(o) for o in group]),
        migrations=spread([float(o.migrations) for o in group]),
        migrations_per_s=spread([o.migrations / o.duration_s for o in group]),
        throttled_share=spread([o.throttled_s / o.duration_s for o in group]),
        missed_share=spread([missed_share(o) for o in group]),
        missed_attainable_share=spread(shares) if all_known else None,
        applications=sum(len(o.applications) for o in group),
        missed=sum(app.missed for o in group for app in o.applications),
        missed_attainable=sum(known_counts) if all_known else None,
        missed_by_mean=statistics.fmean(missed_by) if missed_by else None,
        missed_by_worst=max(missed_by, default=None),
        runaways=sum(o.runaway_s is not None for o in group),
        within_share=spread(within) if within else None,
        steady_regret_k=spread(excess_k) if excess_k else None,
        judged=sum(o.judged for o in group),
        judged_proven=sum(o.judged_proven for o in group),
    )


def _missed_attainable(outcome: EpisodeOutcome) -> int | None:
    missed = [app.attainable for app in outcome.applications if app.missed]
    return None if None in missed else sum(bool(attainable) for attainable in missed)


def _energy_per_instruction_pj(outcome: EpisodeOutcome) -> float:
    return 1e12 * outcome.energy_j / outcome.instructions if outcome.instructions else 0.0


def _finished_share(outcome: EpisodeOutcome) -> float:
    return _share(sum(app.end_s is not None for app in outcome.applications), outcome)


def _share(count: int, outcome: Outcome) -> float:
    return count / len(outcome.applications) if outcome.applications else 0.0
