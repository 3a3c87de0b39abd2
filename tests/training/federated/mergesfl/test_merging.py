"""Tests that merging is what it says: a step on the concatenated batch, all machines together."""

import numpy as np
import pytest

from tests.training.federated.mergesfl.reference import Batch, assert_same, drawn_batch, mean, step
from training.federated.dice import dice
from training.federated.systems.mergesfl.averaging import batch_weighted
from training.federated.systems.mergesfl.network import (
    BOTTOM,
    TOP,
    Floats,
    bottom_forward,
    bottom_step,
    first_weights,
    part_of,
)
from training.federated.systems.mergesfl.tops import Copies, Merged, Shared, Smashed, Top

RATE = 0.3
WEIGHTS = first_weights(3, inputs=12, hidden=8, classes=5)
UNEQUAL = {"a": 4, "b": 9, "c": 1}
EQUAL = {"a": 6, "b": 6, "c": 6}
Bottoms = dict[str, dict[str, Floats]]


def batches_of(sizes: dict[str, int]) -> dict[str, Batch]:
    """A batch of each worker."""
    rng = dice(0, "batches", str(sizes))
    return {worker: drawn_batch(rng, size) for worker, size in sizes.items()}


def one_step(top: Top, batches: dict[str, Batch], rates: dict[str, float]) -> Bottoms:
    """Bottoms of all workers after one step of split training; the order of workers is drawn."""
    features = {w: bottom_forward(WEIGHTS, x) for w, (x, _) in batches.items()}
    smashed = {w: Smashed(features[w], y) for w, (_, y) in batches.items()}
    gradients = top.answer(smashed, dice(0, "turns")).gradients
    return {
        w: bottom_step(part_of(WEIGHTS, BOTTOM), x, features[w], gradients[w], rates[w])
        for w, (x, _) in batches.items()
    }


def together(batches: dict[str, Batch]) -> Batch:
    """All batches as one."""
    xs, ys = zip(*batches.values(), strict=True)
    return np.concatenate(xs), np.concatenate(ys)


@pytest.mark.parametrize("sizes", [UNEQUAL, EQUAL])
def test_a_merged_step_is_a_central_step_on_all_batches_together(sizes: dict[str, int]) -> None:
    """Rescaled gradients and averages by batch undo each other, as a mean over samples wants."""
    batches, top = batches_of(sizes), Merged(part_of(WEIGHTS, TOP), RATE)
    bottoms = one_step(top, batches, dict.fromkeys(sizes, RATE))
    found = batch_weighted(bottoms, sizes) | top.weights(sizes)
    assert_same(step(WEIGHTS, together(batches), RATE), found)


def test_rates_by_batch_and_plain_averages_are_the_same_step() -> None:
    """Both together would count a batch twice: the options offer one or the other."""
    batches, top = batches_of(UNEQUAL), Merged(part_of(WEIGHTS, TOP), RATE)
    average = sum(UNEQUAL.values()) / len(UNEQUAL)
    rates = {worker: RATE * size / average for worker, size in UNEQUAL.items()}
    bottoms = one_step(top, batches, rates)
    found = batch_weighted(bottoms, dict.fromkeys(UNEQUAL, 1)) | top.weights(UNEQUAL)
    assert_same(step(WEIGHTS, together(batches), RATE), found)


def test_rates_by_batch_with_averages_by_batch_are_another_step() -> None:
    """The reason for the choice: large batches would count by their square."""
    batches, top = batches_of(UNEQUAL), Merged(part_of(WEIGHTS, TOP), RATE)
    average = sum(UNEQUAL.values()) / len(UNEQUAL)
    rates = {worker: RATE * size / average for worker, size in UNEQUAL.items()}
    found = batch_weighted(one_step(top, batches, rates), UNEQUAL)
    wanted = step(WEIGHTS, together(batches), RATE)["bottom.weight"]
    assert np.abs(found["bottom.weight"] - wanted).max() > 1e-3


def test_a_worker_sees_the_gradient_of_its_own_mean_loss() -> None:
    """With an equal batch the top has not moved yet, so each sees what it would see alone."""
    batches = batches_of(UNEQUAL)
    rates = dict.fromkeys(UNEQUAL, RATE)
    merged = one_step(Merged(part_of(WEIGHTS, TOP), RATE), batches, rates)
    for worker, batch in batches.items():
        alone = part_of(step(WEIGHTS, batch, RATE), BOTTOM)
        assert_same(alone, merged[worker])


def test_with_equal_batches_the_merged_bottoms_are_those_of_splitfed_v1() -> None:
    """In the first step the top is the same for all, copied or not."""
    batches, rates = batches_of(EQUAL), dict.fromkeys(EQUAL, RATE)
    merged = one_step(Merged(part_of(WEIGHTS, TOP), RATE), batches, rates)
    copied = one_step(Copies(part_of(WEIGHTS, TOP), RATE), batches, rates)
    for worker in EQUAL:
        assert_same(copied[worker], merged[worker])


def test_splitfed_v1_is_local_training_and_an_average() -> None:
    """Two steps by hand: each worker with a network of its own, then the mean of both halves."""
    batches, rates = batches_of(EQUAL), dict.fromkeys(EQUAL, RATE)
    top = Copies(part_of(WEIGHTS, TOP), RATE)
    bottoms = one_step(top, batches, rates)
    bottoms = second_step(top, batches, bottoms)
    found = batch_weighted(bottoms, EQUAL) | top.weights(EQUAL)
    alone = [step(step(WEIGHTS, batch, RATE), batch, RATE) for batch in batches.values()]
    assert_same(mean(alone), found)


def test_splitfed_v2_steps_its_one_top_for_each_worker_in_turn() -> None:
    """Two steps by hand, workers in the order that the dice say."""
    batches, rates = batches_of(EQUAL), dict.fromkeys(EQUAL, RATE)
    top = Shared(part_of(WEIGHTS, TOP), RATE)
    bottoms = second_step(top, batches, one_step(top, batches, rates))
    expected: dict[str, dict[str, Floats]] = dict.fromkeys(EQUAL, part_of(WEIGHTS, BOTTOM))
    shared = part_of(WEIGHTS, TOP)
    for purpose in ("turns", "more turns"):
        for worker in dice(0, purpose).permutation(sorted(EQUAL)):
            after = step(expected[worker] | shared, batches[worker], RATE)
            expected = {**expected, str(worker): part_of(after, BOTTOM)}
            shared = part_of(after, TOP)
    assert_same(shared, top.weights(EQUAL))
    for worker in EQUAL:
        assert_same(expected[worker], bottoms[worker])


def second_step(top: Top, batches: dict[str, Batch], bottoms: Bottoms) -> Bottoms:
    """Bottoms after another step on the same batches, in another order."""
    features = {w: bottom_forward(bottoms[w], x) for w, (x, _) in batches.items()}
    smashed = {w: Smashed(features[w], y) for w, (_, y) in batches.items()}
    gradients = top.answer(smashed, dice(0, "more turns")).gradients
    return {
        w: bottom_step(bottoms[w], x, features[w], gradients[w], RATE)
        for w, (x, _) in batches.items()
    }


@pytest.mark.parametrize(("kind", "updates"), [(Merged, 1), (Shared, 3), (Copies, 3)])
def test_updates_of_the_server_are_counted(kind: type, updates: int) -> None:
    """Merging steps once for all, the others once for each."""
    smashed = {
        w: Smashed(bottom_forward(WEIGHTS, x), y) for w, (x, y) in batches_of(UNEQUAL).items()
    }
    answer = kind(part_of(WEIGHTS, TOP), RATE).answer(smashed, dice(0, "turns"))
    assert updates == answer.updates
    assert UNEQUAL.keys() == answer.gradients.keys()


def test_the_loss_is_the_mean_over_samples_however_it_is_stepped() -> None:
    """Nobody has moved yet, so merged and copied tops say the same."""
    smashed = {
        w: Smashed(bottom_forward(WEIGHTS, x), y) for w, (x, y) in batches_of(UNEQUAL).items()
    }
    merged = Merged(part_of(WEIGHTS, TOP), RATE).answer(smashed, dice(0, "turns"))
    copied = Copies(part_of(WEIGHTS, TOP), RATE).answer(smashed, dice(0, "turns"))
    assert copied.loss == pytest.approx(merged.loss, rel=1e-5)
