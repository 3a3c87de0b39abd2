"""How steep the loss is along random directions, from forward passes alone."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from torch import Tensor
from torch.nn.functional import cross_entropy

from training.federated.systems.fedspzo.chain import Chain, Shift, Weights
from training.federated.systems.fedspzo.noise import Direction, Noise, Vector

Loss = Callable[[Tensor], float]
"""The loss of a network's answer."""


class Estimate(NamedTuple):
    """The slope along each direction of a step, and the loss where it was taken."""

    slopes: Vector
    loss: float


def loss_of(labels: Tensor) -> Loss:
    """Mean cross entropy of logits, worked out in float64: slopes are differences of losses."""
    return lambda logits: float(cross_entropy(logits.double(), labels))


def central(
    chain: Chain,
    weights: Weights,
    inputs: Tensor,
    loss: Loss,
    *,
    seed: int,
    step: int,
    boundary: int,
    samples: int,
    eps: float,
    noise: Noise,
) -> Estimate:
    """FedSPZO's estimate: one direction in the first block, `samples` of them in the second.

    Stages before `boundary` run twice, what they put out is used `samples` times. With `boundary`
    0 there is no first block: this is MeZO with `samples` directions. The first block's direction
    has index 0, the second's have 1 ... samples.
    """
    low = Direction(seed, step, 0)
    first, second = range(boundary), range(boundary, len(chain.stages))
    kept = chain.run_pair(weights, (inputs, inputs), Shift(eps, boundary, low, low), noise, first)
    slopes, losses = [], []
    for index in range(1, samples + 1):
        shift = Shift(eps, boundary, low, Direction(seed, step, index))
        forward, back = map(loss, chain.run_pair(weights, kept, shift, noise, second))
        slopes.append((forward - back) / (2 * eps))
        losses.append((forward + back) / 2)
    return Estimate(np.array(slopes, np.float32), float(np.mean(losses)))


def forward(
    chain: Chain,
    weights: Weights,
    inputs: Tensor,
    loss: Loss,
    *,
    seed: int,
    step: int,
    samples: int,
    eps: float,
    noise: Noise,
) -> Estimate:
    """DeComFL's `rge-forward`: one pass on the weights as they are, one for each direction."""
    here = loss(chain.run(weights, inputs))
    slopes = []
    for index in range(1, samples + 1):
        direction = Direction(seed, step, index)
        aside = chain.run_shifted(weights, inputs, Shift(eps, 0, direction, direction), noise)
        slopes.append((loss(aside) - here) / eps)
    return Estimate(np.array(slopes, np.float32), here)
