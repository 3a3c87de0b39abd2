"""The machine that files are from: its clusters as the user gives them, and whether they fit."""

import re
from collections.abc import Sequence

import numpy as np

from platforms.board import Board
from platforms.errors import InvalidInput
from traces.importers.chunks import Chunk
from traces.importers.importer import Request
from traces.importers.source import SourceFile
from traces.measurements import Layout

_SAME_CLOCK = 0.01
"""Clocks this close, relatively, are the same: drivers round them."""

ODROID_XU3 = Layout(("A7", "A15"), ((0, 1, 2, 3), (4, 5, 6, 7)))
"""The machine that the ARMPM tables and PowMon's are from, where the user does not name another."""


def parse_clusters(text: str) -> Layout:
    """Clusters with their cores, as ``--clusters`` takes them.

    >>> parse_clusters("little=0-3,big=4-5+7").cores
    ((0, 1, 2, 3), (4, 5, 7))
    """
    names, cores = [], []
    for part in text.split(","):
        found = re.fullmatch(r"\s*([\w.-]+)=(\d+(?:-\d+)?(?:\+\d+(?:-\d+)?)*)\s*", part)
        if not found:
            raise InvalidInput(
                f"--clusters must be like little=0-3,big=4-7 (got {part!r} in {text!r})"
            )
        names.append(found[1])
        cores.append(tuple(_numbers(found[2])))
    every = [core for one in cores for core in one]
    if len(set(every)) < len(every) or len(set(names)) < len(names):
        raise InvalidInput(f"--clusters must name each cluster and each core once (got {text!r})")
    return Layout(tuple(names), tuple(cores))


def _numbers(text: str) -> list[int]:
    found: list[int] = []
    for part in text.split("+"):
        low, _, high = part.partition("-")
        first, last = int(low), int(high or low)
        if not first <= last < 4096:
            raise InvalidInput(f"--clusters must count cores upwards, below 4096 (got {part!r})")
        found += range(first, last + 1)
    return found


def board_layout(board: Board) -> Layout:
    """The clusters and cores of a board."""
    clusters = board.clusters
    return Layout(tuple(one.name for one in clusters), tuple(one.cores for one in clusters))


def layout_of(
    source: SourceFile, asked: Request, default: Layout, sensors: Sequence[str] = ()
) -> Layout:
    """The machine's layout: as the user gives it, which must fit the file's, or as the file's."""
    layout = asked.layout or default
    if len(layout.clusters) != len(default.clusters):
        raise InvalidInput(
            f"{source.path}: must be from a machine with {len(layout.clusters)} clusters, "
            f"{', '.join(layout.clusters)} (got {len(default.clusters)}, "
            f"{', '.join(default.clusters)}); is it the right --board, or are --clusters right?"
        )
    return Layout(layout.clusters, layout.cores, tuple(sensors))


def cluster_of_core(layout: Layout, core: int) -> int:
    """The index of the cluster that a core belongs to; -1 where there is none."""
    return next((i for i, cores in enumerate(layout.cores) if core in cores), -1)


def check_clock(
    chunk: Chunk,
    column: str,
    freq_hz: np.ndarray,
    cluster: int,
    board: Board | None,
    *,
    only: np.ndarray | None = None,
) -> None:
    """Raise InvalidInput for the first frequency that the board's cluster does not have.

    Of the rows that `only` marks, where it is given.
    """
    if board is None:
        return
    known = np.array(board.clusters[cluster].freqs_hz, float)
    distinct, inverse = np.unique(freq_hz, return_inverse=True)
    near = np.min(np.abs(distinct[:, None] / known - 1), axis=1, initial=np.inf)
    good = (near <= _SAME_CLOCK)[inverse]
    if only is not None:
        good |= ~only
    name = board.clusters[cluster].name
    chunk.require(
        good,
        column,
        lambda row: (
            f"must be a frequency of {board.name}'s cluster {name}, "
            f"{', '.join(f'{hz / 1e6:g}' for hz in known)} MHz (got {freq_hz[row] / 1e6:g} MHz); "
            "is it the right --board?"
        ),
    )
