"""Speeds of all programs in measurements, and how wrong the model is on what it has not seen.

Three questions. *By clock*: each program's time at a clock that its fit did not see. *From two
clocks*: a program that was measured at two clocks only. *By program*: one that was seen at one
clock; its counters there are compared with those of all other programs (`stall_predictor`).
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from traces.calibration.speed import (
    SpeedFit,
    Speeds,
    errors_at_held_out_clocks,
    errors_from_two_clocks,
    fit_speed,
)
from traces.calibration.stall_predictor import StallPredictor, relative_time
from traces.measurements import matrix

Vector = NDArray[np.float64]

_IDLE = "idle"
_CLOCKS_FOR_A_FIT = 3


@dataclass(frozen=True)
class ProgramSpeeds:
    """One program with a number of instances on one cluster.

    `speeds` has one row per clock, lowest first; `events_per_cycle` (clocks, E) is empty where
    nothing was counted; `events` names its columns.
    """

    application: str
    instances: int
    speeds: Speeds
    events_per_cycle: NDArray[np.float64]
    events: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """How reports call it.

        >>> one = Speeds(np.array([1e9]), np.array([1e-9]))
        >>> ProgramSpeeds("fft", 2, one, np.zeros((1, 0))).name
        'fft x2'
        """
        return f"{self.application} x{self.instances}" if self.instances > 1 else self.application


@dataclass(frozen=True)
class ProgramStudy:
    """A program's fit to all its clocks, and its relative errors where it was not seen.

    `by_clock` has one error per clock, `from_two_clocks` one per clock but two (empty for fewer
    than four clocks), `by_program` one per clock but the reference's; that is empty where the
    program was not measured there or nothing was counted.
    """

    program: ProgramSpeeds
    fit: SpeedFit
    by_clock: Vector
    from_two_clocks: Vector
    by_program: Vector


@dataclass(frozen=True)
class SpeedStudy:
    """All programs of a cluster; `reference_hz` is the only clock of the held-out programs."""

    cluster: int
    reference_hz: float
    programs: tuple[ProgramStudy, ...]

    @property
    def median_by_clock(self) -> float:
        """The median of all absolute errors at clocks that were held out; NaN where none are."""
        return _median(study.by_clock for study in self.programs)

    @property
    def median_from_two_clocks(self) -> float:
        """The median of all absolute errors of programs seen at two clocks; NaN where none are."""
        return _median(study.from_two_clocks for study in self.programs)

    @property
    def median_by_program(self) -> float:
        """The median of all absolute errors of programs that were held out; NaN where none are."""
        return _median(study.by_program for study in self.programs)


def program_speeds(
    table: pa.Table, cluster: int, *, slowest_hz: float = 0.0
) -> tuple[ProgramSpeeds, ...]:
    """The programs that ran on `cluster` alone, by name and instances; idle ones are left out.

    The time per instruction is cycles over instructions over the clock, or, where cycles were not
    counted, instances over rate (work in the program's own units where instructions were not
    counted either). Clocks below `slowest_hz` are left out.
    """
    events = [name for name in table.column_names if name.startswith("counter.")]
    freq_hz = matrix(table, "freq_hz")[:, cluster].astype(float)
    keep = (
        (table["cluster"].to_numpy() == cluster)
        & (freq_hz >= max(slowest_hz, 1.0))
        & pc.not_equal(table["application"], _IDLE).to_numpy()
    )
    part = table.filter(pa.array(keep))
    freq_hz = freq_hz[keep]
    names = np.asarray(part["application"].to_pylist(), object)
    instances = np.maximum(part["instances"].to_numpy(), 1)
    counted = {name: _totals(part, name) for name in ("cycles_per_s", "instructions_per_s")}
    work, weights = _totals(part, "work_per_s"), _weights(part)
    columns = ["instructions_per_s", "l2d_per_s", *events]
    per_event = [_totals(part, name) for name in columns]
    found = []
    for name, count in sorted({(str(n), int(i)) for n, i in zip(names, instances, strict=True)}):
        of_program = (names == name) & (instances == count)
        rows = [
            _at_one_clock(
                of_program & (freq_hz == clock), clock, count * weights, counted, work, per_event
            )
            for clock in np.unique(freq_hz[of_program])
        ]
        known = [row for row in rows if row is not None]
        if known:
            clocks, times, per_cycle = (np.array(column) for column in zip(*known, strict=True))
            told = np.isfinite(per_cycle).all(axis=0)
            known_events = tuple(np.array(columns)[told].tolist())
            speeds = Speeds(clocks, times)
            found.append(ProgramSpeeds(name, count, speeds, per_cycle[:, told], known_events))
    return tuple(found)


def study_speeds(programs: Sequence[ProgramSpeeds], cluster: int) -> SpeedStudy:
    """Fit every program that was measured at three clocks or more, and hold out all in turn.

    The reference is the clock nearest to the middle of those at which the programs ran.
    """
    fitted = [p for p in programs if p.speeds.clocks >= _CLOCKS_FOR_A_FIT]
    clocks = np.unique(np.concatenate([p.speeds.freq_hz for p in fitted] or [np.ones(1)]))
    reference_hz = float(clocks[np.abs(clocks - clocks.mean()).argmin()])
    by_program = _errors_of_held_out_programs(fitted, reference_hz)
    studies = [
        ProgramStudy(
            program,
            fit_speed(program.speeds),
            errors_at_held_out_clocks(program.speeds),
            _from_two_clocks(program.speeds),
            errors,
        )
        for program, errors in zip(fitted, by_program, strict=True)
    ]
    return SpeedStudy(cluster, reference_hz, tuple(studies))


def _from_two_clocks(speeds: Speeds) -> Vector:
    return errors_from_two_clocks(speeds) if speeds.clocks >= 4 else np.array([])


def _errors_of_held_out_programs(
    programs: Sequence[ProgramSpeeds], reference_hz: float
) -> list[Vector]:
    """Each program's errors at all clocks but the reference; empty where it was not seen there.

    All instances of a program are held out together.
    """
    at = [np.flatnonzero(p.speeds.freq_hz == reference_hz) for p in programs]
    width = min((p.events_per_cycle.shape[1] for p in programs), default=0)
    usable = np.array([len(where) > 0 and width > 0 for where in at], bool)
    events = np.array(
        [p.events_per_cycle[w[0], :width] for p, w in zip(programs, at, strict=True) if len(w)]
    ).reshape(int(sum(map(len, at))), width)
    position = np.cumsum([len(w) for w in at]) - 1
    share = np.array([fit_speed(p.speeds, terms=2).stall_share(reference_hz) for p in programs])
    names = np.array([p.application for p in programs])
    errors = []
    for i, program in enumerate(programs):
        known = usable & (names != program.application)
        if not usable[i] or known.sum() < 2:
            errors.append(np.array([]))
            continue
        predictor = StallPredictor.fit(events[position[known]], share[known])
        told = predictor.stall_share(events[position[i]][None, :])
        seen, clocks = program.speeds.s_per_instruction, program.speeds.freq_hz
        predicted = seen[at[i][0]] * relative_time(told, clocks, reference_hz)[0]
        errors.append((predicted / seen - 1.0)[clocks != reference_hz])
    return errors


def _at_one_clock(
    rows: NDArray[np.bool_],
    clock: float,
    core_s: Vector,
    counted: dict[str, Vector],
    work: Vector,
    events: Sequence[Vector],
) -> tuple[float, float, list[float]] | None:
    """Clock, time per instruction, events per cycle; None where the rows do not tell the time.

    `core_s` is how long cores ran for in each row, where nobody counted their cycles.
    """
    cycles, instructions = (counted[n][rows].sum() for n in ("cycles_per_s", "instructions_per_s"))
    if cycles > 0 and instructions > 0:
        per_cycle = [float(event[rows].sum() / cycles) for event in events]
        return clock, float(cycles / instructions / clock), per_cycle
    progress = instructions if instructions > 0 else work[rows].sum()
    if not progress > 0:
        return None
    return clock, float(core_s[rows].sum() / progress), [float("nan")] * len(events)


def _weights(table: pa.Table) -> Vector:
    """How long each row's window is, so that sums of rates are totals; 1 where nobody knows."""
    window_s = np.asarray(table["window_s"].to_numpy(), float)
    return np.where(window_s > 0, window_s, 1.0)


def _totals(table: pa.Table, column: str) -> Vector:
    return np.asarray(table[column].to_numpy(zero_copy_only=False) * _weights(table), float)


def _median(errors: Iterable[Vector]) -> float:
    together = np.concatenate([np.abs(part) for part in errors] or [np.array([])])
    return float(np.median(together)) if len(together) else float("nan")
