"""The metadata of a plan's traces; needs no Parquet library."""

from collections.abc import Sequence
from typing import Any

from platforms.board import Board
from traces.plan import Plan
from traces.schema import board_digest


def trace_metadata(
    board: Board, plan: Plan, words: Sequence[str] = (), *, simulated: bool = True
) -> dict[str, Any]:
    """The metadata of a plan's traces; `words` are those of the command that recorded them."""
    return {
        "board": board.name,
        "board_sha256": board_digest(board),
        "cooling": plan.cooling,
        "sensor": board.sensors[0].name,
        "opps_hz": [list(cluster.freqs_hz) for cluster in board.clusters],
        "seed": plan.seed,
        "plan_sha256": plan.digest,
        "pools": plan.pools,
        "simulated": simulated,
        "axes": plan.axes,
        "design": plan.design,
        "grid_sha256": plan.grid_digest,
        "recorded_with": words,
    }
