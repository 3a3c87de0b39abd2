"""The proxy's curve: what the planner knows of a training."""

import statistics
from math import inf

from platforms.training_work import Efficiency
from training.federated.powercap.counting import Counts


def curve_of(counts: Counts) -> Efficiency:
    """The mean over seeds by batch; a batch with which one of them never gets there is left out."""
    means = {batch: statistics.mean(values) for batch, values in counts.items()}
    there = {batch: mean for batch, mean in sorted(means.items()) if mean < inf}
    return Efficiency(tuple(there), tuple(there.values()))
