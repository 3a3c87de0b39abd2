"""Tests of how examples are shared out."""

import numpy as np
import pytest

from platforms.errors import InvalidInput
from training.federated.tasks.split import LEAST, split
from training.federated.tasks.task import Examples

ALL = Examples(x=np.arange(2000)[:, None], y=np.arange(2000) % 5)


@pytest.mark.parametrize("alpha", [0.01, 0.1, 1.0, 100.0])
@pytest.mark.parametrize("devices", [1, 20, 125])
def test_every_example_goes_to_one_device_and_each_has_a_batch(alpha: float, devices: int) -> None:
    """Up to where all have just a batch."""
    parts = split(ALL, devices=devices, alpha=alpha, seed=3)
    assert devices == len(parts)
    assert list(range(2000)) == sorted(np.concatenate([part.x[:, 0] for part in parts]).tolist())
    assert LEAST <= min(len(part) for part in parts)
    assert all(np.array_equal(part.x[:, 0] % 5, part.y) for part in parts)


def test_small_alpha_gives_few_labels_and_large_alpha_all_alike() -> None:
    """Mean share of a device's most frequent label."""
    tops = {
        alpha: np.mean(
            [
                np.bincount(part.y, minlength=5).max() / len(part)
                for part in split(ALL, devices=10, alpha=alpha, seed=0)
            ]
        )
        for alpha in (0.05, 1.0, 1000.0)
    }
    assert tops[1000.0] < 0.25 < tops[1.0] < 0.7 < tops[0.05]


def test_a_seed_always_splits_the_same_and_another_differently() -> None:
    """Every process that loads the task finds the same parts."""
    one, same, other = (split(ALL, devices=10, alpha=1.0, seed=seed) for seed in (1, 1, 2))
    assert all(np.array_equal(a.x, b.x) for a, b in zip(one, same, strict=True))
    assert not np.array_equal(one[0].x, other[0].x)


@pytest.mark.parametrize(
    ("devices", "alpha", "reason"),
    [
        (126, 1.0, r"devices must be at most 125 for this task's 2000 examples, 16 each \(got 126"),
        (10, 0.0, r"alpha must be above 0 \(got 0\)"),
    ],
)
def test_what_cannot_be_shared_out_is_refused(devices: int, alpha: float, reason: str) -> None:
    """With the most that can."""
    with pytest.raises(InvalidInput, match=reason):
        split(ALL, devices=devices, alpha=alpha, seed=0)
