"""Whose target is met first where not all can be: those of the less important count for less.

Policies know targets and nothing of priorities. As long as an application misses its target and
others may be in its way, what the policy is shown of less important ones' targets goes down step by
step, the least important first. The policy then does what it always does: it packs them onto fewer
and slower cores, which leaves cores, and heat below a limit of the clocks, to the important one.
When that one is well again the steps are taken back one by one.
"""

import logging
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from msgspec.structs import replace

from platforms.board import Board
from platforms.platform import ApplicationReading, Migration, Observation
from rm.policy import Policy

SHARES = (1.0, 0.8, 0.6, 0.4, 0.2, 0.1)
"""What counts of a target, step by step (chosen)."""

MET = 0.97
"""A target is missed below this share of it: phases make rates uneven (chosen)."""

BUSY = 0.9
"""Who leaves more of its cores' time unused than the rest does not miss its target for want of
it."""

SMOOTHED_OVER_S = 0.5
"""Time constant of the rates that are judged: a short dip of one costs nobody anything."""

PATIENCE_S = 2.0
"""So long a target is missed before the next step: four chances for the policy to move."""

WELL_FOR_S = 10.0
LONGEST_PAUSE_S = 300.0
RELAPSE_WITHIN_S = 30.0
"""A step is taken back after so long without a miss, after twice as long where it was wrong to."""

IN_VAIN_AFTER_S = 5.0
LEAST_HELP = 0.05
"""Where so long after the last step none reaches so much more of its target than before the first,
the others were not in its way: they get theirs back until somebody comes or goes, or
`LONGEST_PAUSE_S` have passed."""

logger = logging.getLogger(__name__)


class Ranked(Protocol):
    """An application with its priority: the larger, the more important."""

    @property
    def id(self) -> int:
        """As in `ApplicationReading`."""
        ...

    @property
    def priority(self) -> int:
        """Compared with others' only."""
        ...


class Easing:
    """How much of each target counts, judged once a round.

    `step` is how many steps are taken now, 0 where everybody's whole target counts.
    """

    def __init__(self, board: Board) -> None:
        """Everybody's does."""
        self._owner = board.cluster_of_core
        self._strongest = board.clusters_by_capacity[-1]
        self._top_opps = board.highest_opps
        self.step = 0
        self._attained: dict[int, float] = {}
        self._before: dict[int, float] = {}
        self._seen_s = -math.inf
        self._missed_s = self._well_s = self._stepped_s = math.inf
        self._back_s = self._given_up_s = -math.inf
        self._pause_s = WELL_FOR_S

    def shares(self, observation: Observation, priorities: Mapping[int, int]) -> dict[int, float]:
        """By id what counts of the targets, for those of which not all does."""
        now_s, apps = observation.time_s, observation.applications
        self._follow(observation)
        ranks = sorted({priorities.get(app.id, 0) for app in apps})
        self.step = min(self.step, _steps_below(ranks, ranks[-1])) if ranks else 0
        counts = self._counts(ranks)
        entitled = {rank for rank in ranks[1:] if counts[rank] == 1.0}
        missing = [
            app
            for app in apps
            if priorities.get(app.id, 0) in entitled
            and self._misses(app, observation)
            and self._is_hindered(app, observation)
        ]
        if missing:
            most = max(priorities.get(app.id, 0) for app in missing)
            self._step_on(now_s, missing, _steps_below(ranks, most))
        else:
            self._step_back(now_s)
        counts = self._counts(ranks)
        found = {app.id: counts[priorities.get(app.id, 0)] for app in apps}
        return {number: share for number, share in found.items() if share < 1.0}

    def _counts(self, ranks: Sequence[int]) -> dict[int, float]:
        """What counts of a target by priority: the least important give first."""
        last = len(SHARES) - 1
        return {
            rank: SHARES[max(0, min(last, self.step - at * last))] for at, rank in enumerate(ranks)
        }

    def _follow(self, observation: Observation) -> None:
        """Smooth what is attained of every target; who comes or goes changes what can be done."""
        passed_s = observation.time_s - self._seen_s
        self._seen_s = observation.time_s
        weight = min(1.0, passed_s / SMOOTHED_OVER_S)
        before, self._attained = self._attained, {}
        for app in observation.applications:
            attained = min(1.0, app.rate_ips / app.target_ips)
            old = before.get(app.id, attained)
            self._attained[app.id] = old + weight * (attained - old)
        if before.keys() != self._attained.keys():
            self._given_up_s, self._pause_s = -math.inf, WELL_FOR_S
            self._missed_s = math.inf

    def _misses(self, app: ApplicationReading, observation: Observation) -> bool:
        """Whether it could use more than it gets; one that stands still wants nothing."""
        if app.rate_ips <= 0.0 or self._attained[app.id] >= MET:
            return False
        used = sum([observation.core_utilisation[core] for core in app.cores])
        return used >= BUSY * min(app.threads, len(app.cores))

    def _is_hindered(self, app: ApplicationReading, observation: Observation) -> bool:
        """Whether others may be in its way.

        Not who has cores of the strongest cluster to itself, whose clock nothing holds down.
        """
        cluster = self._owner[app.cores[0]]
        held_down = observation.opp_index[cluster] >= observation.opp_cap[cluster]
        if held_down and observation.opp_cap[cluster] < self._top_opps[cluster]:
            return True
        others = [other for other in observation.applications if other.id != app.id]
        return cluster != self._strongest or any(
            core in other.cores for core in app.cores for other in others
        )

    def _step_on(self, now_s: float, missing: Sequence[ApplicationReading], steps: int) -> None:
        self._well_s = math.inf
        self._missed_s = min(self._missed_s, now_s)
        if now_s - self._given_up_s < LONGEST_PAUSE_S:
            self._missed_s = now_s
            return
        missed_for_s = now_s - self._missed_s
        if self.step < steps and missed_for_s >= PATIENCE_S:
            if self.step == 0:
                self._before = dict(self._attained)
            relapse = now_s - self._back_s < RELAPSE_WITHIN_S
            self._pause_s = min(2 * self._pause_s, LONGEST_PAUSE_S) if relapse else self._pause_s
            self._back_s = -math.inf
            self.step += 1
            self._missed_s = self._stepped_s = now_s
        elif self.step == steps > 0 and now_s - self._stepped_s >= IN_VAIN_AFTER_S:
            self._stepped_s = now_s
            gained = [self._attained[app.id] - self._before.get(app.id, 0.0) for app in missing]
            if max(gained) < LEAST_HELP:
                self.step, self._given_up_s = 0, now_s

    def _step_back(self, now_s: float) -> None:
        self._missed_s = math.inf
        self._well_s = min(self._well_s, now_s)
        if self.step and now_s - self._well_s >= self._pause_s:
            self.step -= 1
            self._well_s = self._back_s = now_s


MAY_HAVE = ("demand", "train", "accelerate", "trains_only_with_jobs")
"""What a policy may have beside `migrate`, `scale` and `last_gain`: methods, and what never changes
(`rm.policy.TrainingPolicy`, `rm.governor.Governor`, `rm.training.foreground.Ordinary`)."""


class ByPriority:
    """A policy that meets the targets of the more important first; all else is as `policy` has it.

    Where all priorities are the same it is `policy`. What else that has, of `MAY_HAVE`, is there
    as well; it is shown the whole targets there.
    """

    def __init__(
        self, policy: Policy, board: Board, applications: Callable[[], Sequence[Ranked]]
    ) -> None:
        """`applications` gives the same sequence as long as nobody's priority changes."""
        self.name = policy.name
        self._policy = policy
        self._applications = applications
        self._ranked: Sequence[Ranked] = ()
        self._priorities: dict[int, int] = {}
        self._is_even = True
        self._board = board
        self._easing = Easing(board)
        self._seen: Observation | None = None
        self._shown: Observation | None = None
        self.eased: dict[int, float] = {}
        for extra in MAY_HAVE:  # by `__getattr__` every other attribute would be slow as well
            if hasattr(policy, extra):
                setattr(self, extra, getattr(policy, extra))

    @property
    def last_gain(self) -> float | None:
        """What the policy's last migrations promised, if it tells."""
        gain: float | None = getattr(self._policy, "last_gain", None)
        return gain

    def migrate(self, observation: Observation) -> tuple[Migration, ...]:
        """The policy's moves for the targets as they count."""
        return self._policy.migrate(self._eased(observation))

    def scale(self, observation: Observation) -> tuple[int, ...]:
        """The policy's operating points for the targets as they count."""
        if self._is_even and self._applications() is self._ranked:
            return self._policy.scale(observation)  # as in nearly all rounds
        return self._policy.scale(self._eased(observation))

    def _eased(self, observation: Observation) -> Observation:
        ranked = self._applications()
        if ranked is not self._ranked:
            self._ranked = ranked
            self._priorities = {app.id: app.priority for app in ranked}
            self._is_even = len(set(self._priorities.values())) < 2
            if self._is_even:
                self._easing, self.eased = Easing(self._board), {}
        if self._is_even:
            return observation
        if observation is not self._seen or self._shown is None:
            self._seen, self._shown = observation, self._shown_of(observation)
        return self._shown

    def _shown_of(self, observation: Observation) -> Observation:
        before = self._easing.step
        self.eased = shares = self._easing.shares(observation, self._priorities)
        if self._easing.step != before:
            _say(observation, shares)
        if not shares:
            return observation
        return replace(
            observation,
            applications=tuple(
                [
                    replace(app, target_ips=shares[app.id] * app.target_ips)
                    if app.id in shares
                    else app
                    for app in observation.applications
                ]
            ),
        )


def _steps_below(ranks: Sequence[int], rank: int) -> int:
    """How many steps there are to take of those that are less important."""
    return ranks.index(rank) * (len(SHARES) - 1)


def _say(observation: Observation, shares: Mapping[int, float]) -> None:
    names = {app.id: app.name for app in observation.applications}
    told = [f"{number} {names[number]!r} {share:.0%}" for number, share in shares.items()]
    if told:
        logger.warning(
            "not all targets can be met: for the sake of more important applications counts of "
            "the target of application %s",
            ", ".join(told),
        )
    else:
        logger.info("all targets count in full again")
