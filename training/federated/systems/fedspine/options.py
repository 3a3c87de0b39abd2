"""FedSpine's settings."""

from typing import Literal

from msgspec import Struct

from platforms.errors import InvalidInput
from training.federated.systems.fedspine.arms import Grid
from training.federated.systems.fedspine.reward import Weights

METHODS = (
    "fedspine",
    "fixed",
    "random",
    "ucb1",
    "discounted-ucb",
    "tree-ucb",
    "oracle",
    "pruned-after",
    "unpruned",
)
"""FedSpine, its bandit replaced, LoRA at full size pruned only at the end, LoRA never pruned."""

Merge = Literal["residual", "svd", "pad"]


class Options(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What decides over a run beside its setup.

    `ratios` and `ranks` are the bandit's grid; `final_ratio` is the sparsity at which the global
    model is judged, whatever the devices trained at (but for the method "unpruned"), `fixed_rank`
    the rank of the methods that do not choose. A device takes `steps` steps in a round and may
    prune on after every `interval` of them. `merge` says how unequal ranks are brought together:
    by what a device did not train staying as it was ("residual"), by zeros and a new factorisation
    of the mean product ("svd"), by zeros and the mean of the factors ("pad"). `momentum` smooths
    importance over steps, `memory` over rounds. `explore`, `discount`, `width` are the bandit's,
    `late_only` and `weights` its reward's: whether only who is slower than the mean loses by it,
    and what the ingredients count for.
    `model` "" is the task's own.
    """

    ratios: tuple[float, ...] = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5)
    ranks: tuple[int, ...] = (2, 4, 8)
    final_ratio: float = 0.5
    fixed_rank: int = 8
    steps: int = 4
    interval: int = 2
    batch: int = 16
    learning_rate: float = 1e-2
    optimiser: Literal["sgd", "adamw"] = "adamw"
    merge: Merge = "residual"
    momentum: float = 0.5
    memory: float = 0.5
    explore: float = 0.05
    discount: float = 0.98
    width: float = 0.3
    late_only: bool = False
    weights: Weights = Weights()
    model: str = ""

    def __post_init__(self) -> None:
        """Refuse what no run could mean."""
        _check_ascending("ratios", self.ratios)
        _check_ascending("ranks", self.ranks)
        for name, ratio in (("ratios", self.ratios[-1]), ("final_ratio", self.final_ratio)):
            if not 0.0 <= ratio < 1.0:
                raise InvalidInput(f"{name} must lie in 0 ... 1, without 1 (got {ratio:g})")
        if self.ratios[0] < 0.0 or self.ranks[0] < 1 or self.fixed_rank < 1:
            raise InvalidInput(f"ratios must be 0 or more, ranks 1 or more (got {self.ranks})")
        if min(self.steps, self.interval, self.batch) < 1:
            raise InvalidInput(
                "steps, interval and batch must be 1 or more "
                f"(got {self.steps}, {self.interval}, {self.batch})"
            )

    @property
    def grid(self) -> Grid:
        """What the bandit chooses from."""
        return Grid(self.ratios, self.ranks)

    @property
    def rank(self) -> int:
        """The rank of the global factors: the largest that a device may train."""
        return max(*self.ranks, self.fixed_rank)


def _check_ascending(name: str, values: tuple[float, ...]) -> None:
    if not values or list(values) != sorted(set(values)):
        raise InvalidInput(f"{name} must be one or more, ascending (got {list(values)})")
