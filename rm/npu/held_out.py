"""Decisions that nothing was tuned on: what a network's candidate would have migrated instead.

The float32 network governs simulated episodes. Whenever it is asked for migrations, the candidate
is asked as well, on the same observation and with the same history; what float32 decided is carried
out. A decision is changed where the set of migrations is another.
"""

import copy
import math
from collections.abc import Sequence
from dataclasses import dataclass, field

from msgspec import Struct

from npu_runtime.backend import Backend
from platforms.board import Board
from platforms.platform import Migration, Observation
from rm.npu.episode import Episode, Lived, live
from rm.npu.switch import Switch
from rm.npu.worth import WORTH, Worth
from rm.policy import Policy

Z = 1.959964
"""Normal quantile of a two-sided interval of 95 %."""


@dataclass
class Tally:
    """One episode's decisions.

    `moving` are those in which either network ordered migrations, `dearer_k` is how much hotter
    each changed one is under the float32 scores, where that is known, and `worse_served` counts
    those that miss more of the targets.
    """

    decisions: int = 0
    moving: int = 0
    changed: int = 0
    worse_served: int = 0
    dearer_k: list[float] = field(default_factory=list)


class HeldOut(Struct, frozen=True, kw_only=True):
    """The decisions of all episodes; `episodes_changed` of the episodes had a changed one.

    Shares lie in 0 to 1. `changed_share` is of all decisions in which the network was asked, with
    Wilson's interval at 95 % as if they were independent; `changed_of_moving_share` of those alone
    in which either network ordered migrations. `mean_dearer_k` and `worst_dearer_k` are over the
    changed ones (None: none, or not known for this policy).
    """

    episodes: int
    episodes_changed: int
    decisions: int
    moving: int
    changed: int
    changed_share: float
    low_share: float
    high_share: float
    changed_of_moving_share: float
    worse_served: int
    mean_dearer_k: float | None
    worst_dearer_k: float | None


class Compared:
    """A policy whose every migration decision is taken twice; float32's is carried out.

    The candidate decides with a shallow copy of the policy, so a policy must not change in place
    what its scores have a say in.
    """

    def __init__(self, policy: Policy, switch: Switch, board: Board, alpha_per_k: float) -> None:
        self.name = policy.name
        self.tally = Tally()
        self._policy = policy
        self._switch = switch
        self._board = board
        self._alpha_per_k = alpha_per_k
        self._worth_of = WORTH.get(policy.name)

    def migrate(self, observation: Observation) -> tuple[Migration, ...]:
        """Float32's migrations."""
        with self._switch.to_candidate():
            theirs = copy.copy(self._policy).migrate(observation)
        before = self._switch.answers
        ours = self._policy.migrate(observation)
        if self._switch.answers > before:
            self._count(observation, ours, theirs)
        return ours

    def scale(self, observation: Observation) -> tuple[int, ...]:
        """The policy's operating points, which no network decides."""
        return self._policy.scale(observation)

    def _count(
        self, observation: Observation, ours: Sequence[Migration], theirs: Sequence[Migration]
    ) -> None:
        tally = self.tally
        tally.decisions += 1
        tally.moving += bool(ours or theirs)
        if _as_set(ours) == _as_set(theirs):
            return
        tally.changed += 1
        our_worth, their_worth = self._worth(observation, ours), self._worth(observation, theirs)
        if our_worth is None or their_worth is None:
            return
        tally.worse_served += their_worth.shortfall > our_worth.shortfall
        tally.dearer_k.append(their_worth.heat_k - our_worth.heat_k)

    def _worth(self, observation: Observation, moves: Sequence[Migration]) -> Worth | None:
        if self._worth_of is None:
            return None
        scores = self._switch.exact.run
        return self._worth_of(
            self._policy, self._board, scores, self._alpha_per_k, observation, moves
        )


def _as_set(moves: Sequence[Migration]) -> set[tuple[int, tuple[int, ...]]]:
    return {(move.application_id, move.cores) for move in moves}


def compared(episode: Episode, candidate: Backend, alpha_per_k: float) -> tuple[Tally, Lived]:
    """Run an episode under float32, and count what the candidate would have done otherwise."""
    made: list[Compared] = []

    def wrapped(policy: Policy, switch: Switch) -> Policy:
        made.append(Compared(policy, switch, episode.board, alpha_per_k))
        return made[0]

    lived = live(episode, candidate, wrapped)
    return made[0].tally, lived


def together(tallies: Sequence[Tally]) -> HeldOut:
    """All episodes' decisions."""
    decisions = sum(tally.decisions for tally in tallies)
    moving = sum(tally.moving for tally in tallies)
    changed = sum(tally.changed for tally in tallies)
    dearer_k = [value for tally in tallies for value in tally.dearer_k]
    low, high = wilson(changed, decisions)
    return HeldOut(
        episodes=len(tallies),
        episodes_changed=sum(tally.changed > 0 for tally in tallies),
        decisions=decisions,
        moving=moving,
        changed=changed,
        changed_share=changed / decisions if decisions else 0.0,
        low_share=low,
        high_share=high,
        changed_of_moving_share=changed / moving if moving else 0.0,
        worse_served=sum(tally.worse_served for tally in tallies),
        mean_dearer_k=sum(dearer_k) / len(dearer_k) if dearer_k else None,
        worst_dearer_k=max(dearer_k, default=None),
    )


def wilson(hits: int, tries: int) -> tuple[float, float]:
    """The interval at 95 % of a share of which `hits` of `tries` were seen (Wilson, 1927).

    >>> [round(end, 4) for end in wilson(0, 3838)]
    [0.0, 0.001]
    >>> wilson(0, 0)
    (0.0, 1.0)
    """
    if tries == 0:
        return 0.0, 1.0
    share, spread = hits / tries, Z * Z / tries
    middle = (share + spread / 2) / (1 + spread)
    half = Z * math.sqrt(share * (1 - share) / tries + spread / (4 * tries)) / (1 + spread)
    return max(0.0, middle - half), min(1.0, middle + half)
