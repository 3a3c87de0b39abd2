"""What a device works on: a transformer, the part of it that is trained, and how."""

from typing import Literal

from msgspec import Struct

from training.federated.models.shape import Shape
from training.federated.suffix import Suffix

FLOAT_BYTES = 4

Optimiser = Literal["sgd", "adamw"]


class Work(Struct, frozen=True, kw_only=True):
    """One step of training (or of inference) of a BERT classifier in float32.

    `kept_heads` and `kept_ffn` are the shares of attention heads and of FFN channels that pruning
    has left in every layer. `padded` is where a batch holds padding, so that attention has a mask.
    """

    shape: Shape
    suffix: Suffix
    batch: int
    tokens: int
    optimiser: Optimiser = "sgd"
    kept_heads: float = 1.0
    kept_ffn: float = 1.0
    padded: bool = False

    @property
    def heads(self) -> int:
        """Attention heads per layer that are left."""
        return max(1, round(self.kept_heads * self.shape.heads))

    @property
    def attention_width(self) -> int:
        """Width of queries, keys and values."""
        return self.heads * (self.shape.hidden // self.shape.heads)

    @property
    def ffn(self) -> int:
        """FFN channels per layer that are left."""
        return max(1, round(self.kept_ffn * self.shape.ffn))

    @property
    def mask(self) -> int:
        """Numbers of attention's mask, the same for all heads; 0 without padding."""
        return self.batch * self.tokens**2 if self.padded else 0

    @property
    def depth(self) -> int:
        """Layers that are trained."""
        return min(self.suffix.depth, self.shape.layers)
