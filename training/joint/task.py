"""Which applications teach and which validate."""

from collections.abc import Sequence

import numpy as np

from platforms.application_file import find_applications
from platforms.board import Board
from platforms.errors import InvalidInput
from traces.experiment import check_applications
from traces.plan import split_pools
from training.joint.pipeline import Task

HELD_OUT_SHARE = 0.3
"""Share of the applications that validate, as in `ilgov trace record`."""


def task(board: Board, cooling: str, applications: Sequence[str], *, seed: int) -> Task:
    """The task of these suites or application names; InvalidInput for what there is not."""
    lasting = [setup.name for setup in board.cooling if setup.then is None]
    if cooling not in lasting:
        raise InvalidInput(
            f"--cooling must be a setup that lasts, one of {', '.join(lasting)} (got {cooling!r})"
        )
    profiles = {profile.name: profile for profile in find_applications(applications)}
    check_applications(board, tuple(profiles.values()))
    if len(profiles) < 2:
        raise InvalidInput(
            "--applications must name two or more, as some validate "
            f"(got {', '.join(profiles) or 'none'})"
        )
    rng = np.random.default_rng(seed)
    known, held_out = split_pools(list(profiles), held_out_share=HELD_OUT_SHARE, rng=rng)
    known, held_out = (known, held_out) if held_out else (known[:-1], known[-1:])
    return Task(
        board,
        cooling,
        tuple(profiles[name] for name in known),
        tuple(profiles[name] for name in held_out),
    )
