"""What can be set of FedSPZO and its baselines."""

from typing import Literal

from msgspec import Struct

from platforms.errors import InvalidInput

METHODS = ("fedspzo", "mezo-1", "mezo-k", "decomfl", "fedkseed", "fedmezo")


class Options(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Settings of all methods; each uses what concerns it.

    `model` is the task's own where it is "". `samples` is the number of directions K of a step
    (fedspzo's second block, mezo-k, decomfl). `split` layers are in fedspzo's first block, -1 for
    three quarters of them, and `low_share` is the first block's learning rate over that of the
    second. `estimator` is decomfl's.

    A device takes `local_steps` in a round; 0 for as many as cost at most `budget` layer-forwards,
    so that methods of unequal steps do equal work. `participants` are drawn for each round (0: all
    who are present). `own_seeds` gives each device directions of its own: more of them for the
    same work, and as many times more for everybody to replay. `pool` is fedkseed's number of seeds.
    """

    model: str = ""
    learning_rate: float = 1e-3
    low_share: float = 0.25
    eps: float = 1e-3
    samples: int = 4
    split: int = -1
    estimator: Literal["rge-forward", "rge-central"] = "rge-forward"
    local_steps: int = 0
    budget: int = 160
    batch: int = 16
    participants: int = 0
    own_seeds: bool = False
    pool: int = 1024

    def __post_init__(self) -> None:
        for name in ("learning_rate", "low_share", "eps"):
            if not getattr(self, name) > 0:
                raise InvalidInput(f"{name} must be above 0 (got {getattr(self, name):g})")
        for name in ("samples", "batch", "pool", "budget"):
            if getattr(self, name) < 1:
                raise InvalidInput(f"{name} must be at least 1 (got {getattr(self, name)})")
        for name in ("local_steps", "participants"):
            if getattr(self, name) < 0:
                raise InvalidInput(f"{name} must be 0 or more (got {getattr(self, name)})")
        if self.split < -1:
            raise InvalidInput(f"split must be -1 or a number of layers (got {self.split})")
