"""The global rank distribution: how a budget of ranks is laid out over the layers.

Every device that trains a layer trains it with the same rank, so factors have equal shapes and
their mean needs neither padding nor singular values.
"""

from typing import Literal

from platforms.errors import InvalidInput

Course = Literal["increasing", "flat", "decreasing"]


def distribute_ranks(course: Course, *, layers: int, budget: int, step: int = 1) -> tuple[int, ...]:
    """A rank per layer, the layer next to the input first; their sum is the budget.

    Ranks are an arithmetic sequence with difference `step` towards the output (LEGEND), or
    constant, or fall as they rise in LEGEND. What the budget leaves over goes to the layers with
    the highest ranks, one each. InvalidInput where a layer would have rank 0.

    >>> distribute_ranks("increasing", layers=6, budget=36, step=2)
    (1, 3, 5, 7, 9, 11)
    >>> distribute_ranks("flat", layers=4, budget=18)
    (4, 4, 5, 5)
    >>> distribute_ranks("decreasing", layers=4, budget=18)
    (6, 5, 4, 3)
    """
    slope = 0 if course == "flat" else step
    if layers < 1 or slope < 0:
        raise InvalidInput(f"layers must be above 0, step 0 or more (got {layers}, {step})")
    steps = [slope * index for index in range(layers)]
    first, over = divmod(budget - sum(steps), layers)
    if first < 1:
        least = layers + sum(steps)
        raise InvalidInput(
            f"rank budget must be at least {least} for {layers} layers in steps of {slope} "
            f"(got {budget})"
        )
    ranks = [first + extra + (index >= layers - over) for index, extra in enumerate(steps)]
    return tuple(reversed(ranks) if course == "decreasing" else ranks)
