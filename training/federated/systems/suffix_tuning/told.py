"""What an order says beside arrays, typed."""

from collections.abc import Mapping
from typing import Literal

import msgspec
from msgspec import Struct

from training.federated.exchange import Setting
from training.federated.suffix import Suffix


class Told(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which suffix of which model a device trains, and how; `ranks` only with `lora`."""

    round: int
    model: str
    depth: int
    lora: bool
    ranks: list[int]
    steps: int
    batch: int
    learning_rate: float
    optimiser: Literal["sgd", "adamw"]

    @property
    def suffix(self) -> Suffix:
        """What the device trains."""
        return Suffix(self.depth, tuple(self.ranks) if self.lora else None)

    def settings(self) -> dict[str, Setting]:
        """As an order carries it."""
        return msgspec.structs.asdict(self)

    @classmethod
    def from_settings(cls, settings: Mapping[str, Setting]) -> "Told":
        """Back from an order; msgspec.ValidationError where something is missing or wrong."""
        return msgspec.convert(dict(settings), cls)
