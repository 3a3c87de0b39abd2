"""Rows that a policy asks its network for in training-side episodes: what int8 is calibrated on.

Other seeds and other applications than those that the result is judged on.
"""

import numpy as np

from npu_runtime.backend import Backend, Capabilities, Rows
from npu_runtime.load import BACKENDS
from npu_runtime.policy_file import PolicyFile
from platforms.board import Board
from platforms.errors import InvalidInput
from rm.npu.closed_loop import governed
from rm.npu.episode import EXACT_BACKEND
from rm.npu.judged import FIRST_SEED, Extent, episodes

MOST_ROWS = 4096
"""More rows change no scale, and cost time and memory (chosen)."""

_FIRST_SEED, _SEEDS = FIRST_SEED - 200, 2


class _Recording:
    """A back end that keeps the rows that it is asked for."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend
        self.kept: list[Rows] = []

    @property
    def capabilities(self) -> Capabilities:
        return self._backend.capabilities

    @property
    def input_shape(self) -> tuple[int | None, ...]:
        return self._backend.input_shape

    @property
    def output_shape(self) -> tuple[int | None, ...]:
        return self._backend.output_shape

    def run(self, rows: Rows) -> Rows:
        self.kept.append(rows)
        return self._backend.run(rows)

    def warm_up(self, batch: int) -> None:
        self._backend.warm_up(batch)

    def close(self) -> None:
        self._backend.close()


def calibration_rows(
    file: PolicyFile,
    board: Board,
    *,
    rows: int = MOST_ROWS,
    seeds: int = _SEEDS,
    duration_s: float = 600.0,
) -> Rows:
    """Up to `rows` raw feature rows (R, F), spread evenly over episodes that the policy governs.

    Under the cooling that it was trained under, with the applications that training starts from.
    The same rows every time. InvalidInput where the policy is not known (`judged.policy_of`) or
    asked its network for nothing.
    """
    from rm.evaluation.generalisation import SEEN_APPLICATIONS

    coolings = tuple(setup.name for setup in board.cooling)
    trained = file.metadata.cooling
    extent = Extent(
        seeds=seeds,
        first_seed=_FIRST_SEED,
        duration_s=duration_s,
        coolings=(trained,) if trained in coolings else coolings,
        applications=SEEN_APPLICATIONS,
    )
    recording = _Recording(BACKENDS[EXACT_BACKEND](file))
    for episode in episodes(file, board, extent):
        governed(episode, recording)
    if not recording.kept:
        raise InvalidInput(f"{file.path}: the policy must ask its network something (it did not)")
    every = np.concatenate(recording.kept)
    places = np.unique(np.linspace(0, len(every) - 1, min(rows, len(every))).round().astype(int))
    spread: Rows = every[places]
    return spread
