"""What can be set about the joint choice and its federated run."""

from msgspec import Struct

from training.federated.systems.joint_batch_frequency.rates import Rule


class Options(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Settings of the system and of its baselines.

    `learning_rate` is for batches of 16 and follows the batch by `rule`. `samples` is what a device
    trains in a round, in `batches` of one of these sizes; the largest is the baseline's. Time and
    power are those of `workload` on the device. A device's cap lies between `cap_low` and
    `cap_high` on the way from the least to the highest peak power of its tables. `proxy_seeds` runs
    on the proxy say how many samples a batch size takes.
    """

    learning_rate: float = 0.1
    rule: Rule = "sqrt"
    batches: tuple[int, ...] = (4, 8, 16, 32, 64)
    samples: int = 256
    workload: str = "tiny-4"
    cap_low: float = 0.3
    cap_high: float = 0.9
    proxy_seeds: int = 5
