"""Which runs a recording lacks of the grid that the oracle searches.

The grid of a scenario is every core that the background leaves free times every combination of the
clusters' recorded operating points. A throttled run is there: it says that the board cannot hold
this point. A run that nobody made says nothing, and the oracle must not take it for one that fails.
"""

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from platforms.board import Board

_SHOWN = 3
"""So many missing runs are told one by one; a sparse recording lacks thousands."""

Axes = tuple[tuple[int, ...], ...]


@dataclass(frozen=True)
class Coverage:
    """The grid's `axes` (operating points per cluster), and what is missing of `wanted` runs.

    `holes` has a row per missing run: the scenario's number, the core, a point per cluster.
    """

    axes: Axes
    wanted: int
    holes: NDArray[np.int64]

    @property
    def is_whole(self) -> bool:
        """Whether no run is missing."""
        return len(self.holes) == 0


def axes_of(traces: pa.Table, about: dict[str, Any]) -> Axes:
    """The operating points per cluster that a recording is about, lowest first.

    As its plan says; of recordings without that, all those that occur in any of its runs.
    """
    if about.get("axes"):
        return tuple(tuple(axis) for axis in about["axes"])
    opps = _opps(traces)
    return tuple(tuple(np.unique(column).tolist()) for column in opps.T)


def coverage(board: Board, traces: pa.Table, axes: Axes, *, closed: Sequence[int] = ()) -> Coverage:
    """Compare a recording that is sound (`traces.check`) with the grid of its scenarios.

    Nothing is asked of the cores in `closed`.
    """
    numbers, first, which = np.unique(
        traces.column("scenario").to_numpy(), return_index=True, return_inverse=True
    )
    free = np.ones((len(numbers), board.core_count), dtype=bool)
    free[:, list(closed)] = False
    background = traces.column("background_cores").take(pa.array(first)).to_pylist()
    for scenario, cores in enumerate(background):
        free[scenario, list(cores)] = False
    lacking = np.broadcast_to(
        free[(..., *[None] * len(axes))], (*free.shape, *(len(axis) for axis in axes))
    ).copy()
    place, on_grid = _places(_opps(traces), axes)
    cores = traces.column("application_core").to_numpy()
    lacking[(which[on_grid], cores[on_grid], *place[on_grid].T)] = False
    wanted = int(free.sum()) * int(np.prod([len(axis) for axis in axes]))
    holes = np.argwhere(lacking)
    holes[:, 0] = numbers[holes[:, 0]]
    for cluster, axis in enumerate(axes):
        holes[:, 2 + cluster] = np.array(axis)[holes[:, 2 + cluster]]
    return Coverage(axes, wanted, holes)


def missing_text(board: Board, found: Coverage) -> str:
    """What is missing, for a message: how much, where most, and the first runs by name.

    ``12 of 504 runs are missing, in 1 of 4 scenarios: scenario 0, core 4 at little 682 MHz, ...``.
    """
    scenarios = len(np.unique(found.holes[:, 0]))
    runs = [_named(board, hole.tolist()) for hole in found.holes[:_SHOWN]]
    more = len(found.holes) - len(runs)
    return (
        f"{len(found.holes)} of {found.wanted} runs are missing, in {scenarios} scenarios: "
        + "; ".join(runs)
        + (f"; and {more} more" if more else "")
    )


def way_out(path: Path, about: dict[str, Any]) -> str:
    """How to get the runs that are missing: the command that recorded the others, for all."""
    line = about.get("recorded_with")
    if not line:
        return "record or import them as well"
    options = [word for word in line if not word.startswith("--design")]
    whole = path.with_name(f"{path.stem}-whole{path.suffix}")
    words = ["ilgov", "trace", "record", *options, "--add-to", str(path), "--out", str(whole)]
    return f"record them with '{shlex.join(words)}'"


def _named(board: Board, hole: Sequence[int]) -> str:
    scenario, core, *opps = hole
    clocks = ", ".join(
        f"{cluster.name} {cluster.freqs_hz[opp] / 1e6:.0f} MHz"
        for cluster, opp in zip(board.clusters, opps, strict=True)
    )
    return f"scenario {scenario}, core {core} at {clocks}"


def _opps(traces: pa.Table) -> NDArray[np.int64]:
    lists = traces.column("opp_index").combine_chunks()
    flat: NDArray[np.int64] = pc.list_flatten(lists).to_numpy().astype(np.int64)
    return flat.reshape(len(traces), -1)


def _places(opps: NDArray[np.int64], axes: Axes) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Where the points of runs lie on the axes, and which runs lie on all of them."""
    place = np.empty_like(opps)
    on_grid = np.ones(len(opps), dtype=bool)
    for cluster, axis in enumerate(axes):
        values = np.array(axis)
        place[:, cluster] = np.searchsorted(values, opps[:, cluster]).clip(0, len(values) - 1)
        on_grid &= values[place[:, cluster]] == opps[:, cluster]
    return place, on_grid
