"""How devices train, whatever they train."""

from typing import Literal

from msgspec import Struct


class TrainingOptions(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Options of a system in which devices train suffixes.

    `steps` of `batch` examples per round; `model` in place of the task's own. With `share` a layer
    moves by the share of the participants' weight that trained it, without it all the way to the
    mean of those who did.
    """

    learning_rate: float = 3e-3
    steps: int = 4
    batch: int = 16
    optimiser: Literal["sgd", "adamw"] = "adamw"
    model: str = ""
    share: bool = True
