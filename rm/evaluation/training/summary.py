"""Compare training policies: means and spreads over seeds, and differences paired by seed."""

import statistics
from collections.abc import Callable, Sequence

from msgspec import Struct

from rm.evaluation.summary import (
    Interval,
    Spread,
    in_order,
    interval,
    missed_share,
    paired,
    spread,
)
from rm.evaluation.training.outcome import NONE, TrainingOutcome

REFERENCES = ("nice", NONE)
"""The policies that differences are taken to, where they were evaluated."""


class TrainingRow(Struct, frozen=True, kw_only=True):
    """What one policy did under one cooling setup, over all its seeds. Temperatures are simulated.

    Spreads are over seeds; shares lie in 0 to 1. Of the rounds: `missed_rounds` of `rounds` were
    missed, `missed_attainable_rounds` of them though the exhaustive policy met them, which met
    `attainable_rounds` (None: not known). Early on, `told_rounds` of those missed were said to be
    impossible, and so were `false_alarms` that were met. `round_time` is a
    round's time as a share of what it had, a missed one's 1.

    `over_seeds` counts the episodes in which the hottest core passed the limit, `over_k` is by how
    much in the worst of them, `over_s` the time above it per episode; `over_sensor_k` is by how
    much it was passed where the sensor sits. `samples_to_target` and `time_to_target_s` are how
    many samples and seconds the goal takes at this episode's mix of settings and pace, what missed
    rounds lost not counted (None: no round was met).
    """

    policy: str
    cooling: str
    seeds: tuple[int, ...]
    mean_temp_c: Spread
    mean_hottest_c: Spread
    peak_temp_c: Spread
    limit_c: float
    over_seeds: int
    over_k: float
    over_s: Spread
    over_sensor_k: float
    limit_w: float | None
    peak_w: Spread
    energy_j: Spread
    missed_share: Spread
    applications: int
    missed: int
    rounds: int
    missed_rounds: int
    missed_round_share: Spread
    attainable_rounds: int | None
    missed_attainable_rounds: int | None
    told_rounds: int
    false_alarms: int
    round_time: Spread
    samples_to_target: Spread | None
    time_to_target_s: Spread | None
    migrations_per_s: Spread
    grants: Spread
    throttled_share: Spread
    runaways: int


class TrainingDifference(Struct, frozen=True, kw_only=True):
    """A policy minus the reference under the same cooling and seeds.

    Temperatures in kelvin, energy in joules, misses in percent of an episode's applications, missed
    rounds in percent of its rounds.
    """

    policy: str
    cooling: str
    reference: str
    mean_temp_k: Interval
    peak_temp_k: Interval
    energy_j: Interval
    missed_percent: Interval
    missed_rounds_percent: Interval


def missed_round_share(outcome: TrainingOutcome) -> float:
    """The share of an episode's rounds that were missed."""
    return statistics.fmean(item.missed for item in outcome.rounds)


def summarise(outcomes: Sequence[TrainingOutcome]) -> tuple[TrainingRow, ...]:
    """One row per policy and cooling: coolings as they first occur, coolest policies first."""
    return tuple(_row(group) for group in in_order(outcomes))


def differences(
    outcomes: Sequence[TrainingOutcome], *, reference: str
) -> tuple[TrainingDifference, ...]:
    """Every other policy minus the policy `reference`, seed by seed; only seeds that both ran.

    Raises InvalidInput where no outcome is of `reference`.
    """
    return tuple(_difference(pairs) for pairs in paired(outcomes, reference=reference))


def all_differences(outcomes: Sequence[TrainingOutcome]) -> tuple[TrainingDifference, ...]:
    """The differences to all of `REFERENCES` that were evaluated."""
    present = {outcome.policy for outcome in outcomes}
    return tuple(
        difference
        for name in REFERENCES
        if name in present
        for difference in differences(outcomes, reference=name)
    )


_Pairs = Sequence[tuple[TrainingOutcome, TrainingOutcome]]


def _difference(pairs: _Pairs) -> TrainingDifference:
    def of(value: Callable[[TrainingOutcome], float]) -> Interval:
        return interval([value(ours) - value(theirs) for ours, theirs in pairs])

    outcome, base = pairs[0]
    return TrainingDifference(
        policy=outcome.policy,
        cooling=outcome.cooling,
        reference=base.policy,
        mean_temp_k=of(lambda o: o.mean_temp_c),
        peak_temp_k=of(lambda o: o.peak_temp_c),
        energy_j=of(lambda o: o.energy_j),
        missed_percent=of(lambda o: 100.0 * missed_share(o)),
        missed_rounds_percent=of(lambda o: 100.0 * missed_round_share(o)),
    )


def _row(group: Sequence[TrainingOutcome]) -> TrainingRow:
    rounds = [item for outcome in group for item in outcome.rounds]
    known = all(item.attainable is not None for item in rounds)
    met = [outcome for outcome in group if _useful_samples(outcome) > 0]
    to_target = [found for o in met if (found := o.samples_to_target) is not None]
    return TrainingRow(
        policy=group[0].policy,
        cooling=group[0].cooling,
        seeds=tuple(outcome.seed for outcome in group),
        mean_temp_c=spread([o.mean_temp_c for o in group]),
        mean_hottest_c=spread([o.mean_hottest_c for o in group]),
        peak_temp_c=spread([o.peak_temp_c for o in group]),
        limit_c=group[0].limit_c,
        over_seeds=sum(o.over_k > 0 for o in group),
        over_k=max(o.over_k for o in group),
        over_s=spread([o.over_s for o in group]),
        over_sensor_k=max(o.over_sensor_k for o in group),
        limit_w=group[0].limit_w,
        peak_w=spread([o.peak_w for o in group]),
        energy_j=spread([o.energy_j for o in group]),
        missed_share=spread([missed_share(o) for o in group]),
        applications=sum(len(o.applications) for o in group),
        missed=sum(app.missed for o in group for app in o.applications),
        rounds=len(rounds),
        missed_rounds=sum(item.missed for item in rounds),
        missed_round_share=spread([missed_round_share(o) for o in group]),
        attainable_rounds=sum(bool(item.attainable) for item in rounds) if known else None,
        missed_attainable_rounds=(
            sum(item.missed and bool(item.attainable) for item in rounds) if known else None
        ),
        told_rounds=sum(item.missed and item.told_early for item in rounds),
        false_alarms=sum(item.told_early and not item.missed for item in rounds),
        round_time=spread([_round_time(o) for o in group]),
        samples_to_target=spread(to_target) if to_target else None,
        time_to_target_s=spread([_time_to_target_s(o) for o in met]) if met else None,
        migrations_per_s=spread([o.migrations / o.duration_s for o in group]),
        grants=spread([float(o.grants) for o in group]),
        throttled_share=spread([o.throttled_s / o.duration_s for o in group]),
        runaways=sum(o.runaway_s is not None for o in group),
    )


def _round_time(outcome: TrainingOutcome) -> float:
    return statistics.fmean(
        item.time_s / (item.deadline_s - item.start_s) for item in outcome.rounds
    )


def _useful_samples(outcome: TrainingOutcome) -> float:
    """The reference samples of the rounds that were met."""
    return outcome.reference_samples - outcome.lost_samples


def _time_to_target_s(outcome: TrainingOutcome) -> float:
    return outcome.goal_samples / _useful_samples(outcome) * outcome.duration_s
