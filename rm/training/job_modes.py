"""The modes of one job: as measured, within what the job allows, where others raise the clock."""

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from platforms.board import Board
from platforms.simulated.power import PowerModel
from rm.planner.mode_table import ModeTable, mode_table
from rm.planner.modes import effective_progress
from rm.training.job import Job
from rm.training.measured_pace import MeasuredPace, Place

Ints = NDArray[np.int64]

ENOUGH_BYTES = 1e300
"""More than any memory; modes that a job does not allow need infinitely much."""


class JobModes:
    """What can be granted to a job. `pace` listens to how it goes."""

    def __init__(self, board: Board, job: Job) -> None:
        """By the job's tables, without those modes that pass what it allows training to take."""
        self._board = board
        table = mode_table(board, job.capability)
        limit_w = math.inf if job.limits.power_w is None else job.limits.power_w
        limit_b = ENOUGH_BYTES if job.limits.memory_bytes is None else job.limits.memory_bytes
        self._allowed = (table.peak_w <= limit_w) & (table.memory_bytes <= limit_b)
        self._declared = replace(
            table, memory_bytes=np.where(self._allowed, table.memory_bytes, math.inf)
        )
        self._row_at = _rows(board, table)
        self._settings = job.capability.settings
        self.pace = MeasuredPace()
        self.table = self._declared

    def refresh(self) -> ModeTable:
        """The table by all that was measured."""
        self.table = self.pace.corrected(self._declared)
        return self.table

    def running(self, mode: int, opps: Sequence[int], cores: int | None = None) -> int:
        """The mode that this one is where its cluster is faster, for others, or cores are fewer.

        Where the tables do not hold that one, it is the mode itself.
        """
        table = self.table
        unit, opp = int(table.unit[mode]), int(table.opp[mode])
        if unit < table.clusters:
            opp = max(opp, opps[unit])
        count = int(table.cores[mode]) if cores is None else cores
        row = self.find(int(table.setting[mode]), unit, count, opp)
        return mode if row is None else row

    def find(self, setting: int, unit: int, cores: int, opp: int) -> int | None:
        """The mode of a grant, None where the tables do not hold it."""
        row = int(self._row_at[setting, unit, cores, opp])
        return None if row < 0 else row

    def place(self, mode: int) -> Place:
        """Its unit and number of cores."""
        return int(self.table.unit[mode]), int(self.table.cores[mode])

    def words(self, mode: int) -> str:
        """A mode, for the log."""
        unit, cores = self.place(mode)
        places = [(one.name, one.freqs_hz) for one in self._board.clusters]
        places += [(one.name, one.freqs_hz) for one in self._board.accelerators]
        name, freqs_hz = places[unit]
        where = f"{cores} cores of {name}" if cores else name
        knobs = self._settings[int(self.table.setting[mode])].knobs
        values = ", ".join(f"{key} {value:g}" for key, value in knobs.items())
        return f"on {where} at {freqs_hz[int(self.table.opp[mode])] / 1e6:.0f} MHz with {values}"

    def expected_per_s(self, mode: int, memory_load: float) -> float:
        """The samples/s that the job's own tables promise while others load the memory."""
        table = self._declared
        progress = self._progress(table, mode, memory_load)
        return progress * float(table.samples_to_goal[mode] / table.samples_to_goal[0])

    def progress_per_s(self, mode: int, memory_load: float) -> float:
        """The reference samples/s to be expected by what was measured."""
        return self._progress(self.table, mode, memory_load)

    def cooler(self, mode: int, cap_w: float, opps: Sequence[int]) -> int | None:
        """The fastest of the modes on cores of this one that take less and no more than `cap_w`.

        Their clusters are at `opps` at least. None where there is none: it has to pause.
        """
        table, rows = self.table, self._no_larger(mode)
        runs = self._running(rows, opps)
        fits = table.mean_w[runs] <= min(cap_w, self.mean_w(mode, opps))
        if not fits.any():
            return None
        progress = np.where(fits, table.progress_per_s[runs], -math.inf)
        return int(rows[np.argmax(progress)])

    def activity(self, power: PowerModel, mode: int) -> float:
        """What its cores switch, relative to the board's busy power; 0 on an accelerator."""
        table = self.table
        unit, cores, opp = int(table.unit[mode]), int(table.cores[mode]), int(table.opp[mode])
        if unit >= table.clusters:
            return 0.0
        own_w = (float(table.mean_w[mode]) - power.cluster_shared_w(unit, opp)) / cores
        share = (own_w - power.core_leakage_w(unit, opp)) / power.core_dynamic_w(unit, opp)
        return min(max(share, 0.0), 1.0)

    def mean_w(self, mode: int, opps: Sequence[int]) -> float:
        """What it takes where the clusters are at `opps` at least."""
        return float(self.table.mean_w[self.running(mode, opps)])

    def least_w(self, mode: int, opps: Sequence[int]) -> float:
        """What the coolest of the modes on cores of this one takes, at `opps` at least."""
        return float(self.table.mean_w[self._running(self._no_larger(mode), opps)].min())

    def _no_larger(self, mode: int) -> Ints:
        """The modes of the same unit that need no more cores and no higher clock than this one."""
        table = self.table
        among = self._allowed & (table.unit == table.unit[mode])
        among &= (table.cores <= table.cores[mode]) & (table.opp <= table.opp[mode])
        return np.flatnonzero(among)

    def _running(self, rows: Ints, opps: Sequence[int]) -> Ints:
        """`running` of many modes."""
        table = self.table
        lowest = np.zeros(self._row_at.shape[1], dtype=np.int64)
        lowest[: table.clusters] = opps
        unit = table.unit[rows]
        opp = np.maximum(table.opp[rows], lowest[unit])
        found = self._row_at[table.setting[rows], unit, table.cores[rows], opp]
        return np.where(found < 0, rows, found)

    def _progress(self, table: ModeTable, mode: int, memory_load: float) -> float:
        bandwidth = self._board.memory.bandwidth_bytes_per_s
        return float(effective_progress(table, memory_load, bandwidth)[mode])


def _rows(board: Board, table: ModeTable) -> Ints:
    """The row of a mode by setting, unit, number of cores and operating point; -1: no such mode."""
    units = [len(cluster.opps) for cluster in board.clusters]
    units += [len(accelerator.freqs_hz) for accelerator in board.accelerators]
    most_cores = max(len(cluster.cores) for cluster in board.clusters)
    shape = (int(table.setting.max()) + 1, len(units), most_cores + 1, max(units))
    rows = np.full(shape, -1, dtype=np.int64)
    rows[table.setting, table.unit, table.cores, table.opp] = np.arange(len(table))
    return rows
