"""The models that server and devices build from the base: pruned, with or without LoRA."""

import copy
from functools import lru_cache
from typing import Any

import torch

from training.federated.exchange import Arrays
from training.federated.models.load import load_model
from training.federated.models.names import parameters_of
from training.federated.models.shape import shape_of
from training.federated.suffix import load_arrays, merged, prepare
from training.federated.systems.fedspine.factors import cut
from training.federated.systems.fedspine.plan import suffix_of
from training.federated.systems.fedspine.prune import prune_model
from training.federated.systems.fedspine.structure import Kept


class Workbench:
    """A base model with LoRA of one rank, which takes on one structure after the other.

    Putting LoRA into a model takes longer than a step of a tiny one, so that it is done once.
    """

    def __init__(self, model: Any, rank: int, seed: int) -> None:
        """Put LoRA into a plain BERT."""
        self._shape = shape_of(model)
        self._whole = {name: p.detach().numpy() for name, p in parameters_of(model).items()}
        self._model = prepare(model, suffix_of(self._shape, rank), seed=seed)

    def tunable(self, arrays: Arrays, kept: Kept) -> Any:
        """The base pruned to `kept`, with LoRA and head from full-size `arrays` cut to it.

        Matrices are smaller, not masked. The model is this workbench's own: it lasts until the
        next call. Frozen parameters that are whole share memory with the base: they must stay.
        """
        parameters = parameters_of(self._model)
        for name, array in cut({**self._whole, **arrays}, kept, self._shape).items():
            frozen = name not in arrays and not parameters[name].requires_grad
            parameters[name].data = torch.from_numpy(array) if frozen else torch.tensor(array)
            parameters[name].grad = None
        layers = self._model.base_model.encoder.layer
        for layer, heads in zip(layers, kept.heads, strict=True):
            inner = layer.attention.self
            inner.num_attention_heads = len(heads)
            inner.all_head_size = len(heads) * inner.attention_head_size
        return self._model

    def aside_bytes(self) -> int:
        """Bytes of the base's arrays at full size that the model does not use as they are."""
        parameters = parameters_of(self._model)
        used = {
            name for name, array in self._whole.items() if parameters[name].shape == array.shape
        }
        return sum(array.nbytes for name, array in self._whole.items() if name not in used)


@lru_cache(maxsize=2)
def _base(name: str, models: str, classes: int, seed: int) -> Any:
    return load_model(name, models, classes, seed)


def base_model(name: str, models: str, classes: int, seed: int) -> Any:
    """The pre-trained model, a copy that may be changed."""
    return copy.deepcopy(_base(name, models, classes, seed))


@lru_cache(maxsize=8)
def workbench(name: str, models: str, classes: int, seed: int, rank: int) -> Workbench:
    """A workbench of the pre-trained model, made once per process and rank."""
    return Workbench(base_model(name, models, classes, seed), rank, seed)


def deployed(base: Any, arrays: Arrays, kept: Kept) -> Any:
    """The base model itself with LoRA merged into its matrices, then pruned: a plain BERT."""
    with torch.no_grad():
        plain = {name: p.detach().numpy() for name, p in parameters_of(base).items()}
        load_arrays(base, merged(plain, arrays))
    return prune_model(base, kept)
