"""The runs that the oracle searches: of a recording, or taken from measurements of a machine.

Measurements (`traces.measurements`) become traces without a model: per program, the runs of one
instance with nothing beside it, on the one cluster that it ran on, at clocks that the board has.
"""

import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from msgspec import Struct
from numpy.typing import NDArray

from platforms.board import Board
from platforms.errors import InvalidInput
from traces.measurement_check import holds_measurements
from traces.measurements import matrix, read_measurements
from traces.schema import MeasurementMetadata, board_digest
from traces.store import arrow_schema, read_table

Vector = NDArray[np.float64]

_SAME_CLOCK = 0.01
"""A clock is one of the board's where it is this near to it: meters round."""

_IS_ALONE = 0.9
"""A core with this share of its cluster's work is the one that the program ran on."""

_FROM = 0.5
"""Of a run with several rows those that end after this share of its time count: it warms up."""


class _Run(Struct, frozen=True):
    """One run's means."""

    application: str
    core: int
    opps: tuple[int, ...]
    row: dict[str, Any]


def read_runs(path: Path, board: Board, *, sensor: str | None) -> tuple[pa.Table, dict[str, Any]]:
    """The runs and their metadata as of kind "traces"; `sensor` is the one of measurements to take.

    Raises InvalidInput for a file of neither kind, of another board, or without a run to use.
    """
    if not holds_measurements(path):
        if sensor is not None:
            raise InvalidInput(f"--sensor is for measurements; {path} must hold some")
        return read_table(path, kind="traces")
    table, about = read_measurements(path)
    place = _checked(path, board, about, sensor)
    runs = list(_runs(board, _Table(table, about, place)))
    if not runs:
        raise InvalidInput(
            f"{path}: measurements must hold runs of one instance on one known cluster, at known "
            "clocks of the board, with instructions, L2 accesses and a temperature (got none)"
        )
    metadata = {
        "board": board.name,
        "board_sha256": board_digest(board),
        "cooling": about.cooling or "as measured",
        "sensor": about.sensors[place],
        "opps_hz": [list(cluster.freqs_hz) for cluster in board.clusters],
        "seed": 0,
        "plan_sha256": "",
    }
    return _traces(board, runs), metadata


def _checked(path: Path, board: Board, about: MeasurementMetadata, sensor: str | None) -> int:
    """Where in the lists the sensor is."""
    if about.board != board.name:
        raise InvalidInput(f"{path}: board must be {board.name!r} (got {about.board!r})")
    clusters = tuple(cluster.name for cluster in board.clusters)
    if about.clusters != clusters:
        raise InvalidInput(
            f"{path}: clusters must be {', '.join(clusters)} as on board {board.name} "
            f"(got {', '.join(about.clusters)}); import with --board {board.name}"
        )
    wanted = sensor or board.sensors[0].name
    if wanted in about.sensors:
        return about.sensors.index(wanted)
    if sensor is None and len(about.sensors) == 1:
        return 0
    raise InvalidInput(
        f"--sensor must be one of {', '.join(about.sensors) or 'none: the file has none'} "
        f"(got {wanted!r})"
    )


class _Table:
    """The columns of measurements that count, as arrays."""

    def __init__(self, table: pa.Table, about: MeasurementMetadata, sensor: int) -> None:
        def floats(name: str) -> Vector:
            values: Vector = table[name].to_numpy(zero_copy_only=False).astype(float)
            return values

        self.about = about
        self.ends_s = floats("time_s") + floats("window_s")
        self.window_s = floats("window_s")
        self.means = {
            "rate_ips": floats("instructions_per_s"),
            "l2d_per_s": floats("l2d_per_s"),
            "temp_c": matrix(table, "temp_c")[:, sensor],
        }
        self.freq_hz = matrix(table, "freq_hz")
        self.core_utilisation = matrix(table, "core_utilisation")
        self.is_one = table["instances"].to_numpy() == 1
        self.cluster = table["cluster"].to_numpy()
        self.applications = table["application"].to_pylist()
        names = table["run"].to_numpy(zero_copy_only=False)
        starts = np.flatnonzero(np.r_[True, names[1:] != names[:-1]])
        self.borders = [*starts.tolist(), len(names)]


def _runs(board: Board, table: _Table) -> Iterator[_Run]:
    """The means of every usable run, in the order of the file."""
    for start, end in itertools.pairwise(table.borders):
        if table.is_one[start] and table.cluster[start] >= 0:
            run = _run(board, table, start, end)
            if run is not None:
                yield run


def _run(board: Board, table: _Table, start: int, end: int) -> _Run | None:
    """A run's means; None where its clocks change or are not the board's, or a figure lacks."""
    opps = _opps(board, table.freq_hz[start])
    steady = bool((table.freq_hz[start:end] == table.freq_hz[start]).all())
    rows = np.arange(start, end)
    ends_s = table.ends_s[rows]
    rows = rows[(ends_s > _FROM * ends_s.max()) | table.about.averaged]
    weights = table.window_s[rows]
    if opps is None or not steady or not weights.sum() > 0:
        return None
    means = {n: float(np.average(v[rows], weights=weights)) for n, v in table.means.items()}
    if not np.isfinite(list(means.values())).all() or means["rate_ips"] <= 0:
        return None
    busy = np.average(table.core_utilisation[rows], axis=0, weights=weights)
    core, utilisation = _where(table.about.cores[table.cluster[start]], busy)
    counts = {"temp_samples": len(rows), "window_s": float(weights.sum())}
    row = {**means, **counts, "core_utilisation": utilisation}
    return _Run(table.applications[start], core, opps, row)


def _opps(board: Board, freq_hz: np.ndarray) -> tuple[int, ...] | None:
    """The operating points of these clocks; None where one is unknown or not the board's."""
    found = []
    for cluster, hz in zip(board.clusters, freq_hz, strict=True):
        clocks = np.array(cluster.freqs_hz, float)
        nearest = int(np.abs(clocks - hz).argmin())
        if abs(clocks[nearest] - hz) > _SAME_CLOCK * clocks[nearest]:
            return None
        found.append(nearest)
    return tuple(found)


def _where(cores: tuple[int, ...], busy: np.ndarray) -> tuple[int, list[float]]:
    """The core that the program ran on, and how busy the cores were.

    Who was free to wander over its cluster is put on the cluster's first core, with all its work;
    so is who ran on a core that nobody noted.
    """
    share = busy.copy()
    own = share[list(cores)]
    if np.isfinite(own).all() and own.max() >= _IS_ALONE * own.sum():
        core = cores[int(own.argmax())]
    else:
        core = cores[0]
        total = min(float(np.nansum(own)), 1.0) if np.isfinite(own).any() else 1.0
        share[list(cores)] = 0.0
        share[core] = total
    return core, np.nan_to_num(share).clip(0.0, 1.0).tolist()


def _traces(board: Board, runs: list[_Run]) -> pa.Table:
    """A scenario per program; equal runs are averaged."""
    programs = list(dict.fromkeys(run.application for run in runs))
    places: dict[tuple[int, int, tuple[int, ...]], list[dict[str, Any]]] = {}
    for run in runs:
        key = programs.index(run.application), run.core, run.opps
        places.setdefault(key, []).append(run.row)
    rows = []
    for (scenario, core, opps), equal in sorted(places.items()):
        rows.append(
            {
                "scenario": scenario,
                "application": programs[scenario],
                "application_core": core,
                "background": [],
                "background_cores": [],
                "background_rate_ips": [],
                "opp_index": list(opps),
                "freq_hz": list(board.freqs_hz_at(opps)),
                "throttled": False,
                **{name: _mean([row[name] for row in equal]) for name in _MEANS},
                "core_utilisation": np.mean([row["core_utilisation"] for row in equal], axis=0),
                "temp_samples": sum(row["temp_samples"] for row in equal),
                "window_s": sum(row["window_s"] for row in equal),
            }
        )
    return pa.Table.from_pylist(rows, schema=arrow_schema("traces"))


_MEANS = ("rate_ips", "l2d_per_s", "temp_c")


def _mean(values: list[float]) -> float:
    return float(np.mean(values))
