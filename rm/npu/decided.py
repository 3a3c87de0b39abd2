"""What a back end's errors change of a governor's decisions, on the simulated board."""

from npu_runtime.load import LoadedPolicy
from platforms.board_file import load_board
from platforms.errors import InvalidInput
from rm.npu.held_out import HeldOut, compared, together
from rm.npu.judged import Extent, episodes
from rm.npu.rows import made_from
from rm.npu.simulated_verdict import AnyRows

EPISODE_S = 300.0
"""Simulated seconds (chosen): one or two seconds of a PC's processor for the first episode; every
other one has twice as many applications, and takes ten times as long."""

_COOLING = "fan"


def decided(policy: LoadedPolicy, count: int) -> HeldOut | None:
    """The decisions of `count` held-out episodes, taken by the policy as well as in float32.

    As the daemon would take them: where float32 has the last word beside the back end, it has it
    here. None where they cannot be lived: for no episode, a board that is not shipped, a policy
    that is neither ilgov's nor topil's, or one whose float32 file is not beside it.
    """
    exact = made_from(policy.file)
    if exact is None or count < 1:
        return None
    try:
        board = load_board(policy.metadata.board)
        extent = Extent(
            seeds=count,
            duration_s=EPISODE_S,
            coolings=(_COOLING,),
            settled=policy.exact is not None,
        )
        lived = episodes(exact, board, extent)
    except InvalidInput:
        return None
    alpha_per_k = float(exact.metadata.oracle.get("alpha_per_k", 1.0))
    candidate = AnyRows(policy.backend)
    return together([compared(episode, candidate, alpha_per_k)[0] for episode in lived])
