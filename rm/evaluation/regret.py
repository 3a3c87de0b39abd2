"""Regret: how much hotter a policy is than the oracle, on equal workloads under equal cooling.

The regret proper is of the time-mean temperature of the hottest core, which is what the oracle
minimises; that of the sensor's mean stands beside it. Negative is cooler: a policy may be cooler
than the oracle by missing targets that the oracle meets.
"""

import statistics
from collections.abc import Callable, Collection, Sequence

from msgspec import Struct

from rm.evaluation.outcome import ORACLE, EpisodeOutcome
from rm.evaluation.summary import Interval, interval


class Regret(Struct, frozen=True, kw_only=True):
    """A policy's regret with its confidence interval, paired by seed, kelvin.

    `cooling` None: the mean over all cooling setups that were evaluated, taken per seed, so that
    the seeds stay what is independent.
    """

    policy: str
    cooling: str | None
    regret_k: Interval
    sensor_regret_k: Interval


def regrets(outcomes: Sequence[EpisodeOutcome]) -> tuple[Regret, ...]:
    """Of every policy but the oracle under every cooling setup, then over all where several are.

    Setups come as they first occur, policies with the least regret first. Only seeds that both ran
    count; there is no row where they share none, so none at all without the oracle.
    """
    policies = dict.fromkeys(o.policy for o in outcomes if o.policy != ORACLE)
    coolings = list(dict.fromkeys(o.cooling for o in outcomes))
    scopes: list[str | None] = [*coolings, *([None] if len(coolings) > 1 else [])]
    rows = [
        found
        for scope in scopes
        for policy in policies
        if (found := _regret(outcomes, policy, scope, [scope] if scope else coolings))
    ]
    order = {scope: number for number, scope in enumerate(scopes)}
    return tuple(sorted(rows, key=lambda r: (order[r.cooling], r.regret_k.mean, r.policy)))


def _regret(
    outcomes: Sequence[EpisodeOutcome], policy: str, scope: str | None, coolings: Sequence[str]
) -> Regret | None:
    hottest_k = regret_by_seed(outcomes, policy, coolings)
    if not hottest_k:
        return None
    sensor_k = regret_by_seed(outcomes, policy, coolings, temp_c=lambda o: o.mean_temp_c)
    return Regret(
        policy=policy,
        cooling=scope,
        regret_k=interval(list(hottest_k.values())),
        sensor_regret_k=interval(list(sensor_k.values())),
    )


def regret_by_seed(
    outcomes: Sequence[EpisodeOutcome],
    policy: str,
    coolings: Collection[str],
    *,
    temp_c: Callable[[EpisodeOutcome], float] = lambda outcome: outcome.mean_hottest_c,
) -> dict[int, float]:
    """Seed by seed the regret of a policy, the mean over these cooling setups, kelvin.

    Seeds that the policy and the oracle did not both run under all of them are left out.
    """
    temps = {(o.policy, o.cooling, o.seed): temp_c(o) for o in outcomes}
    found = {}
    for seed in sorted({outcome.seed for outcome in outcomes}):
        ours = [temps.get((policy, cooling, seed)) for cooling in coolings]
        theirs = [temps.get((ORACLE, cooling, seed)) for cooling in coolings]
        pairs = zip(ours, theirs, strict=True)
        excess_k = [a - b for a, b in pairs if a is not None and b is not None]
        if excess_k and len(excess_k) == len(coolings):
            found[seed] = statistics.fmean(excess_k)
    return found
