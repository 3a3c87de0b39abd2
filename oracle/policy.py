"""The oracle as a policy: it sees the truth and solves the joint search whenever something changes.

It reads what no governor can (profiles, phases, the thermal model), so it runs on the simulated
board only. It is the yardstick of the others: an application whose target it misses could not be
served.

What is optimal about it: whenever an application arrives, ends or changes its phase, or the cooling
changes, its next decision is proven to be the best one for what runs then. No decision misses less,
and among those that miss no more none has a lower steady-state peak temperature, `MOVE_K` being
added for every application that it moves (within the search's tolerance). What is not: it does not
know what comes next and takes no account of the heat that the board has stored, so a policy that
did might be cooler over a whole run. Decisions come as often as the governor asks for them; between
two, it sets the least operating points that meet the targets where everybody is.
"""

from typing import NamedTuple

from oracle.joint import JointSearch
from oracle.whatif import Placement, Wanted, WhatIf
from platforms.board import CoolingSetup
from platforms.errors import InvalidInput
from platforms.platform import Migration, Observation
from platforms.simulated.simulated_board import SimulatedBoard
from rm.policies.registry import PolicyContext

MOVE_K = 0.1
"""What a move counts for, in kelvin. It really costs under a millisecond of work (a cache refill);
a tenth of a kelvin is below what anybody measures, and mappings that differ by less are not worth a
restless board (chosen)."""

_Situation = tuple[tuple[int, int, tuple[int, ...]], ...]
"""Id, phase and cores of every application."""


class _Decided(NamedTuple):
    """Where everybody goes, and how fast."""

    placement: Placement
    opp_index: tuple[int, ...]


class OraclePolicy:
    """Re-solves at arrivals, ends and changes of phase or cooling; equal situations once."""

    name = "oracle"

    def __init__(self, simulated: SimulatedBoard, *, move_k: float = MOVE_K) -> None:
        """For the board that it will steer."""
        self._simulated = simulated
        self._move_k = move_k
        self._moved_s: float | None = None
        self._look_at(simulated.cooling)

    def migrate(self, observation: Observation) -> tuple[Migration, ...]:
        """All moves to the best mapping."""
        apps = self._apps()
        self._next = self._best(apps)
        self._moved_s = observation.time_s
        return tuple(
            Migration(app.id, cores)
            for app, cores in zip(apps, self._next.placement, strict=True)
            if app.cores != cores
        )

    def scale(self, observation: Observation) -> tuple[int, ...]:
        """The operating points of the decision just made, else the least for where everybody is."""
        if observation.time_s == self._moved_s:
            return self._next.opp_index
        apps = self._apps()
        situation = _situation(apps)
        if situation in self._solved:
            decided = self._solved[situation]
            if decided.placement == tuple(app.cores for app in apps):
                return decided.opp_index
        if situation not in self._opps:
            placement = tuple(app.cores for app in apps)
            self._opps[situation] = self._models.least_opps(apps, placement)
        return self._opps[situation]

    def _best(self, apps: list[Wanted]) -> _Decided:
        situation = _situation(apps)
        if situation not in self._solved:
            found = self._search.solve(apps)
            decided = _Decided(found.placement, found.opp_index)
            self._solved[situation] = decided
            # Who is where he should be need not move: moving there would have paid at once.
            self._solved[_moved(situation, found.placement)] = decided
        return self._solved[situation]

    def _look_at(self, cooling: CoolingSetup) -> None:
        """Start anew with the models under a cooling setup."""
        self._cooling = cooling
        self._models = WhatIf(self._simulated.board, cooling)
        self._search = JointSearch(self._models, move_k=self._move_k)
        self._solved: dict[_Situation, _Decided] = {}
        self._opps: dict[_Situation, tuple[int, ...]] = {}

    def _apps(self) -> list[Wanted]:
        if self._simulated.cooling is not self._cooling:
            self._look_at(self._simulated.cooling)
        return [
            Wanted(
                app.job.id,
                app.job.profile,
                app.phase,
                app.job.target_ips,
                app.job.threads,
                app.cores,
            )
            for app in self._simulated.running
        ]


def _situation(apps: list[Wanted]) -> _Situation:
    return tuple((app.id, app.phase, app.cores) for app in apps)


def _moved(situation: _Situation, placement: Placement) -> _Situation:
    pairs = zip(situation, placement, strict=True)
    return tuple((number, phase, cores) for (number, phase, _), cores in pairs)


def make(context: PolicyContext) -> OraclePolicy:
    """The oracle policy; InvalidInput on anything but a simulated board."""
    if not isinstance(context.platform, SimulatedBoard):
        raise InvalidInput("policy oracle needs a simulated board: it reads what no sensor shows")
    return OraclePolicy(context.platform)
