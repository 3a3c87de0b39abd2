"""What of a model is trained: its last layers, as they are or by LoRA, and its head."""

from itertools import product
from typing import TYPE_CHECKING, Any

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from platforms.errors import InvalidInput
from training.federated.dice import dice
from training.federated.exchange import Arrays
from training.federated.models.names import LINEAR, parameters_of
from training.federated.models.shape import Shape, shape_of

if TYPE_CHECKING:
    from transformers import BertForSequenceClassification

SCALING = 2.0
"""What B A is multiplied by in every LoRA layer, whatever its rank (PEFT's alpha over rank)."""

Shapes = dict[str, tuple[int, ...]]


class Suffix(Struct, frozen=True):
    """The last `depth` encoder layers, the pooler and the head are trained, the rest is frozen.

    Without `ranks` the layers themselves are trained. With `ranks`, one for each of these layers
    from the first to the last, LoRA is trained beside all their matrices. `embeddings` trains the
    embeddings too, which only a suffix of all layers may.
    """

    depth: int
    ranks: tuple[int, ...] | None = None
    embeddings: bool = False

    def __post_init__(self) -> None:
        if self.depth < 0:
            raise InvalidInput(f"depth must be 0 or more layers (got {self.depth})")
        if self.ranks is not None and len(self.ranks) != self.depth:
            raise InvalidInput(
                f"ranks must be one for each of the {self.depth} layers (got {list(self.ranks)})"
            )
        if self.ranks is not None and any(rank < 1 for rank in self.ranks):
            raise InvalidInput(
                f"ranks must be 1 or more (got {list(self.ranks)}); less depth leaves layers out"
            )


def whole(shape: Shape) -> Suffix:
    """The suffix that is the whole model, embeddings too."""
    return Suffix(depth=shape.layers, embeddings=True)


def names_and_shapes(shape: Shape, suffix: Suffix) -> Shapes:
    """What is trained, by canonical names from the input to the output."""
    _check(shape, suffix)
    found = _embeddings(shape) if suffix.embeddings else {}
    first = shape.layers - suffix.depth
    for place in range(suffix.depth):
        rank = None if suffix.ranks is None else suffix.ranks[place]
        parts = _layer(shape) if rank is None else _lora(shape, rank)
        found |= {f"layer.{first + place}.{name}": size for name, size in parts.items()}
    return found | _affine("pooler", shape.hidden, shape.hidden) | _head(shape)


def prepare(
    model: "BertForSequenceClassification", suffix: Suffix, *, seed: int = 0
) -> "BertForSequenceClassification":
    """The model itself, with LoRA put in where the suffix has it, and all else frozen.

    LoRA's B is 0 and its A is drawn from `seed` by name, so that the model's outputs are what they
    were, and a smaller rank's A is the first rows of a larger one's. A layer's matrices may have
    been pruned. InvalidInput where the model has fewer layers than the suffix, or LoRA already.
    """
    shape = shape_of(model)
    wanted = names_and_shapes(shape, suffix)
    if any(".lora_A" in name for name in parameters_of(model)):
        raise InvalidInput("model must have no LoRA yet; load it anew for another suffix")
    if suffix.ranks:
        _put_lora(model, shape, suffix)
        there = {name: tuple(p.shape) for name, p in parameters_of(model).items()}
        load_arrays(model, _first_lora({name: there[name] for name in wanted}, seed))
    for name, parameter in parameters_of(model).items():
        parameter.requires_grad_(name in wanted)
    return model


def arrays_of(model: "BertForSequenceClassification", suffix: Suffix) -> dict[str, NDArray[Any]]:
    """Copies of what the suffix trains, by canonical names, in the order of names_and_shapes."""
    parameters = parameters_of(model)
    return {
        name: parameters[name].detach().numpy().copy()
        for name in names_and_shapes(shape_of(model), suffix)
    }


def load_arrays(model: "BertForSequenceClassification", arrays: Arrays) -> None:
    """Put arrays into the model in place of what it has under these canonical names.

    InvalidInput names an array that the model has no parameter for, or not of that shape; the
    model is then as it was.
    """
    import torch

    parameters = parameters_of(model)
    for name, array in arrays.items():
        if name not in parameters:
            raise InvalidInput(f"{name}: must be a parameter of the model (it has none such)")
        if (shape := tuple(parameters[name].shape)) != array.shape:
            raise InvalidInput(f"{name}: must be of shape {shape} (got {array.shape})")
    with torch.no_grad():
        for name, array in arrays.items():
            parameters[name].copy_(torch.from_numpy(np.ascontiguousarray(array)))


def lora_change(a: NDArray[Any], b: NDArray[Any]) -> NDArray[Any]:
    """What LoRA adds to the matrix it stands beside.

    >>> lora_change(np.ones((1, 2)), np.ones((3, 1))).tolist()
    [[2.0, 2.0], [2.0, 2.0], [2.0, 2.0]]
    """
    change: NDArray[Any] = SCALING * (b @ a)
    return change


def merged(base: Arrays, trained: Arrays) -> dict[str, NDArray[Any]]:
    """Plain weights: `base` with LoRA of `trained` added, and its other arrays in place."""
    whole_ = dict(base)
    for name, array in trained.items():
        if name.endswith(".lora_A"):
            matrix = name.removesuffix("lora_A")
            change = lora_change(array, trained[matrix + "lora_B"])
            whole_[matrix + "weight"] = (base[matrix + "weight"] + change).astype(array.dtype)
        elif not name.endswith(".lora_B"):
            whole_[name] = array
    return whole_


def _check(shape: Shape, suffix: Suffix) -> None:
    if suffix.depth > shape.layers:
        raise InvalidInput(
            f"depth must be at most the model's {shape.layers} layers (got {suffix.depth})"
        )
    if suffix.embeddings and suffix.depth < shape.layers:
        raise InvalidInput(
            f"embeddings are trained only with all {shape.layers} layers (got depth {suffix.depth})"
        )


def _put_lora(model: Any, shape: Shape, suffix: Suffix) -> None:
    """PEFT's own layers; its patterns are regular expressions that end where the name ends."""
    import torch
    from peft import LoraConfig, inject_adapter_in_model

    ranks = dict(enumerate(suffix.ranks or (), start=shape.layers - suffix.depth))
    places = "|".join(map(str, ranks))
    parts = "|".join(name.replace(".", r"\.") for name in LINEAR.values())
    config = LoraConfig(
        r=max(ranks.values()),
        lora_alpha=SCALING * max(ranks.values()),
        target_modules=rf"bert\.encoder\.layer\.({places})\.({parts})",
        rank_pattern={rf"layer\.{layer}\..*": rank for layer, rank in ranks.items()},
        alpha_pattern={rf"layer\.{layer}\..*": SCALING * rank for layer, rank in ranks.items()},
    )
    with torch.random.fork_rng(devices=[]):
        inject_adapter_in_model(config, model)


def _first_lora(wanted: Shapes, seed: int) -> dict[str, NDArray[Any]]:
    """A as PEFT draws it (uniform within 1 / sqrt(inputs)), but from dice by name."""
    drawn = {}
    for name, shape in wanted.items():
        if name.endswith(".lora_A"):
            bound = shape[1] ** -0.5
            values = dice(seed, "lora", name).uniform(-bound, bound, shape)
            drawn[name] = values.astype(np.float32)
    return drawn


def _affine(name: str, outputs: int, inputs: int) -> Shapes:
    return {f"{name}.weight": (outputs, inputs), f"{name}.bias": (outputs,)}


def _norm(name: str, width: int) -> Shapes:
    return {f"{name}.weight": (width,), f"{name}.bias": (width,)}


def _head(shape: Shape) -> Shapes:
    return _affine("head", shape.classes, shape.hidden)


def _embeddings(shape: Shape) -> Shapes:
    rows = {"word": shape.vocabulary, "position": shape.positions, "type": shape.types}
    tables: Shapes = {
        f"embeddings.{name}.weight": (count, shape.hidden) for name, count in rows.items()
    }
    return tables | _norm("embeddings.norm", shape.hidden)


def _matrices(shape: Shape) -> dict[str, tuple[int, int]]:
    """Outputs and inputs of a layer's matrices."""
    square = (shape.hidden, shape.hidden)
    ffn = {"ffn.in": (shape.ffn, shape.hidden), "ffn.out": (shape.hidden, shape.ffn)}
    return {name: ffn.get(name, square) for name in LINEAR}


def _layer(shape: Shape) -> Shapes:
    found: Shapes = {}
    for name, (outputs, inputs) in _matrices(shape).items():
        found |= _affine(name, outputs, inputs)
    for part in ("attention", "ffn"):
        found |= _norm(f"{part}.norm", shape.hidden)
    return found


def _lora(shape: Shape, rank: int) -> Shapes:
    sizes = _matrices(shape).items()
    return {
        f"{name}.lora_{which}": (rank, inputs) if which == "A" else (outputs, rank)
        for (name, (outputs, inputs)), which in product(sizes, "AB")
    }
