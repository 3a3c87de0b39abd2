"""Which episodes a network is judged on, or calibrated on."""

from dataclasses import dataclass

from npu_runtime.policy_file import PolicyFile
from platforms.application_file import find_applications
from platforms.board import Board
from platforms.errors import InvalidInput
from rm.mapping.rows import OUTPUTS
from rm.npu.episode import Episode

FIRST_SEED = 500
"""Nothing was tuned on seeds from here on: constants were chosen below 100, the README's figures
are of 0 to 11."""

UNSEEN_APPLICATIONS = "parsec"

SEEDS = 2


@dataclass(frozen=True, kw_only=True)
class Extent:
    """How many episodes: `seeds` under each cooling setup.

    `coolings` None are all that the board has. No two episodes share a seed, so that a workload in
    which two choices are as good as each other counts once; seeds count up from `first_seed`. Every
    other one has twice the usual arrival rate. `settled` says that the candidate is one for an
    accelerator, beside the float32 policy, which settles near ties (`rm.mapping.search.Settling`).
    """

    seeds: int = SEEDS
    first_seed: int = FIRST_SEED
    duration_s: float = 600.0
    coolings: tuple[str, ...] | None = None
    applications: str = UNSEEN_APPLICATIONS
    settled: bool = False


def episodes(file: PolicyFile, board: Board, extent: Extent) -> tuple[Episode, ...]:
    """The episodes of a policy. InvalidInput for applications or cooling setups that are not."""
    from rm.evaluation.generalisation import UNSEEN_RATE_FACTOR

    profiles = find_applications([extent.applications])
    known = tuple(setup.name for setup in board.cooling)
    coolings = extent.coolings or known
    unknown = [name for name in coolings if name not in known]
    if unknown:
        raise InvalidInput(f"cooling must be one of {', '.join(known)} (got {unknown[0]!r})")
    policy = policy_of(file, board)
    return tuple(
        Episode(
            board=board,
            policy=policy,
            path=file.path,
            profiles=profiles,
            cooling=cooling,
            seed=extent.first_seed + number,
            rate_factor=UNSEEN_RATE_FACTOR if number % 2 else 1.0,
            duration_s=extent.duration_s,
            settled=extent.settled,
        )
        for number, cooling in enumerate(coolings * extent.seeds)
    )


def policy_of(file: PolicyFile, board: Board) -> str:
    """Whose network it is, by its outputs.

    InvalidInput where it is neither ilgov's nor topil's for this board.
    """
    outputs = file.metadata.outputs
    if outputs == OUTPUTS:
        return "ilgov"
    if outputs == board.core_names:
        return "topil"
    raise InvalidInput(
        f"{file.path}: outputs must be {', '.join(OUTPUTS)} (ilgov) or the cores of the board "
        f"{board.name!r} (topil) (got {', '.join(outputs)}); give --board for another board"
    )
