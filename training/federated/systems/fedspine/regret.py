"""A virtual fleet with hidden speeds on which bandits are compared with the oracle.

What an arm is worth to a device follows from its time (work over a hidden speed, bytes over a
hidden bandwidth) as in `reward`; what it does for the loss is declared here, not trained. The pace
that times are held against is fixed, so that every device has a best arm of its own, known to the
oracle alone.
"""

import math
from collections.abc import Sequence

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from training.federated.dice import dice
from training.federated.systems.fedspine.arms import Grid
from training.federated.systems.fedspine.bandit import Plays, Rule, choose_prune_rank, remember
from training.federated.systems.fedspine.reward import Weights, balance, progress, reward

GRID = Grid((0.0, 0.1, 0.2, 0.3, 0.4, 0.5), (2, 4, 8))

Floats = NDArray[np.float64]


class World(Struct, frozen=True, kw_only=True):
    """Devices by speed and bandwidth relative to the fastest, and how these change.

    `drift` is the step of a random walk of the speeds' logarithms, per round; at `shift_round`
    (0: never) all speeds are dealt out anew. `noise` is the spread of a reward as it is seen.
    `compute` is the share of a mean device's time that goes to computing at ratio 0.
    """

    name: str
    speeds: tuple[float, ...] = (1.0, 1.0, 0.6, 0.6, 0.6, 0.6, 0.45, 0.45)
    bandwidths: tuple[float, ...] = (1.0, 0.5, 1.0, 0.5, 0.25, 1.0, 1.0, 0.5)
    drift: float = 0.0
    shift_round: int = 0
    noise: float = 0.05
    compute: float = 0.7


WORLDS = (
    World(name="stationary"),
    World(name="drift", drift=0.05),
    World(name="shift", shift_round=100),
)


class Course(Struct, frozen=True, kw_only=True):
    """A policy's way through a world: per round the regret and the waiting time of all devices."""

    regret: tuple[float, ...]
    waiting: tuple[float, ...]


def play_world(world: World, rule: Rule, *, rounds: int, seed: int, grid: Grid = GRID) -> Course:
    """Every device's bandit chooses, sees a noisy reward, and is held against the best arm.

    The world is the same for all rules of one seed.
    """
    speeds = hidden_speeds(world, rounds, seed)
    pace = float(np.mean([times(world, speeds[0], i, grid) for i in range(len(world.speeds))]))
    bandits = [Plays() for _ in world.speeds]
    choices = [dice(seed, world.name, "choice", device) for device in range(len(bandits))]
    noises = [dice(seed, world.name, "noise", device) for device in range(len(bandits))]
    regret, waiting = [], []
    for now in speeds:
        lost, taken = 0.0, []
        for device, plays in enumerate(bandits):
            lasting = times(world, now, device, grid)
            worth = values(lasting, pace, grid)
            arm = choose_prune_rank(rule, grid, plays, choices[device], values=worth.tolist())
            seen = float(np.clip(worth[arm] + world.noise * noises[device].normal(), 0.0, 1.0))
            bandits[device] = remember(grid, plays, arm, seen)
            lost += float(worth.max() - worth[arm])
            taken.append(float(lasting[arm]))
        regret.append(lost)
        waiting.append(sum(max(taken) - time for time in taken))
    return Course(regret=tuple(regret), waiting=tuple(waiting))


def hidden_speeds(world: World, rounds: int, seed: int) -> Floats:
    """Speeds of all devices in every round: (rounds, devices)."""
    rng = dice(seed, world.name, "speeds")
    walk = world.drift * rng.standard_normal((rounds, len(world.speeds))).cumsum(0)
    base = np.tile(np.asarray(world.speeds), (rounds, 1))
    if world.shift_round:
        base[world.shift_round :] = rng.permutation(world.speeds)
    return np.asarray(base * np.exp(walk))


def times(world: World, speeds: Floats, device: int, grid: Grid) -> Floats:
    """How long each arm takes a device, in the time that the fastest needs at ratio 0, rank 8."""
    work = np.array([1.0 - 0.8 * arm.ratio for arm in grid.arms()])
    sent = np.array([arm.rank / grid.ranks[-1] for arm in grid.arms()])
    computing = world.compute * work / speeds[device]
    return np.asarray(computing + (1 - world.compute) * sent / world.bandwidths[device])


def values(lasting: Floats, pace: float, grid: Grid) -> Floats:
    """What each arm is worth on average; gain and update are declared, not measured."""
    weights, target = Weights(), grid.ratios[-1]
    return np.array(
        [
            reward(
                weights,
                gain=(1.0 - arm.ratio) * arm.rank / (arm.rank + 2.0),
                progress=progress(arm.ratio, target),
                update=math.sqrt(arm.rank / grid.ranks[-1]),
                balance=balance(float(time), pace),
            )
            for arm, time in zip(grid.arms(), lasting, strict=True)
        ]
    )


def mean_regret(courses: Sequence[Course]) -> Floats:
    """Cumulative regret per round, averaged over courses."""
    return np.asarray(np.mean([np.cumsum(course.regret) for course in courses], axis=0))
