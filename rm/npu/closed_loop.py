"""What it costs that a candidate governs instead of float32: the same episodes, lived twice."""

from collections.abc import Sequence

from msgspec import Struct

from npu_runtime.backend import Backend
from platforms.platform import Migration, Observation
from rm.npu.episode import Episode, Lived, live
from rm.npu.switch import Switch
from rm.policy import Policy


class ClosedLoop(Struct, frozen=True, kw_only=True):
    """The candidate's episodes minus float32's with the same seeds. Temperatures are simulated.

    `hotter_k` is the mean difference of the hottest core's mean temperature, `low_k` to `high_k`
    its Student interval at 95 % (None: one episode). `missed` and `missed_exact` of the
    `applications` missed their targets.
    """

    episodes: int
    hotter_k: float
    low_k: float | None
    high_k: float | None
    applications: int
    missed: int
    missed_exact: int


class _Candidate:
    """A policy that decides by its network's candidate."""

    def __init__(self, policy: Policy, switch: Switch) -> None:
        self.name = policy.name
        self._policy = policy
        self._switch = switch

    def migrate(self, observation: Observation) -> tuple[Migration, ...]:
        """The candidate's migrations."""
        with self._switch.to_candidate():
            return self._policy.migrate(observation)

    def scale(self, observation: Observation) -> tuple[int, ...]:
        """The policy's operating points."""
        return self._policy.scale(observation)


def governed(episode: Episode, candidate: Backend) -> Lived:
    """Run an episode under the candidate."""
    return live(episode, candidate, _Candidate)


def paired(exact: Sequence[Lived], candidate: Sequence[Lived]) -> ClosedLoop:
    """The difference of the same episodes, in their order."""
    from rm.evaluation.summary import interval

    pairs = zip(candidate, exact, strict=True)
    found = interval([theirs.mean_hottest_c - ours.mean_hottest_c for theirs, ours in pairs])
    return ClosedLoop(
        episodes=found.n,
        hotter_k=found.mean,
        low_k=found.low,
        high_k=found.high,
        applications=sum(lived.applications for lived in exact),
        missed=sum(lived.missed for lived in candidate),
        missed_exact=sum(lived.missed for lived in exact),
    )
