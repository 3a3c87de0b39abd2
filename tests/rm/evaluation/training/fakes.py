"""Outcomes with training that look like real ones, made without any simulation of a board."""

import numpy as np

from rm.evaluation.outcome import ApplicationOutcome
from rm.evaluation.training.outcome import RoundOutcome, TrainingMoment, TrainingOutcome
from tests.rm.readings import HIKEY

COOLINGS = ("fan", "passive")
SEEDS = (1, 2, 3)
POLICIES = {"none": 0.0, "nice": 1.2, "ilgov": 0.9, "exhaustive": 0.95}
"""How much of every round a policy does in the mean."""
HORIZON_S = 120.0


def outcomes(
    *,
    policies: tuple[str, ...] = tuple(POLICIES),
    coolings: tuple[str, ...] = COOLINGS,
    seeds: tuple[int, ...] = SEEDS,
) -> tuple[TrainingOutcome, ...]:
    """One outcome per cooling, policy and seed."""
    return tuple(
        outcome(policy, cooling, seed)
        for cooling in coolings
        for policy in policies
        for seed in seeds
    )


def outcome(policy: str, cooling: str, seed: int) -> TrainingOutcome:
    """An episode of two applications and two rounds, the same for every policy of a seed."""
    noise = np.random.default_rng([seed, len(policy), sum(map(ord, policy + cooling))])
    pace = POLICIES.get(policy, 1.0)
    rounds = tuple(_round(number, seed, pace * noise.uniform(0.8, 1.2)) for number in range(2))
    warmth_k = 10.0 * pace + (15.0 if cooling == "passive" else 0.0)
    timeline = tuple(_moment(second, warmth_k, pace) for second in range(0, int(HORIZON_S), 2))
    return TrainingOutcome(
        policy=policy,
        cooling=cooling,
        seed=seed,
        duration_s=HORIZON_S,
        mean_temp_c=30.0 + warmth_k + 0.1 * seed,
        mean_hottest_c=31.0 + warmth_k + 0.1 * seed,
        peak_temp_c=40.0 + warmth_k,
        limit_c=50.0,
        over_s=3.0 if warmth_k > 20 else 0.0,
        over_k=max(0.0, warmth_k - 20.0),
        over_sensor_k=max(0.0, warmth_k - 21.0),
        limit_w=None,
        peak_w=5.0,
        energy_j=1e3 * (1.0 + pace),
        instructions=1e12,
        samples=150.0 * pace,
        reference_samples=sum(item.done_samples for item in rounds),
        lost_samples=sum(item.done_samples for item in rounds if item.missed),
        goal_samples=576.0,
        migrations=10,
        opp_changes=100,
        grants=4,
        throttled_s=0.0,
        runaway_s=None,
        applications=(
            ApplicationOutcome(0, "canneal", 0.0, 90.0, 1e9, 1.1e9),
            ApplicationOutcome(1, "ferret", 30.0, None, 1e9, 0.9e9 if policy == "nice" else 1e9),
        ),
        rounds=rounds,
        timeline=timeline,
    )


def _round(number: int, seed: int, pace: float) -> RoundOutcome:
    start_s = 10.0 + 55.0 * number
    end_s = start_s + 45.0 / pace if pace >= 1.0 else None
    told_s = 0.0 if pace < 0.9 else None
    samples = 100.0 + seed
    return RoundOutcome(
        number, start_s, start_s + 45.0, samples, min(1.0, pace) * samples, end_s, told_s
    )


def _moment(second: int, warmth_k: float, pace: float) -> TrainingMoment:
    trains = pace > 0 and second % 55 < 40
    return TrainingMoment(
        float(second),
        30.0 + warmth_k * min(1.0, second / 30.0),
        31.0 + warmth_k * min(1.0, second / 30.0),
        1.0 + pace,
        HIKEY.freqs_hz_at((1, 2)),
        (0, 1, -1, -1, -1, -1, -1, -1),
        3 if trains else -1,
        (2, 3) if trains else (),
    )
