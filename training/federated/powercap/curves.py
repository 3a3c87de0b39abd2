"""The proxy's curve: what the planner knows of a training."""

import statistics
from math import inf

from msgspec.structs import replace

from platforms.training_work import Efficiency
from training.federated.powercap.counting import Counted, Counts


def curve_of(counts: Counts) -> Efficiency:
    """The mean over seeds by batch; a batch with which one of them never gets there is left out."""
    means = {batch: statistics.mean(values) for batch, values in counts.items()}
    there = {batch: mean for batch, mean in sorted(means.items()) if mean < inf}
    return Efficiency(tuple(there), tuple(there.values()))


def with_fewer_seeds(counted: Counted, seeds: int) -> Counted:
    """As if the proxy had been trained so often only; the target stays."""
    proxy = {batch: values[:seeds] for batch, values in counted.proxy.items()}
    return replace(counted, proxy=proxy)


def proxy_seeds(counted: Counted) -> int:
    """How often the proxy was trained with each batch."""
    return len(next(iter(counted.proxy.values())))
