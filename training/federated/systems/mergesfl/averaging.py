"""The average of models, weighted by the samples that each of them saw."""

from collections.abc import Mapping, Sequence

import numpy as np

from training.federated.systems.mergesfl.network import Floats, Weights


def averaged(models: Sequence[Weights], weights: Sequence[float]) -> dict[str, Floats]:
    """The weighted mean of models of the same shape; weights need not add up to 1.

    >>> pair = [{"w": np.float32([0, 0])}, {"w": np.float32([4, 8])}]
    >>> averaged(pair, [3, 1])["w"]
    array([1., 2.], dtype=float32)
    """
    if not models or sum(weights) <= 0:
        raise ValueError(f"averaged models must have weights above 0 (got {list(weights)})")
    shares = [np.float32(weight / sum(weights)) for weight in weights]
    return {
        name: np.sum([s * m[name] for s, m in zip(shares, models, strict=True)], axis=0)
        for name in models[0]
    }


def batch_weighted(models: Mapping[str, Weights], batches: Mapping[str, int]) -> dict[str, Floats]:
    """The mean of workers' models, each weighted by its batch."""
    return averaged(list(models.values()), [batches[worker] for worker in models])
