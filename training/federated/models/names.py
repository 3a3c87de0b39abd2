"""Canonical names of parameters: short, and the same whether LoRA is around them or not.

    embeddings.word, .position, .type, .norm
    layer.3.attention.query, .key, .value, .output, .norm
    layer.3.ffn.in, .out, .norm
    pooler, head

each followed by `.weight` or `.bias`, or by `.lora_A` or `.lora_B`.
"""

import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import nn

LINEAR = {
    "attention.query": "attention.self.query",
    "attention.key": "attention.self.key",
    "attention.value": "attention.self.value",
    "attention.output": "attention.output.dense",
    "ffn.in": "intermediate.dense",
    "ffn.out": "output.dense",
}
"""The matrices of a layer, canonical name to Hugging Face's; LoRA goes beside each of them."""

_NORMS = {"attention.norm": "attention.output.LayerNorm", "ffn.norm": "output.LayerNorm"}
_IN_LAYER = {theirs: ours for ours, theirs in (LINEAR | _NORMS).items()}
_OUTSIDE = {
    "bert.embeddings.word_embeddings": "embeddings.word",
    "bert.embeddings.position_embeddings": "embeddings.position",
    "bert.embeddings.token_type_embeddings": "embeddings.type",
    "bert.embeddings.LayerNorm": "embeddings.norm",
    "bert.pooler.dense": "pooler",
    "classifier": "head",
}
_OUTSIDE_OF = {ours: theirs for theirs, ours in _OUTSIDE.items()}
_LAYER = re.compile(r"bert\.encoder\.layer\.(\d+)\.(.+)")
_OURS = re.compile(r"layer\.(\d+)\.(.+)")
_LORA = re.compile(r"(lora_[AB])\.\w+\.weight$")


def canonical(name: str) -> str:
    """The canonical name of a parameter that transformers or PEFT names; KeyError where none is.

    >>> canonical("bert.encoder.layer.11.attention.self.query.base_layer.weight")
    'layer.11.attention.query.weight'
    >>> canonical("base_model.model.bert.encoder.layer.1.output.dense.lora_A.default.weight")
    'layer.1.ffn.out.lora_A'
    >>> canonical("classifier.bias")
    'head.bias'
    """
    short = name.removeprefix("base_model.model.").replace(".base_layer.", ".")
    module, _, kind = _LORA.sub(r"\1", short).rpartition(".")
    found = _LAYER.fullmatch(module)
    if found:
        return f"layer.{found[1]}.{_IN_LAYER[found[2]]}.{kind}"
    return f"{_OUTSIDE[module]}.{kind}"


def hugging_face(name: str) -> str:
    """What transformers calls a parameter of that canonical name; KeyError where it is none.

    >>> hugging_face("layer.3.attention.norm.weight")
    'bert.encoder.layer.3.attention.output.LayerNorm.weight'
    >>> hugging_face("pooler.bias")
    'bert.pooler.dense.bias'
    """
    module, _, kind = name.rpartition(".")
    if module in _OUTSIDE_OF:
        return f"{_OUTSIDE_OF[module]}.{kind}"
    found = _OURS.fullmatch(module)
    if found is None:
        raise KeyError(name)
    return f"bert.encoder.layer.{found[1]}.{(LINEAR | _NORMS)[found[2]]}.{kind}"


def module_name(layer: int, part: str) -> str:
    """What transformers calls a matrix of a layer.

    >>> module_name(1, "ffn.in")
    'bert.encoder.layer.1.intermediate.dense'
    """
    return f"bert.encoder.layer.{layer}.{LINEAR[part]}"


def parameters_of(model: Any) -> "dict[str, nn.Parameter]":
    """All parameters of a BERT classifier by canonical names, base weights and LoRA alike."""
    return {canonical(name): parameter for name, parameter in model.named_parameters()}
