"""Directions are the same wherever and whenever they are drawn."""

import numpy as np
import pytest

from training.federated.systems.fedspzo.noise import Direction, Noise, draw, fingerprint


def test_a_direction_is_standard_normal() -> None:
    """Mean, spread and kurtosis of a million numbers lie within five standard errors."""
    numbers = draw(Direction(1, 2, 3), 4, 1_000_000).astype(np.float64)
    assert 0 == pytest.approx(numbers.mean(), abs=5e-3)
    assert 1 == pytest.approx(numbers.std(), abs=5 * 0.71e-3)
    assert 3 == pytest.approx((numbers**4).mean(), abs=5 * 9.8e-3)


@pytest.mark.parametrize(
    "other",
    [
        (Direction(2, 2, 3), 4),
        (Direction(1, 3, 3), 4),
        (Direction(1, 2, 4), 4),
        (Direction(1, 2, 3), 5),
    ],
)
def test_seed_step_number_and_stage_each_give_another_direction(
    other: tuple[Direction, int],
) -> None:
    """Two of 100,000 numbers correlate by chance to 0.003 (one standard error)."""
    one = draw(Direction(1, 2, 3), 4, 100_000)
    another = draw(*other, 100_000)
    assert 0 == pytest.approx(np.corrcoef(one, another)[0, 1], abs=0.016)


def test_what_is_kept_is_what_would_be_drawn_and_no_more_than_allowed() -> None:
    """Keeping saves time alone."""
    noise = Noise(keep_bytes=2 * 4 * 100)
    for which in (1, 2, 3, 1, 3):
        direction = Direction(5, 0, which)
        drawn = draw(direction, 0, 100)
        assert drawn.tobytes() == noise.part(direction, 0, 100).tobytes()
        assert noise.kept_bytes <= noise.keep_bytes
    assert noise.part(Direction(5, 0, 3), 0, 100) is noise.part(Direction(5, 0, 3), 0, 100)


def test_nothing_is_kept_unless_it_is_asked_for() -> None:
    """A device has no memory to spare."""
    noise = Noise()
    noise.part(Direction(5, 0, 1), 0, 100)
    assert 0 == noise.kept_bytes


def test_fingerprints_tell_seeds_apart() -> None:
    """They are what two machines compare."""
    assert fingerprint(1) == fingerprint(1) != fingerprint(2)
