"""Options of LEGEND and its baselines."""

from training.federated.systems.suffix_tuning.options import TrainingOptions


class LegendOptions(TrainingOptions, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Ranks and depths.

    The rank budget is `mean_rank` times the model's layers; ranks rise or fall by `rank_step` from
    layer to layer. `keep` is the weight of the old estimate of a device's speed against what a
    round showed. `waiting_bound` is the share of a round that devices may wait on average.
    `kept_share` of the devices, the fastest, stay with drop-slow. HetLoRA's devices have ranks
    from `lowest_rank` to twice the mean less that.
    """

    mean_rank: int = 8
    rank_step: int = 2
    keep: float = 0.8
    waiting_bound: float = 1.0
    kept_share: float = 0.5
    lowest_rank: int = 2
