"""Outcomes that look like those of real evaluations, made without any simulation of a board."""

import math

import numpy as np
from msgspec import Struct

from platforms.board import Board
from platforms.board_file import load_board
from rm.evaluation.outcome import ApplicationOutcome, EpisodeOutcome, Moment

COOLINGS = ("fan", "passive")
SEEDS = (1, 2, 3)
HORIZON_S = 300.0
_STEP_S = 0.5
_NAMES = ("adi", "syr2k", "seidel-2d", "heat-3d", "swaptions", "canneal", "ferret", "jacobi-2d")
_THERMAL_RESISTANCE = {"fan": 7.5, "passive": 14.0}
_TIME_CONSTANT_S = {"fan": 35.0, "passive": 70.0}


class Temper(Struct, frozen=True):
    """How a fake policy behaves: clock per cluster as a share of the highest, power, speed."""

    clocks: tuple[float, float]
    power_w: float
    ratio: float
    moves_every_s: float


POLICIES = {
    "gts-ondemand": Temper((0.95, 0.95), 4.3, 1.7, 6.0),
    "gts-powersave": Temper((0.0, 0.0), 1.4, 0.55, 9.0),
    "topil": Temper((0.45, 0.35), 2.5, 1.08, 3.0),
    "oracle": Temper((0.4, 0.3), 2.35, 1.04, 4.0),
}


def board() -> Board:
    """The board that the fake outcomes are of."""
    return load_board("hikey970")


def outcomes(
    *,
    policies: tuple[str, ...] = tuple(POLICIES),
    coolings: tuple[str, ...] = COOLINGS,
    seeds: tuple[int, ...] = SEEDS,
) -> tuple[EpisodeOutcome, ...]:
    """One outcome per cooling, policy and seed."""
    return tuple(
        episode(policy, cooling, seed)
        for cooling in coolings
        for policy in policies
        for seed in seeds
    )


def episode(policy: str, cooling: str, seed: int) -> EpisodeOutcome:
    """An episode of random applications whose arrivals depend on the seed alone."""
    load = np.random.default_rng(seed)
    noise = np.random.default_rng([seed, len(policy), sum(map(ord, policy + cooling))])
    temper = POLICIES.get(policy, POLICIES["topil"])
    applications = _applications(temper, load, noise)
    timeline = _timeline(temper, cooling, applications, noise)
    throttled_s = (
        float(noise.uniform(15, 30)) if max(m.sensor_temp_c for m in timeline) > 75 else 0.0
    )
    return EpisodeOutcome(
        policy=policy,
        cooling=cooling,
        seed=seed,
        duration_s=HORIZON_S,
        mean_temp_c=float(np.mean([m.sensor_temp_c for m in timeline])),
        mean_hottest_c=float(np.mean([m.peak_temp_c for m in timeline])),
        peak_temp_c=max(m.peak_temp_c for m in timeline),
        energy_j=_STEP_S * sum(m.power_w for m in timeline),
        instructions=sum(HORIZON_S * app.achieved_ips for app in applications),
        migrations=int(HORIZON_S / temper.moves_every_s + noise.integers(-8, 8)),
        opp_changes=int(noise.integers(200, 900)),
        throttled_s=throttled_s,
        runaway_s=None,
        applications=applications,
        timeline=timeline,
    )


def _applications(
    temper: Temper, load: np.random.Generator, noise: np.random.Generator
) -> tuple[ApplicationOutcome, ...]:
    found = []
    arrival_s = 0.0
    for number in range(22):
        target_ips = float(load.uniform(2e8, 1.6e9))
        attainable = bool(load.uniform() > 0.06)
        length_s = float(load.uniform(40, 110))
        ratio = temper.ratio * float(noise.lognormal(0, 0.06 + 0.2 * abs(temper.ratio - 1)))
        if not attainable:
            ratio = min(ratio, 0.9)
        elif temper is POLICIES["oracle"]:
            ratio = max(ratio, 0.97)
        end_s = arrival_s + length_s
        found.append(
            ApplicationOutcome(
                id=number,
                name=_NAMES[int(load.integers(len(_NAMES)))],
                arrival_s=arrival_s,
                end_s=end_s if end_s < HORIZON_S else None,
                target_ips=target_ips,
                achieved_ips=ratio * target_ips,
                attainable=attainable,
            )
        )
        arrival_s += float(load.exponential(12.0))
        if arrival_s > HORIZON_S:
            break
    return tuple(found)


def _timeline(
    temper: Temper,
    cooling: str,
    applications: tuple[ApplicationOutcome, ...],
    noise: np.random.Generator,
) -> tuple[Moment, ...]:
    clusters = board().clusters
    temp_c = 30.0
    places: dict[int, int] = {}
    clocks = list(temper.clocks)
    found = []
    for step in range(int(HORIZON_S / _STEP_S)):
        time_s = step * _STEP_S
        running = [
            app.id
            for app in applications
            if app.arrival_s <= time_s < (HORIZON_S if app.end_s is None else app.end_s)
        ]
        for number in running:
            if number not in places or noise.uniform() < _STEP_S / (temper.moves_every_s * 8):
                places[number] = int(noise.integers(8))
        clocks = [
            0.92 * clock + 0.08 * base + float(noise.normal(0, 0.04)) * (base > 0)
            for clock, base in zip(clocks, temper.clocks, strict=True)
        ]
        power_w = 0.5 + temper.power_w * (0.3 + 0.7 * math.tanh(len(running) / 4))
        power_w += float(noise.normal(0, 0.05))
        steady_c = 25 + _THERMAL_RESISTANCE[cooling] * power_w
        temp_c += (steady_c - temp_c) * _STEP_S / _TIME_CONSTANT_S[cooling]
        freqs_hz = tuple(
            cluster.freqs_hz[round(min(max(clock, 0), 1) * (len(cluster.freqs_hz) - 1))]
            for cluster, clock in zip(clusters, clocks, strict=True)
        )
        found.append(
            Moment(
                time_s=time_s,
                sensor_temp_c=temp_c,
                peak_temp_c=temp_c + 1.5 * power_w,
                power_w=power_w,
                freqs_hz=freqs_hz,
                application_on_core=tuple(
                    min((n for n in running if places[n] == core), default=-1) for core in range(8)
                ),
            )
        )
    return tuple(found)
