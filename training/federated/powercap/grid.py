"""All cells: a board, a network, a learning-rate rule and a cap, with what each method took.

Times are those of the mode run on the simulated board, times the samples that the *target* takes
with the mode's batch. The optimum is the least of all modes under the cap, every one of them run.
"""

import statistics
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import inf

import numpy as np
from msgspec import Struct

from platforms.board import Board
from platforms.training_work import BATCH, TrainingFile, TrainingWork
from rm.planner.capability import Capability, modelled_capability
from rm.planner.mode_table import ModeTable, mode_table
from training.federated.powercap.chosen import METHODS, Modes, choose
from training.federated.powercap.counting import Counted
from training.federated.powercap.curves import curve_of, proxy_seeds
from training.federated.powercap.simulated import Bench, Ran, run_mode

OPTIMUM = "optimum"


class Taken(Struct, frozen=True, kw_only=True):
    """What a method took and what came of it.

    `times_s` by the target's seeds, `mean_s` their mean, `energy_j` for the mean; infinite where
    the target does not get there with some seed (null in JSON). `mean_w` is the SoC's power above
    an idle board's, as simulated.
    """

    batch: int
    unit: str
    cores: int
    freq_hz: int
    times_s: tuple[float, ...]
    mean_s: float
    energy_j: float
    mean_w: float
    throttled: bool


class Cell(Struct, frozen=True, kw_only=True):
    """A cap (W, and as a share of the way from the least to the highest peak) with all methods.

    `proxy_seeds` is how often the proxy was trained with each batch, for what the methods know.
    None: a method has no mode under the cap. The optimum is None where no mode under the cap ever
    brings the target to its goal.
    """

    board: str
    units: tuple[str, ...]
    training: str
    rule: str
    proxy_seeds: int
    cap_w: float
    cap_share: float
    taken: dict[str, Taken | None]

    def regret(self, method: str) -> float | None:
        """By what share of the optimum's time a method takes longer.

        Infinite where it never gets there though one can; None where nothing does.
        """
        mine, best = self.taken[method], self.taken[OPTIMUM]
        if best is None:
            return None
        return mine.mean_s / best.mean_s - 1.0 if mine else inf


@dataclass(frozen=True)
class _Truth:
    """All modes of a job, those too that the proxy would leave out, as they ran."""

    board: Board
    table: ModeTable
    batch: tuple[int, ...]
    ran: tuple[Ran, ...]

    def taken(self, mode: int | None, rule: Counted) -> Taken | None:
        """What comes of a mode."""
        if mode is None:
            return None
        table, ran, batch = self.table, self.ran[mode], self.batch[mode]
        mean_s = ran.sample_s * statistics.mean(rule.target[batch])
        name, freqs_hz = _unit(self.board, int(table.unit[mode]))
        above_idle_w = ran.mean_w - ran.idle_w
        return Taken(
            batch=batch,
            unit=name,
            cores=int(table.cores[mode]),
            freq_hz=freqs_hz[int(table.opp[mode])],
            times_s=tuple(ran.sample_s * samples for samples in rule.target[batch]),
            mean_s=mean_s,
            energy_j=above_idle_w * mean_s,
            mean_w=above_idle_w,
            throttled=ran.throttled,
        )

    def optimum(self, rule: Counted, cap_w: float) -> int | None:
        """The least time of all modes under the cap, with the target's samples."""
        times_s = [
            one.sample_s * statistics.mean(rule.target[batch]) if peak_w <= cap_w else inf
            for one, batch, peak_w in zip(self.ran, self.batch, self.table.peak_w, strict=True)
        ]
        best = int(np.argmin(times_s))
        return best if times_s[best] < inf else None


def cells_of(
    board: Board,
    training: TrainingFile,
    counted: Sequence[Counted],
    *,
    cooling: str,
    cap_shares: Sequence[float],
) -> Iterator[Cell]:
    """The cells of one board and network."""
    works = whole_network(training)
    truth = _truth(board, cooling, works)
    lowest_w, highest_w = float(truth.table.peak_w.min()), float(truth.table.peak_w.max())
    for rule in counted:
        modes, rows = _planned(board, works, rule, truth)
        for share in cap_shares:
            cap_w = lowest_w + share * (highest_w - lowest_w)
            found = {name: choose(name, modes, cap_w) for name in METHODS}
            taken = {
                name: truth.taken(None if mode is None else rows[mode], rule)
                for name, mode in found.items()
            }
            taken[OPTIMUM] = truth.taken(truth.optimum(rule, cap_w), rule)
            yield Cell(
                board=board.name,
                units=units_of(board),
                training=training.name,
                rule=rule.rule,
                proxy_seeds=proxy_seeds(rule),
                cap_w=cap_w,
                cap_share=share,
                taken=taken,
            )


def _truth(board: Board, cooling: str, works: Sequence[TrainingWork]) -> _Truth:
    """Run every mode."""
    bench = Bench(board, cooling, works)
    table = mode_table(board, on_units(board, modelled_capability(board, works, None)))
    return _Truth(
        board=board,
        table=table,
        batch=tuple(works[setting].batch for setting in table.setting),
        ran=tuple(run_mode(bench, table, mode) for mode in range(len(table))),
    )


def _planned(
    board: Board, works: Sequence[TrainingWork], rule: Counted, truth: _Truth
) -> tuple[Modes, Sequence[int]]:
    """What the methods know: the modes that the proxy gets there with; their rows in the truth."""
    proxy = curve_of(rule.proxy)
    kept = [x for x, work in enumerate(works) if work.batch in proxy.batches]
    capability = modelled_capability(board, [works[x] for x in kept], proxy)
    table = mode_table(board, on_units(board, capability))
    batch = np.array([works[kept[setting]].batch for setting in table.setting])
    rows = [int(row) for x in kept for row in np.flatnonzero(truth.table.setting == x)]
    return Modes(table, batch), rows


def whole_network(training: TrainingFile) -> list[TrainingWork]:
    """The settings that differ from the first by their batch alone: the curve is of these."""
    first = _others(training.works[0])
    return [work for work in training.works if _others(work) == first]


def units_of(board: Board) -> tuple[str, ...]:
    """Where the study trains: on the board's accelerators, or on its clusters if it has none."""
    accelerators = tuple(one.name for one in board.compute_accelerators)
    return accelerators or tuple(cluster.name for cluster in board.clusters)


def on_units(board: Board, capability: Capability) -> Capability:
    """The part of a capability that the study trains on."""
    units = units_of(board)
    kept = [x for x, place in enumerate(capability.places) if place.unit in units]

    def cut(rows: tuple[tuple[float, ...], ...]) -> tuple[tuple[float, ...], ...]:
        return tuple(tuple(row[x] for x in kept) for row in rows)

    return Capability(
        settings=capability.settings,
        places=tuple(capability.places[x] for x in kept),
        sample_s=cut(capability.sample_s),
        peak_w=cut(capability.peak_w),
        mean_w=cut(capability.mean_w),
        bytes_per_sample=capability.bytes_per_sample,
        curve=capability.curve,
        origin=capability.origin,
    )


def _others(work: TrainingWork) -> dict[str, float]:
    return {name: value for name, value in work.knobs.items() if name != BATCH}


def _unit(board: Board, unit: int) -> tuple[str, tuple[int, ...]]:
    """A unit of a table of modes: its name and frequencies."""
    if unit < len(board.clusters):
        return board.clusters[unit].name, board.clusters[unit].freqs_hz
    accelerator = board.accelerators[unit - len(board.clusters)]
    return accelerator.name, accelerator.freqs_hz
