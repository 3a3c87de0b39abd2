"""The step down: what a device does with its own slopes, and everybody with the averaged ones."""

import math
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from training.federated.systems.fedspzo.chain import Weights
from training.federated.systems.fedspzo.noise import Direction, Noise, Vector


class Rates(NamedTuple):
    """Learning rates of the first block (stages before `boundary`) and of the second."""

    boundary: int
    low: float
    high: float


def descend(
    weights: Weights, slopes: Vector, seed: int, step: int, rates: Rates, noise: Noise
) -> None:
    """Change `weights` in place by one step's slopes.

    The first block goes along its one direction by the mean slope, the second along each of its
    own by that one's. All is float32, elementwise and in a fixed order: whoever repeats it from
    the same weights holds the same bits.
    """
    for stage, part in enumerate(weights):
        for coefficient, index in _moves(stage, slopes, rates):
            along = noise.part(Direction(seed, step, index), stage, part.size)
            np.subtract(part, along * coefficient, out=part)


def _moves(stage: int, slopes: Vector, rates: Rates) -> Iterator[tuple[np.float32, int]]:
    """How far along which direction: (coefficient, index)."""
    values = [float(slope) for slope in slopes]
    if stage < rates.boundary:
        yield np.float32(rates.low * math.fsum(values) / len(values)), 0
        return
    for index, slope in enumerate(values, start=1):
        yield np.float32(rates.high * slope / len(values)), index


def replay(weights: Weights, seed: int, slopes: Vector, rates: Rates, noise: Noise) -> None:
    """Repeat a round's steps in place: `slopes` is steps x directions."""
    for step, row in enumerate(slopes):
        descend(weights, row, seed, step, rates, noise)
