"""The rounds of an episode: drawn by the seed alone, within what was asked for."""

from itertools import pairwise

import numpy as np
import pytest

from platforms.errors import InvalidInput
from rm.evaluation.training.rounds import Round, RoundParameters, draw_rounds

PARAMETERS = RoundParameters(first_s=5.0, pause_s=2.0, shortest_s=10.0, longest_s=20.0)


def _drawn(seed: int, duration_s: float = 300.0) -> tuple[Round, ...]:
    rng = np.random.default_rng(seed)
    return draw_rounds(PARAMETERS, rng, best_per_s=100.0, duration_s=duration_s)


def test_the_same_seed_draws_the_same_rounds() -> None:
    """And another one others."""
    assert _drawn(1) == _drawn(1)
    assert _drawn(1) != _drawn(2)


def test_rounds_follow_each_other_and_fill_the_episode() -> None:
    """Each begins a pause after the deadline of the one before."""
    rounds = _drawn(3)
    assert 5.0 == rounds[0].start_s
    for before, after in pairwise(rounds):
        assert before.deadline_s + 2.0 == after.start_s
    assert 300.0 - 20.0 - 2.0 <= rounds[-1].deadline_s <= 300.0
    assert list(range(len(rounds))) == [item.number for item in rounds]


def test_samples_are_shares_of_what_the_board_does_alone() -> None:
    """Uniform in the logarithm: half of them below the geometric mean."""
    shares = [
        item.samples / (100.0 * (item.deadline_s - item.start_s))
        for seed in range(60)
        for item in _drawn(seed)
    ]
    assert 0.05 <= min(shares) < 0.06
    assert 1.1 < max(shares) <= 1.25
    assert 0.25 == pytest.approx(np.median(shares), rel=0.15)


def test_an_episode_without_time_for_a_round_is_refused() -> None:
    """It would compare nothing."""
    with pytest.raises(InvalidInput, match=r"duration_s must leave time for a round.*got 12"):
        _drawn(0, duration_s=12.0)
