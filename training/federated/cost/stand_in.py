"""A small model on the virtual clock stands for a larger one: how much more that one costs."""

from msgspec import Struct

from platforms.errors import InvalidInput
from training.federated.cost.flops import forward_flops
from training.federated.cost.memory import peak_bytes
from training.federated.cost.parameters import layer_parameters
from training.federated.cost.work import Work
from training.federated.models.shape import Shape
from training.federated.suffix import Suffix


class Factors(Struct, frozen=True, kw_only=True):
    """So many times the FLOPs, the bytes that travel, and the memory."""

    flops: float
    bytes: float
    memory: float = 1.0


class Published(Struct, frozen=True, kw_only=True):
    """A model by its published configuration, and the length of the texts it is taken for."""

    shape: Shape
    tokens: int


AS_IT_IS = Factors(flops=1.0, bytes=1.0, memory=1.0)

STAND_INS = {
    "roberta-base": Published(
        shape=Shape(
            layers=12,
            hidden=768,
            heads=12,
            ffn=3072,
            vocabulary=50265,
            positions=514,
            types=1,
            classes=2,
        ),
        tokens=128,
    )
}
"""Models that a small one may stand for (RoBERTa-base: its published config.json)."""

_BATCH = 16


def factors(shape: Shape, tokens: int, name: str) -> Factors:
    """What the model `name` costs relative to a model of `shape` on texts of so many `tokens`.

    "" takes the model as it is. FLOPs are those of a forward pass; bytes go by the parameters of
    all encoder layers (a LoRA rank stands for one that grows with the width); memory is the peak of
    training all layers by AdamW in batches of 16. The same share of the layers is then the same
    share of the larger model's cost.
    """
    if not name:
        return AS_IT_IS
    if name not in STAND_INS:
        raise InvalidInput(
            f"stand_in must be nothing or one of {', '.join(STAND_INS)} (got {name})"
        )
    large, small = _whole(STAND_INS[name].shape, STAND_INS[name].tokens), _whole(shape, tokens)
    return Factors(
        flops=forward_flops(large) / forward_flops(small),
        bytes=_encoder_parameters(large) / _encoder_parameters(small),
        memory=peak_bytes(large) / peak_bytes(small),
    )


def _whole(shape: Shape, tokens: int) -> Work:
    suffix = Suffix(depth=shape.layers)
    return Work(shape=shape, suffix=suffix, batch=_BATCH, tokens=tokens, optimiser="adamw")


def _encoder_parameters(work: Work) -> int:
    return work.shape.layers * layer_parameters(work)
