"""The models that server and devices build: the base, pruned, with or without LoRA."""

import copy
from functools import lru_cache
from typing import Any

import torch

from training.federated.exchange import Arrays
from training.federated.models.load import load_model
from training.federated.models.names import parameters_of
from training.federated.models.shape import Shape
from training.federated.suffix import load_arrays, merged, prepare
from training.federated.systems.fedspine.factors import cut
from training.federated.systems.fedspine.plan import suffix_of
from training.federated.systems.fedspine.prune import prune_model
from training.federated.systems.fedspine.structure import Kept


@lru_cache(maxsize=2)
def _base(name: str, models: str, classes: int, seed: int) -> Any:
    return load_model(name, models, classes, seed)


def base_model(name: str, models: str, classes: int, seed: int) -> Any:
    """The pre-trained model, a copy that may be changed."""
    return copy.deepcopy(_base(name, models, classes, seed))


def tunable(base: Any, arrays: Arrays, kept: Kept, shape: Shape, rank: int) -> Any:
    """The base model itself, pruned to `kept`, with the LoRA of full-size `arrays` cut to it."""
    model = prepare(prune_model(base, kept), suffix_of(shape, rank))
    load_arrays(model, cut(arrays, kept, shape))
    return model


def deployed(base: Any, arrays: Arrays, kept: Kept) -> Any:
    """The base model itself with LoRA merged into its matrices, then pruned: a plain BERT."""
    with torch.no_grad():
        plain = {name: p.detach().numpy() for name, p in parameters_of(base).items()}
        load_arrays(base, merged(plain, arrays))
    return prune_model(base, kept)
