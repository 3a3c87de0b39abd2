"""The federated rounds of an episode: how much each asks for, and by when."""

import math

import numpy as np
from msgspec import Struct

from platforms.errors import InvalidInput


class RoundParameters(Struct, frozen=True, kw_only=True):
    """How rounds are drawn.

    The first begins at `first_s`; the next one `pause_s` after the deadline of the one before,
    whenever that was done, so that they come at the same times whatever the policy. As many come as
    end within the episode. A round lasts `shortest_s` to `longest_s`, uniform, and asks for
    `lowest_share` to `highest_share` of the samples that the board could do in that time with the
    job alone, at its best setting on all cores of its best cluster at the highest frequency. Shares
    are uniform in their logarithm: as many rounds lie between 5 and 10 % as between 50 and 100 %.
    They reach from what any core does to what no plan can do.
    """

    first_s: float = 10.0
    pause_s: float = 10.0
    shortest_s: float = 30.0
    longest_s: float = 90.0
    lowest_share: float = 0.05
    highest_share: float = 1.25


class Round(Struct, frozen=True):
    """A round: `samples` reference samples between two times of the episode."""

    number: int
    start_s: float
    deadline_s: float
    samples: float


def draw_rounds(
    parameters: RoundParameters,
    rng: np.random.Generator,
    *,
    best_per_s: float,
    duration_s: float,
) -> tuple[Round, ...]:
    """The rounds of one episode; `best_per_s` is the board's best rate alone, reference samples/s.

    Raises InvalidInput where the episode is too short for a single round.
    """
    low, high = math.log(parameters.lowest_share), math.log(parameters.highest_share)
    rounds: list[Round] = []
    start_s = parameters.first_s
    while True:
        length_s = rng.uniform(parameters.shortest_s, parameters.longest_s)
        share = math.exp(rng.uniform(low, high))
        deadline_s = start_s + length_s
        if deadline_s > duration_s:
            break
        samples = share * best_per_s * length_s
        rounds.append(Round(len(rounds), float(start_s), float(deadline_s), float(samples)))
        start_s = deadline_s + parameters.pause_s
    if not rounds:
        raise InvalidInput(
            f"duration_s must leave time for a round of up to {parameters.longest_s:g} s that "
            f"begins at {parameters.first_s:g} s (got {duration_s:g})"
        )
    return tuple(rounds)
