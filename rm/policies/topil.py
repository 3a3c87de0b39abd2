"""TOP-IL: a network imitates the oracle; one migration an epoch, DVFS by QoS.

Rapp, Khdr, Krohmer, Henkel, "NPU-Accelerated Imitation Learning for Thermal Optimization of
QoS-Constrained Heterogeneous Multi-Cores" (arXiv 2206.05459). Once a migration period every
application is the application of interest of one row; all rows are one batch; the single move with
the largest predicted improvement is made.

The network was taught with applications of one thread, all others staying where they are. One of
several threads is therefore left on its cluster. Moving it by the scores of one of its threads was
tried: its other threads move along, which no score knows of, so that it went to and fro (simulated,
one to three applications: about one move a second, and down to 0.81 of a target).
"""

from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from npu_runtime.policy_file import read_policy_file
from platforms.board import Board
from platforms.errors import InvalidInput
from platforms.platform import Migration, Observation
from rm.dvfs import QosScaling
from rm.features import rows, table
from rm.mapping.rows import OUTPUTS as HEAT
from rm.policies.registry import PolicyContext
from rm.policies.shipped_files import shipped

BUSY_ABOVE = 0.1
"""A core counts as free up to this utilisation: the kernel's own housekeeping is everywhere."""


class Scorer(Protocol):
    """Feature rows in, a score per row and core out."""

    def run(self, rows: NDArray[np.float32]) -> NDArray[np.float32]:
        """Score a batch."""
        ...


LEAST_GAIN = 0.05
"""A move must promise this much more score: near the best core 0.05 K, half the noise of a label.

The paper, as recalled, moves on any gain above 0; that makes several times the moves for the same
temperature."""


WITHIN = 0.01
"""A gain this near to the least, or above it, by a network that is rounded, is rated again in
float32 (chosen: three times what float16 is off by on 4,096 rows of episodes, 0.0028)."""


class TopIl:
    """The policy. It moves applications of one thread; those of several stay on their cluster."""

    name = "topil"

    def __init__(
        self,
        board: Board,
        scorer: Scorer,
        *,
        least_gain: float = LEAST_GAIN,
        exact: Scorer | None = None,
    ) -> None:
        """A move is made when its predicted improvement exceeds `least_gain` (score units).

        `exact` is the same network in float32, where `scorer` is one that rounds: it has the last
        word on every move. Most of the time none is near, and it is not asked.
        `last_gain` is that of the last epoch's best move, made or not; None where there was none.
        """
        self._board = board
        self._scorer = scorer
        self._exact = exact
        self._least_gain = least_gain
        self._scaling = QosScaling(board)
        self.last_gain: float | None = None

    def migrate(self, observation: Observation) -> tuple[Migration, ...]:
        """The best single move to a free core, if any improves on staying."""
        self.last_gain = None
        movable = [app for app in observation.applications if app.threads == 1]
        if not movable:
            return ()
        asked = rows(self._board, observation, movable)
        present = [app.cores[0] for app in movable]
        occupied = _occupied(observation)
        gain = _gain(self._scorer.run(asked), present, occupied)
        if self._exact is not None and gain.max() > self._least_gain - WITHIN:
            gain = _gain(self._exact.run(asked), present, occupied)
        which, core = divmod(int(gain.argmax()), gain.shape[1])
        self.last_gain = float(gain[which, core])
        if not self.last_gain > self._least_gain:
            return ()
        return (Migration(movable[which].id, (core,)),)

    def scale(self, observation: Observation) -> tuple[int, ...]:
        """DVFS by QoS."""
        return self._scaling.scale(observation)


def _gain(
    scores: NDArray[np.float32], present: list[int], occupied: NDArray[np.bool_]
) -> NDArray[np.float32]:
    """What every move would gain over staying; nothing goes to an occupied core."""
    gain = scores - scores[np.arange(len(present)), present][:, None]
    gain[:, occupied] = -np.inf
    return gain


def _occupied(observation: Observation) -> NDArray[np.bool_]:
    """Per core whether it is busy, or has an application that came too late to show as busy."""
    occupied = np.array(observation.core_utilisation) > BUSY_ABOVE
    for app in observation.applications:
        if app.threads == 1:
            occupied[app.cores[0]] = True
    return occupied


def make(context: PolicyContext) -> TopIl:
    """The policy from the ONNX file given, unless that is another policy's; then the shipped one.

    InvalidInput where none is shipped for the board.
    """
    board = context.board
    path = context.policy_file
    if path is None or is_for_another(path):
        path = shipped(f"topil-{board.name}.onnx")
    if path is None:
        raise InvalidInput(
            f"topil needs a network for the board {board.name!r}, and none is shipped: give "
            "--policy-file policy.onnx ('ilgov train' makes one), or leave topil out"
        )
    scorer = context.load(path, features=table(board), outputs=board.core_names)
    return TopIl(board, scorer, exact=scorer.exact)


def is_for_another(path: Path) -> bool:
    """Whether a file is a network of `ilgov`, or no network at all but a Q-table."""
    return path.suffix == ".npz" or read_policy_file(path).metadata.outputs == HEAT
