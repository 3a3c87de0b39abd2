"""What pre-training gives."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from training.federated.exchange import Arrays
from training.federated.models.shape import Shape


@dataclass(frozen=True, kw_only=True)
class Made:
    """A pre-trained model: arrays by canonical names, its tokenizer's file, and how good it is."""

    shape: Shape
    arrays: Arrays
    quality: Mapping[str, float]
    tokenizer: str | None = None
    origin: Mapping[str, Any] = field(default_factory=dict)
