"""Parameters and bytes, against the trained suffix's own names and shapes."""

import pytest

from training.federated.cost.backward import walk_backward
from training.federated.cost.forward import walk_forward
from training.federated.cost.ledger import Ledger
from training.federated.cost.memory import (
    inference_peak_bytes,
    peak_bytes,
    zeroth_order_peak_bytes,
)
from training.federated.cost.parameters import largest_trained_tensor, trained_parameters
from training.federated.cost.traffic import array_bytes, down_bytes, up_bytes
from training.federated.cost.work import Work
from training.federated.models.shape import Shape
from training.federated.suffix import Suffix, names_and_shapes, whole

SHAPE = Shape(
    layers=4, hidden=64, heads=4, ffn=256, vocabulary=1000, positions=128, types=2, classes=3
)
SUFFIXES = [
    Suffix(0),
    Suffix(2),
    Suffix(4),
    whole(SHAPE),
    Suffix(1, (4,)),
    Suffix(4, (1, 2, 4, 8)),
    Suffix(4, (8,) * 4, embeddings=True),
]


def work(suffix: Suffix, **changes: object) -> Work:
    """A work on the shape."""
    values = {"shape": SHAPE, "suffix": suffix, "batch": 16, "tokens": 24} | changes
    return Work(**values)  # type: ignore[arg-type]


@pytest.mark.parametrize("suffix", SUFFIXES, ids=repr)
def test_what_travels_is_what_the_suffix_names(suffix: Suffix) -> None:
    """The cost model and the suffix count the same parameters, without knowing of each other."""
    named = names_and_shapes(SHAPE, suffix)
    assert array_bytes(named) == up_bytes(work(suffix)) == down_bytes(work(suffix))


@pytest.mark.parametrize("suffix", SUFFIXES, ids=repr)
def test_the_largest_array_is_the_suffixs(suffix: Suffix) -> None:
    """Among all that is named."""
    sizes = [array_bytes({name: shape}) for name, shape in names_and_shapes(SHAPE, suffix).items()]
    assert max(sizes) == 4 * largest_trained_tensor(work(suffix))


@pytest.mark.parametrize("suffix", SUFFIXES, ids=repr)
def test_after_a_step_only_gradients_are_left(suffix: Suffix) -> None:
    """Forward and backward take and drop in pairs: nothing is forgotten, nothing dropped twice."""
    for padded in (False, True):
        ledger = Ledger()
        walk_forward(work(suffix, padded=padded), ledger, trains=True)
        walk_backward(work(suffix, padded=padded), ledger)
        assert trained_parameters(work(suffix)) == pytest.approx(ledger.held)


def test_inference_leaves_nothing() -> None:
    """Every activation is dropped."""
    ledger = Ledger()
    walk_forward(work(Suffix(2)), ledger, trains=False)
    assert ledger.held == 0


def test_depth_is_what_memory_follows() -> None:
    """The central claim on layers against LoRA: LoRA on all layers needs what all layers need."""
    peaks = [peak_bytes(work(Suffix(depth))) for depth in range(5)]
    assert peaks == sorted(peaks)
    lora = peak_bytes(work(Suffix(4, (2,) * 4)))
    assert lora > 2 * peak_bytes(work(Suffix(1)))


def test_pruning_makes_everything_smaller() -> None:
    """Half the heads and half the channels."""
    half = {"kept_heads": 0.5, "kept_ffn": 0.5}
    assert peak_bytes(work(Suffix(4), **half)) < peak_bytes(work(Suffix(4)))
    assert up_bytes(work(Suffix(4), **half)) < up_bytes(work(Suffix(4)))


def test_a_zeroth_order_step_needs_little_more_than_inference() -> None:
    """Two split activations, and a perturbation of one array where that is more."""
    plain = work(Suffix(4))
    split = 2 * 4 * 16 * 24 * 64
    assert inference_peak_bytes(plain) == zeroth_order_peak_bytes(plain)
    assert inference_peak_bytes(plain) + split == zeroth_order_peak_bytes(plain, split=True)
    assert zeroth_order_peak_bytes(plain, split=True) < peak_bytes(plain) / 2
