"""The oracle as a policy: it sees the truth and solves the joint search whenever something changes.

It reads what no governor can (profiles, phases, the thermal model), so it runs on the simulated
board only. It is the yardstick of the others: an application whose target it misses could not be
served.
"""

from oracle.joint import JointSearch
from oracle.whatif import Placement, Wanted, WhatIf
from platforms.errors import InvalidInput
from platforms.platform import Migration, Observation
from platforms.simulated.simulated_board import SimulatedBoard
from rm.policies.registry import PolicyContext

_Key = tuple[tuple[int, int], ...]


class OraclePolicy:
    """Re-solves at arrivals, ends and changes of phase; equal situations are solved once."""

    name = "oracle"

    def __init__(self, simulated: SimulatedBoard) -> None:
        """For the board that it will steer."""
        self._simulated = simulated
        self._models = WhatIf(simulated.board, simulated.cooling)
        self._search = JointSearch(self._models)
        self._placements: dict[_Key, Placement] = {}
        self._opps: dict[tuple[_Key, Placement], tuple[int, ...]] = {}

    def migrate(self, observation: Observation) -> tuple[Migration, ...]:
        """All moves to the best mapping."""
        apps = self._apps()
        key = _key(apps)
        if key not in self._placements:
            self._placements[key] = self._search.solve(apps).placement
        best = self._placements[key]
        return tuple(
            Migration(app.id, cores)
            for app, cores in zip(apps, best, strict=True)
            if app.cores != cores
        )

    def scale(self, observation: Observation) -> tuple[int, ...]:
        """The least operating points for the present mapping."""
        apps = self._apps()
        placement = tuple(app.cores for app in apps)
        key = (_key(apps), placement)
        if key not in self._opps:
            self._opps[key] = self._models.least_opps(apps, placement)
        return self._opps[key]

    def _apps(self) -> list[Wanted]:
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


def _key(apps: list[Wanted]) -> _Key:
    return tuple((app.id, app.phase) for app in apps)


def make(context: PolicyContext) -> OraclePolicy:
    """The oracle policy; InvalidInput on anything but a simulated board."""
    if not isinstance(context.platform, SimulatedBoard):
        raise InvalidInput("policy oracle needs a simulated board: it reads what no sensor shows")
    return OraclePolicy(context.platform)
