"""Linux's Energy-Aware Scheduling with schedutil, and the same with the power allocator above.

`eas-schedutil` is the HiKey 970's stock: its kernel (4.9, vendor tree) is configured with EAS,
schedutil and the power allocator, which `eas-schedutil-ipa` adds. Modelled is mainline as its
documentation describes it (Documentation/scheduler/sched-energy.rst, schedutil.rst,
sched-capacity.rst; kernel/sched/fair.c of Linux 6); the vendor's WALT window tracking and
schedtune boosts are not. The parts:

- `pelt`, `run_queues`: utilisation of tasks and cores. Kernels know no QoS target.
- `energy_model`, `energy_aware`: placement by energy, while no core is over-utilised.
- `load_balance`: placement by capacity as soon as one is.
- `schedutil`: operating points from utilisation.
- `power_allocator`: caps from the sensor. The board's own protection (step_wise) stays below it.

Time scales differ: the kernel acts at every wake-up and tick (1 to 4 ms), these policies once a
round, by default every 50 ms for operating points and 500 ms for placement. So frequencies ramp up
more slowly here (a few rounds instead of tens of milliseconds), a crowded core waits up to half a
second for help, and what happens between two rounds is seen as a mean.

Applications that compute all the time, as the simulated board's do, use 100 % of their core at any
frequency: every core that runs one is over-utilised, EAS is off, and schedutil goes to the top.
This is what sched-energy.rst says of long CPU-bound tasks (section 5), not a fault of the model.

Applications of several threads move as a whole, to a cluster with room for every thread
(`eas_teams`).
"""

from platforms.board import Board
from platforms.errors import InvalidInput
from platforms.platform import Migration, Observation
from rm.policies.eas_teams import after, cheapest, pulled
from rm.policies.energy_aware import overutilised, placements
from rm.policies.energy_model import EnergyModel
from rm.policies.load_balance import balanced
from rm.policies.power_allocator import PowerAllocator
from rm.policies.registry import PolicyContext
from rm.policies.run_queues import Landscape, RunQueues
from rm.policies.schedutil import opps_for


class EasSchedutil:
    """The stock scheduler and cpufreq governor; with the power allocator where `ipa`."""

    def __init__(self, board: Board, *, ipa: bool = False) -> None:
        """Raises InvalidInput for `ipa` on a board without a [protection] section."""
        self.name = "eas-schedutil-ipa" if ipa else "eas-schedutil"
        self._board = board
        self._model = EnergyModel.of(board)
        self._queues = RunQueues(board, self._model)
        self._allocator = _allocator(board, self._model) if ipa else None
        self._caps = board.highest_opps
        self._followed_s: float | None = None
        self._landscape = Landscape((), (), ())

    def migrate(self, observation: Observation) -> tuple[Migration, ...]:
        """By energy below the tipping point, by capacity above it."""
        self._follow(observation)
        pairs = zip(self._caps, observation.opp_cap, strict=True)
        capacity = self._model.capped_capacity([min(pair) for pair in pairs])
        by_energy = self._model.asymmetric and not overutilised(self._landscape.core_util, capacity)
        place, place_teams = (placements, cheapest) if by_energy else (balanced, pulled)
        moves = place(self._model, self._landscape, capacity)
        migrations = [Migration(task, (core,)) for task, core in moves]
        if self._landscape.teams:
            left = after(self._landscape, moves)
            teams = place_teams(self._model, left, capacity)
            migrations += [Migration(team, cores) for team, cores in teams]
        return tuple(migrations)

    def scale(self, observation: Observation) -> tuple[int, ...]:
        """As schedutil asks, within the power allocator's caps."""
        self._follow(observation)
        wanted = opps_for(self._board, self._model, self._landscape.core_util)
        return tuple([min(pair) for pair in zip(wanted, self._caps, strict=True)])

    def _follow(self, observation: Observation) -> None:
        """Take in an observation, once, whichever loop brings it first."""
        if observation.time_s == self._followed_s:
            return
        self._followed_s = observation.time_s
        self._landscape = self._queues.follow(observation)
        if self._allocator is not None:
            self._caps = self._allocator.update(observation, self._landscape.core_util)


def _allocator(board: Board, model: EnergyModel) -> PowerAllocator:
    if board.protection is None:
        raise InvalidInput(
            "eas-schedutil-ipa needs a board with a [protection] section, for its trips and "
            f"sustainable power (got {board.name}, which has none); use eas-schedutil"
        )
    return PowerAllocator(board, model, board.protection)


def make_schedutil(context: PolicyContext) -> EasSchedutil:
    """EAS with schedutil."""
    return EasSchedutil(context.board)


def make_schedutil_ipa(context: PolicyContext) -> EasSchedutil:
    """The same within the power allocator's caps."""
    return EasSchedutil(context.board, ipa=True)
