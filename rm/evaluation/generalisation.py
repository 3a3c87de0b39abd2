"""What becomes of a trained policy where all is not as in training: each change alone, then all.

A policy is compared with the oracle on the same workload, so a harder workload is no regret by
itself. What is seen and unseen is said by the conditions; that a policy was trained on just that
is up to who trained it.
"""

import statistics
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from msgspec import Struct
from msgspec.structs import replace

from rm.evaluation.outcome import EpisodeOutcome
from rm.evaluation.regret import regret_by_seed
from rm.evaluation.summary import Interval, interval, missed_attainable_share
from rm.evaluation.workload import WorkloadParameters

TRAINED = ("ilgov", "topil", "toprl")
"""The policies with training among those that come with ilgov."""

SEEN_APPLICATIONS = "cbench"
"""What `ilgov trace record` records by default, and all training starts from."""

SEEN_COOLING = "fan"
"""The cooling setup of the recordings, as in TOP-IL."""

UNSEEN_RATE_FACTOR = 2.0
"""The unseen arrival rate over the one that training draws its workloads with (chosen)."""


class Condition(Struct, frozen=True, kw_only=True):
    """Under what the policies are compared: `seen`, or what of it is another.

    `rate_factor` times as many applications come, that much faster.
    """

    name: str
    applications: tuple[str, ...]
    coolings: tuple[str, ...]
    rate_factor: float = 1.0

    @property
    def folder(self) -> Path:
        """Where its results lie below those of the comparison."""
        return Path("generalisation", self.name.replace(",", "").replace(" ", "-"))

    def workload(self, seen: WorkloadParameters) -> WorkloadParameters:
        """The workload's parameters, `seen` being those of the seen condition."""
        return replace(
            seen,
            arrivals=round(seen.arrivals * self.rate_factor),
            interarrival_s=seen.interarrival_s / self.rate_factor,
        )


def conditions(*, applications: Sequence[str], coolings: Sequence[str]) -> tuple[Condition, ...]:
    """The seen, each change alone and together, these applications and cooling setups being unseen.

    Applications and cooling also come without the arrival rate: that is what the paper varies.
    """
    seen = Condition(name="seen", applications=(SEEN_APPLICATIONS,), coolings=(SEEN_COOLING,))
    others = {"applications": tuple(applications)}
    elsewhere = {"coolings": tuple(coolings)}
    faster = {"rate_factor": UNSEEN_RATE_FACTOR}
    return (
        seen,
        replace(seen, name="unseen applications", **others),
        replace(seen, name="unseen cooling", **elsewhere),
        replace(seen, name="unseen arrival rate", **faster),
        replace(seen, name="unseen applications, cooling", **others, **elsewhere),
        replace(seen, name="all unseen", **others, **elsewhere, **faster),
    )


class GeneralisationRow(Struct, frozen=True, kw_only=True):
    """A policy under one condition, over all its cooling setups and seeds.

    `regret_k` is the regret to the oracle (`regret`), `more_than_seen_k` how much it grew against
    the seen condition, paired by seed (None in that condition's own row). Shares lie in 0 to 1:
    `missed_attainable_share` of the applications missed a target that the oracle met (None: not
    known), at `within_share` of the judge's looks the mapping was within 1 K of the optimum (None:
    nobody judged). `steady_regret_k` is the mean excess over the optimum at these looks.
    """

    policy: str
    condition: Condition
    episodes: int
    regret_k: Interval
    more_than_seen_k: Interval | None
    missed_attainable_share: float | None
    within_share: float | None
    steady_regret_k: float | None


def generalise(
    found: Sequence[tuple[Condition, Sequence[EpisodeOutcome]]], policies: Sequence[str]
) -> tuple[GeneralisationRow, ...]:
    """A row per policy and condition; the first condition is the seen one.

    Policies that did not run with the oracle on a common seed have no row.
    """
    rows = []
    for policy in policies:
        _, seen_outcomes = found[0]
        seen_k = regret_by_seed(seen_outcomes, policy, found[0][0].coolings)
        for condition, outcomes in found:
            regret_k = regret_by_seed(outcomes, policy, condition.coolings)
            if regret_k:
                is_seen = condition is found[0][0]
                rows.append(
                    _row(policy, condition, outcomes, regret_k, None if is_seen else seen_k)
                )
    return tuple(rows)


def _row(
    policy: str,
    condition: Condition,
    outcomes: Sequence[EpisodeOutcome],
    regret_k: Mapping[int, float],
    seen_k: Mapping[int, float] | None,
) -> GeneralisationRow:
    ours = [outcome for outcome in outcomes if outcome.policy == policy]
    more = [regret_k[seed] - seen_k[seed] for seed in regret_k if seed in seen_k] if seen_k else []
    return GeneralisationRow(
        policy=policy,
        condition=condition,
        episodes=len(ours),
        regret_k=interval(list(regret_k.values())),
        more_than_seen_k=interval(more) if more else None,
        missed_attainable_share=_mean_if_all_known(ours, missed_attainable_share),
        within_share=_pooled(ours, lambda o: o.judged_within),
        steady_regret_k=_mean_of_known([o.steady_regret_k for o in ours]),
    )


def _mean_if_all_known(
    outcomes: Sequence[EpisodeOutcome], share: Callable[[EpisodeOutcome], float | None]
) -> float | None:
    shares = [share(outcome) for outcome in outcomes]
    known = [value for value in shares if value is not None]
    return statistics.fmean(known) if known and len(known) == len(shares) else None


def _pooled(
    outcomes: Sequence[EpisodeOutcome], count: Callable[[EpisodeOutcome], int]
) -> float | None:
    looks = sum(outcome.judged for outcome in outcomes)
    return sum(map(count, outcomes)) / looks if looks else None


def _mean_of_known(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return statistics.fmean(known) if known else None
