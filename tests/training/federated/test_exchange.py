"""Tests of which replies may reach the server's model."""

import numpy as np
import pytest

from training.federated.exchange import Order, Reply, fault

ASKED = Order(returns={"w": (2, 2)}, metrics=("samples", "loss"))
SOUND = {"samples": 8.0, "loss": 0.5}


def test_a_reply_as_asked_is_sound() -> None:
    """Names, shapes, finite numbers: that is all that is asked."""
    assert None is fault(ASKED, Reply(arrays={"w": np.ones((2, 2), np.float32)}, metrics=SOUND))


@pytest.mark.parametrize(
    ("arrays", "metrics", "reason"),
    [
        ({}, SOUND, "arrays must be ['w'] (got [])"),
        (
            {"w": np.ones((2, 2)), "x": np.ones(1)},
            SOUND,
            "arrays must be ['w'] (got ['w', 'x'])",
        ),
        ({"w": np.ones((2, 3))}, SOUND, "w must be of shape (2, 2) (got (2, 3))"),
        ({"w": np.full((2, 2), np.inf)}, SOUND, "w must be finite"),
        ({"w": np.full((2, 2), "a")}, SOUND, "w must be numbers (got <U1)"),
        ({"w": np.ones((2, 2))}, {"samples": 8}, "metric loss must be a finite number (got None)"),
        (
            {"w": np.ones((2, 2))},
            {"samples": 0, "loss": 1.0},
            "metric samples must be above 0 (got 0)",
        ),
    ],
)
def test_an_unsound_reply_is_named(
    arrays: dict[str, np.ndarray], metrics: dict[str, float], reason: str
) -> None:
    """What a device sends is not trusted."""
    assert reason == fault(ASKED, Reply(arrays=arrays, metrics=metrics))
