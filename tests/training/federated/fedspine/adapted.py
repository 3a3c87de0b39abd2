"""LoRA factors for the tests' BERT, in full coordinates."""

from functools import cache

import numpy as np

from tests.training.federated.fedspine.bert import small_bert
from training.federated.models.shape import Shape, shape_of
from training.federated.suffix import names_and_shapes
from training.federated.systems.fedspine.plan import suffix_of

RANK = 3


@cache
def shape() -> Shape:
    """The shape of the tests' BERT."""
    return shape_of(small_bert())


def factors(rank: int = RANK, seed: int = 0) -> dict[str, np.ndarray]:
    """LoRA factors, pooler and head, all drawn: B is not 0."""
    rng = np.random.default_rng(seed)
    shapes = names_and_shapes(shape(), suffix_of(shape(), rank))
    return {n: rng.normal(0, 0.3, size).astype(np.float32) for n, size in shapes.items()}
