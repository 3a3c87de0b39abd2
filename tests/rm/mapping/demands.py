"""Programs whose speeds are known, and what they ask of a board."""

from collections.abc import Sequence

import numpy as np
from hypothesis import strategies as st

from platforms.board import Board
from rm.mapping.demand import Demand, demand
from rm.mapping.packing import Mappings, groups_of_cores
from tests.oracle.small_boards import board
from tests.rm.readings import HIKEY

SMALL = board(np.random.default_rng(0), points=3, sizes=(2, 2))
THREE = board(np.random.default_rng(1), points=3, sizes=(1, 2))
BOARDS = {"hikey970": HIKEY, "small": SMALL, "uneven": THREE}


def random_demand(
    on: Board,
    rng: np.random.Generator,
    count: int,
    *,
    lightest: float = 0.05,
    heaviest: float = 0.9,
    lowest_opp: Sequence[int] | None = None,
) -> Demand:
    """Programs that differ in cycles, stalls and targets.

    The targets lie between these shares of what the last cluster's fastest point gives.
    """
    cycles = rng.uniform(0.5, 2.0, size=(count, len(on.clusters)))
    stalls = rng.uniform(0.0, 1e-9, size=count)
    freqs_hz = [np.array(cluster.freqs_hz, dtype=np.float64) for cluster in on.clusters]
    instruction_s = [
        cycles[:, x, None] * (1.0 / freqs + stalls[:, None]) for x, freqs in enumerate(freqs_hz)
    ]
    share = np.exp(rng.uniform(np.log(lightest), np.log(heaviest), size=count))
    return demand(
        on,
        instruction_s=instruction_s,
        stall_s_per_cycle=stalls,
        l2d_per_instruction=rng.uniform(0.0, 0.05, size=count),
        target_ips=share / instruction_s[-1][:, -1],
        lowest_opp=lowest_opp,
    )


def seeds() -> st.SearchStrategy[np.random.Generator]:
    """A source of dice for a test."""
    return st.integers(0, 2**32 - 1).map(np.random.default_rng)


def somewhere(board: Board, rng: np.random.Generator, count: int) -> Mappings:
    """Applications on any cores."""
    return groups_of_cores(board, rng.integers(board.core_count, size=count).tolist())


def groups(mappings: Mappings, at: int) -> dict[tuple[int, int], list[int]]:
    """Who is together on a core in one of the mappings, by cluster and group."""
    found: dict[tuple[int, int], list[int]] = {}
    for k, (x, group) in enumerate(
        zip(mappings.cluster[at].tolist(), mappings.group[at].tolist(), strict=True)
    ):
        found.setdefault((x, group), []).append(k)
    return found


def mapping(*clusters: Sequence[int], groups: Sequence[Sequence[int]]) -> Mappings:
    """Mappings written down row by row."""
    return Mappings(np.array(clusters), np.array(groups))
