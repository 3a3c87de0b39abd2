"""LEGEND and its baselines by name."""

from training.federated.systems.legend.ranks import Course

COURSES: dict[str, Course] = {
    "legend": "increasing",
    "uniform": "flat",
    "drop-slow": "flat",
    "flat-ranks": "flat",
    "decreasing-ranks": "decreasing",
    "random-depth": "increasing",
}
"""Methods with ranks per layer, and how these run from input to output.

- legend: a depth per device by the greedy configuration
- uniform: all layers on all devices; the slowest sets the pace
- drop-slow: all layers, on the fastest devices alone
- flat-ranks, decreasing-ranks: as legend, but for the ranks
- random-depth: as legend, but depths by dice
"""

UNEQUAL = ("hetlora-pad", "hetlora-svd")
"""All layers at a rank per device: factors filled up with zeros, or products factorised anew."""

METHODS = ("legend", "uniform", "drop-slow", *UNEQUAL, *list(COURSES)[3:])
