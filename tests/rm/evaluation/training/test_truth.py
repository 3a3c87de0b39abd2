"""What a training's steps truly ask for differs from what it declares, alike in all settings."""

import numpy as np
import pytest

from platforms.training_work import load_training
from rm.evaluation.training.truth import varied_works

WORKS = load_training("tiny-4").works


def test_without_variation_the_truth_is_what_is_declared() -> None:
    """Nothing is drawn then that could differ."""
    assert WORKS == varied_works(WORKS, np.random.default_rng(0), share=0.0)


def test_all_settings_are_off_by_the_same_factors() -> None:
    """Within the share; batches and memory are what they are."""
    varied = varied_works(WORKS, np.random.default_rng(1), share=0.15)
    for name in ("flops", "sample_bytes", "step_bytes"):
        factors = [
            getattr(new, name) / getattr(old, name) for new, old in zip(varied, WORKS, strict=True)
        ]
        assert factors[0] == pytest.approx(max(factors)) == pytest.approx(min(factors))
        assert 0.85 <= factors[0] <= 1.15
        assert 1.0 != factors[0]
    assert [work.knobs for work in WORKS] == [work.knobs for work in varied]
    assert [work.memory_bytes for work in WORKS] == [work.memory_bytes for work in varied]
