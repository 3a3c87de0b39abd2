"""First weights, drawn by name, so that no library's order of drawing matters."""

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from training.federated.dice import dice
from training.federated.models.shape import Shape
from training.federated.suffix import names_and_shapes, whole

POOLER = ("pooler.weight", "pooler.bias")
HEAD = ("head.weight", "head.bias")

_SPREAD_768 = 0.02  # BERT's, at its width of 768


def drawn(shape: Shape, seed: int, names: Iterable[str] | None = None) -> dict[str, NDArray[Any]]:
    """First weights of a model (all, or those of `names`) by canonical names.

    Norms begin as the identity, biases at 0, the rest normal with BERT's spread for that width.
    """
    sizes = names_and_shapes(shape, whole(shape))
    return {
        name: _first(name, sizes[name], shape, seed) for name in (sizes if names is None else names)
    }


def _first(name: str, size: tuple[int, ...], shape: Shape, seed: int) -> NDArray[Any]:
    if name.endswith(".bias"):
        return np.zeros(size, np.float32)
    if name.endswith("norm.weight"):
        return np.ones(size, np.float32)
    spread = _SPREAD_768 * (768 / shape.hidden) ** 0.5
    return dice(seed, "weights", name).normal(0, spread, size).astype(np.float32)
