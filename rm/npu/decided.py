"""What a back end's errors change of a governor's decisions, on the simulated board."""

from npu_runtime.backend import Backend
from npu_runtime.policy_file import PolicyFile
from platforms.board_file import load_board
from platforms.errors import InvalidInput
from rm.npu.held_out import HeldOut, compared, together
from rm.npu.judged import Extent, episodes
from rm.npu.rows import made_from

EPISODE_S = 300.0
"""Simulated seconds (chosen): one or two seconds of a PC's processor for the first episode; every
other one has twice as many applications, and takes ten times as long."""

_COOLING = "fan"


def decided(file: PolicyFile, backend: Backend, count: int) -> HeldOut | None:
    """The decisions of `count` held-out episodes, taken by `backend` as well as in float32.

    None where they cannot be lived: for no episode, a board that is not shipped, a policy that is
    neither ilgov's nor topil's, or one whose float32 file is not beside it.
    """
    exact = made_from(file)
    if exact is None or count < 1:
        return None
    try:
        board = load_board(file.metadata.board)
        extent = Extent(seeds=count, duration_s=EPISODE_S, coolings=(_COOLING,))
        lived = episodes(exact, board, extent)
    except InvalidInput:
        return None
    alpha_per_k = float(exact.metadata.oracle.get("alpha_per_k", 1.0))
    return together([compared(episode, _Open(backend), alpha_per_k)[0] for episode in lived])


class _Open:
    """A back end that stays open when one of its users is done with it."""

    def __init__(self, backend: Backend) -> None:
        self.capabilities = backend.capabilities
        self.input_shape = backend.input_shape
        self.output_shape = backend.output_shape
        self.run = backend.run
        self.warm_up = backend.warm_up

    def close(self) -> None:
        """Nothing."""
