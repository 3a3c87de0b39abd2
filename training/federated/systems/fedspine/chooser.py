"""Who prunes how much and tunes at what rank: a bandit per device, or what stands in its place."""

from collections.abc import Mapping, Sequence
from typing import Any

from msgspec import Struct

from training.federated.dice import dice
from training.federated.systems.fedspine.arms import Arm
from training.federated.systems.fedspine.bandit import (
    Plays,
    Rule,
    choose_prune_rank,
    remember,
)
from training.federated.systems.fedspine.options import Options
from training.federated.systems.fedspine.reward import balance, gain, progress, reward

BANDITS = {
    "fedspine": "s-ucb",
    "fixed": "fixed",
    "random": "random",
    "ucb1": "ucb1",
    "discounted-ucb": "discounted-ucb",
    "tree-ucb": "tree-ucb",
    "oracle": "oracle",
}
"""Methods that prune while they tune, and how they choose; the others train at full size."""


class Seen(Struct, frozen=True, kw_only=True):
    """What a device's round was: its time, its loss, and how far its factors moved."""

    time_s: float
    loss: float
    moved: float


class Chooser:
    """Chooses for every device, and learns from what came of it; its state is JSON."""

    def __init__(self, method: str, options: Options, seed: int) -> None:
        """A chooser of one of `options.METHODS`."""
        self._options, self._seed, self._method = options, seed, method
        self._bandits: dict[str, Plays] = {}
        self._losses: dict[str, float] = {}
        self._rule = Rule(
            policy=BANDITS.get(method, "fixed"),
            explore=options.explore,
            discount=options.discount,
            width=options.width,
            fixed=options.grid.nearest(options.final_ratio, options.fixed_rank),
        )

    @property
    def needs_values(self) -> bool:
        """Whether `choose` must be told what every arm is worth."""
        return self._rule.policy == "oracle"

    def choose(self, device: str, round_: int, values: Sequence[float] | None = None) -> Arm:
        """The arm of a device in a round. Nobody prunes in round 1: nothing is known yet."""
        options = self._options
        if self._method not in BANDITS:
            return Arm(0.0, options.fixed_rank)
        if round_ == 1:
            return Arm(0.0, options.fixed_rank)
        rng = dice(self._seed, "choice", device, round_)
        plays = self._bandits.get(device, Plays())
        number = choose_prune_rank(self._rule, options.grid, plays, rng, values=values)
        return options.grid.arm(number)

    def learn(self, arms: Mapping[str, Arm], seen: Mapping[str, Seen], round_: int) -> None:
        """Reward every device's choice by what was seen of it and of the others."""
        pace_s = sum(one.time_s for one in seen.values()) / max(len(seen), 1)
        furthest = max((one.moved for one in seen.values()), default=0.0)
        for device, one in seen.items():
            worth = reward(
                self._options.weights,
                gain=gain(self._losses.get(device), one.loss),
                progress=progress(arms[device].ratio, self._options.final_ratio),
                update=one.moved / furthest if furthest > 0.0 else 0.0,
                balance=balance(one.time_s, pace_s, late_only=self._options.late_only),
            )
            self._losses[device] = one.loss
            if round_ > 1 and self._method in BANDITS:
                grid = self._options.grid
                arm = grid.nearest(arms[device].ratio, arms[device].rank)
                self._bandits[device] = remember(
                    grid, self._bandits.get(device, Plays()), arm, worth
                )

    def state(self) -> dict[str, Any]:
        """All that later choices depend on."""
        return {
            "losses": dict(self._losses),
            "arms": {name: list(plays.arms) for name, plays in self._bandits.items()},
            "rewards": {name: list(plays.rewards) for name, plays in self._bandits.items()},
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from a state; the trees grow anew from the plays."""
        self._losses = dict(state["losses"])
        self._bandits = {}
        for device, arms in state["arms"].items():
            plays = Plays()
            for arm, worth in zip(arms, state["rewards"][device], strict=True):
                plays = remember(self._options.grid, plays, arm, worth)
            self._bandits[device] = plays
