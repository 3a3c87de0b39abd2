"""Orders to workers and what their replies must hold."""

from collections.abc import Mapping

import numpy as np

from training.federated.exchange import Order, Reply
from training.federated.systems.mergesfl.network import BOTTOM, Floats, Weights, part_of
from training.federated.systems.mergesfl.tops import Smashed

COUNT, STEP, FIT = "count-labels", "step", "fit"
"""Actions: tell label counts; a step of split training; a round of FedAvg."""


def count_order(classes: int) -> Order:
    """Tell how many examples of each label there are."""
    return Order(action=COUNT, returns={"counts": (classes,)})


def begin_order(bottom: Weights, *, round_: int, batch: int) -> Order:
    """Take these weights, send features of the first batch."""
    return Order(
        action=STEP,
        arrays=part_of(bottom, BOTTOM),
        settings={"round": round_, "step": 0, "batch": batch, "last": False},
        returns=_batch_shapes(bottom, batch),
    )


def next_order(
    bottom: Weights, gradient: Floats, *, round_: int, step: int, batch: int, rate: float
) -> Order:
    """Learn from the gradient, send features of the next batch."""
    return Order(
        action=STEP,
        arrays={"gradient": gradient},
        settings={
            "round": round_,
            "step": step,
            "batch": batch,
            "learning_rate": rate,
            "last": False,
        },
        returns=_batch_shapes(bottom, batch),
    )


def last_order(bottom: Weights, gradient: Floats, *, round_: int, step: int, rate: float) -> Order:
    """Learn from the gradient, send the weights back."""
    return Order(
        action=STEP,
        arrays={"gradient": gradient},
        settings={"round": round_, "step": step, "learning_rate": rate, "last": True},
        returns={name: bottom[name].shape for name in BOTTOM},
    )


def fit_order(weights: Weights, *, round_: int, steps: int, batch: int, rate: float) -> Order:
    """Train the whole network by yourself, send it back."""
    return Order(
        action=FIT,
        arrays=weights,
        settings={"round": round_, "steps": steps, "batch": batch, "learning_rate": rate},
        returns={name: array.shape for name, array in weights.items()},
        metrics=("samples", "loss"),
    )


def _batch_shapes(bottom: Weights, batch: int) -> dict[str, tuple[int, ...]]:
    return {"features": (batch, len(bottom["bottom.bias"])), "labels": (batch,)}


def smashed_of(replies: Mapping[str, Reply], classes: int) -> dict[str, Smashed]:
    """Batches of those whose labels are labels; who sends anything else has sent nothing."""
    found = {}
    for worker, reply in replies.items():
        labels = reply.arrays["labels"]
        if labels.dtype.kind == "i" and labels.min() >= 0 and labels.max() < classes:
            features = np.asarray(reply.arrays["features"], np.float32)
            found[worker] = Smashed(features, labels.astype(np.int64))
    return found


def counts_of(replies: Mapping[str, Reply]) -> dict[str, Floats]:
    """Label counts of those who have any, and none below 0."""
    counts = {worker: np.asarray(reply.arrays["counts"]) for worker, reply in replies.items()}
    return {w: array for w, array in counts.items() if array.min() >= 0 and array.sum() > 0}


def weights_of(reply: Reply, like: Weights) -> dict[str, Floats]:
    """The weights in a reply, in the types of ours."""
    return {name: np.asarray(array, like[name].dtype) for name, array in reply.arrays.items()}
