"""How the comparison is to be read, in words."""

from training.federated.compare.plan import DROP_SHARE
from training.federated.compare.protocols import TARGET_SHARE

COUNTED = (
    "Time, energy, bytes, FLOPs and memory are counted by the cost model on virtual devices, never "
    "clocked on the machine that ran this; accuracies are of real training of small models. "
    "Figures of papers are on other models, data and hardware: they stand beside ours and are no "
    "target."
)
TUNED = (
    "Every method was tuned on the same grid by validation accuracy, with a seed of its own. "
    "Intervals are Student's at 95 % over seeds; differences and ratios are taken seed by seed. "
    "“Not shown” says that the interval holds equality: the seeds do not decide."
)
TARGET = (
    f"The target lies {TARGET_SHARE:.0%} of the way from the accuracy before training to that of "
    "the best method at the end. A multiple above 1 in the overview says that the cheapest "
    "baseline spends so many times what the system spends."
)
BUDGET = (
    "A budget is the least that any run of the task spent in all, so that every run went as far."
)
LOST = (
    f"In robust runs a device is lost in a round with probability {DROP_SHARE:g}: it works, and "
    "nothing that it sends arrives."
)
READING = (COUNTED, TUNED, TARGET, BUDGET, LOST)
