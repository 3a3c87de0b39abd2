"""A mode on the simulated board: samples per second and watts of a job that has it to itself."""

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from msgspec import Struct

from platforms.board import Board
from platforms.platform import Decision, TrainingGrant
from platforms.simulated.simulated_board import SimulatedBoard
from platforms.simulated.training import SimulatedTraining
from platforms.training_work import TrainingWork
from rm.planner.mode_table import ModeTable

RUN_S = 30.0
"""Simulated time that is measured, after the board has settled (chosen: nothing changes then)."""
_PLENTY = 1e12


class Ran(Struct, frozen=True):
    """Seconds per sample and mean power of the SoC (W) as they ran.

    `mean_w` holds the rest of the SoC (idle cores, clusters) too, which a capability leaves out;
    `idle_w` is what the board takes with nothing to do. `throttled` says whether the kernel's
    thermal protection stepped in.
    """

    sample_s: float
    mean_w: float
    idle_w: float
    throttled: bool


class Bench:
    """One board under one cooling setup with one job; modes are run once each."""

    def __init__(self, board: Board, cooling: str, works: Sequence[TrainingWork]) -> None:
        """`works` are the job's settings."""
        self._board, self._cooling, self._works = board, cooling, tuple(works)
        self.run = lru_cache(maxsize=None)(self._run)

    def _run(self, setting: int, unit: int, cores: int, opp: int) -> Ran:
        board = self._board
        simulated = SimulatedBoard(
            board,
            cooling=board.cooling_named(self._cooling),
            rng=np.random.default_rng(0),
            training=[SimulatedTraining(id=1, name="job", works=self._works)],
        )
        simulated.settle()
        idle_w = float(simulated.power_w.sum())
        simulated.give_work(1, _PLENTY)
        simulated.apply(decision_of(board, setting, unit, cores, opp))
        simulated.settle()
        start, energy_j = simulated.training[0].samples, simulated.energy_j
        simulated.advance_to(simulated.now_s + RUN_S)
        done = simulated.training[0].samples - start
        return Ran(
            sample_s=RUN_S / done,
            mean_w=(simulated.energy_j - energy_j) / RUN_S,
            idle_w=idle_w,
            throttled=simulated.throttled_s > 0.0,
        )


def run_mode(bench: Bench, table: ModeTable, mode: int) -> Ran:
    """Run a row of a table of modes, whose settings are numbered as the bench's."""
    rows = (table.setting, table.unit, table.cores, table.opp)
    return bench.run(*(int(row[mode]) for row in rows))


def decision_of(board: Board, setting: int, unit: int, cores: int, opp: int) -> Decision:
    """The decision that puts a job there; clusters that it does not use stay at their lowest."""
    opps = list(board.lowest_opps)
    if unit < len(board.clusters):
        opps[unit] = opp
        on = board.clusters[unit].cores[:cores]
        grant = TrainingGrant(job_id=1, setting=setting, cores=on)
        return Decision(opp_index=tuple(opps), grants=(grant,))
    accelerator = board.accelerators[unit - len(board.clusters)]
    clocks = [
        opp if one is accelerator else None
        for one in board.accelerators
        if one.compute is not None and one.opps
    ]
    grant = TrainingGrant(job_id=1, setting=setting, cores=(), accelerator=accelerator.name)
    return Decision(opp_index=tuple(opps), grants=(grant,), accelerator_opp=tuple(clocks))
