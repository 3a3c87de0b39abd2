"""Options of CAFF and its baselines."""

from training.federated.systems.suffix_tuning.options import TrainingOptions


class CaffOptions(TrainingOptions, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The family that the server chooses from, and what devices can give.

    `layers` are the family's members by their number of layers (of the task's model, where that is
    of a family). A share is of what it takes to train all layers of the deepest member: the device
    of the fleet with the most memory has `memory_share` of it, the others less as their memory is
    less; likewise what devices send (by their bandwidth) and compute (by their speed) in a round.
    0 is no limit. `rank` is that of depth-limited LoRA.
    """

    layers: tuple[int, ...] = (2, 4, 6)
    memory_share: float = 1.0
    upload_share: float = 0.0
    flops_share: float = 0.0
    rank: int = 8
