"""Fit the network to lists: put the mappings of a situation in the oracle's order.

The loss of a list is the cross-entropy between ``softmax(-alpha heat)`` of the network and the
label, which is the same of the true heats (soft) or one at the best (hard): ListNet (Cao, Qin, Liu,
Tsai, Li, "Learning to Rank: From Pairwise Approach to Listwise Approach", ICML 2007). A level that
all mappings of a situation share does not matter to it, so the network needs no temperature.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from training.imitation.errors import TrainingFailed
from training.imitation.fit import network_of
from training.imitation.network import Normalisation, PolicyNetwork
from training.joint.lists import RatedList
from training.joint.options import JointOptions

WITHIN_K = 1.0
"""A choice counts as right within this much of the optimum."""


@dataclass(frozen=True, kw_only=True)
class ListQuality:
    """What the network's first choices are worth: mean excess in K, share within `WITHIN_K`.

    Over the coolest mapping of each list, which is the best that was looked at.
    """

    mean_excess_k: float
    within_share: float
    lists: int


@dataclass(frozen=True, kw_only=True, eq=False)
class Fitted:
    """The weights of the best epoch, and how good they are on the validation lists."""

    weights: dict[str, NDArray[np.float32]]
    best_epoch: int
    epochs: int
    validation_loss: float
    quality: ListQuality


@dataclass(frozen=True, eq=False)
class _Batch:
    """Lists padded to one length: features (S, L, F), excess (S, L), infinite where padded."""

    features: Tensor
    excess_k: Tensor

    @classmethod
    def of(cls, lists: Sequence[RatedList]) -> "_Batch":
        length = max(len(entry.excess_k) for entry in lists)
        width = lists[0].features.shape[1]
        features = np.zeros((len(lists), length, width), np.float32)
        excess = np.full((len(lists), length), np.inf, np.float32)
        for row, entry in enumerate(lists):
            features[row, : len(entry.excess_k)] = entry.features
            excess[row, : len(entry.excess_k)] = entry.excess_k
        return cls(torch.from_numpy(features), torch.from_numpy(excess))

    def __getitem__(self, rows: Tensor) -> "_Batch":
        return _Batch(self.features[rows], self.excess_k[rows])

    def __len__(self) -> int:
        return len(self.excess_k)


def fit(
    training: Sequence[RatedList], validation: Sequence[RatedList], options: JointOptions
) -> Fitted:
    """Train one network; the same lists, options and seed give the same weights.

    Raises TrainingFailed without lists on either side, and where the loss is no longer finite.
    """
    _check_lists(training, "training")
    _check_lists(validation, "validation")
    torch.set_num_threads(1)
    run = _Run(training, validation, options)
    best, best_loss, weights = 0, math.inf, run.weights()
    epoch = 0
    for epoch in range(1, options.epochs + 1):
        run.train_epoch()
        reached = run.validation_loss()
        if not math.isfinite(reached):
            raise TrainingFailed(
                f"the validation loss must stay finite (got {reached} in epoch {epoch}); "
                "try a lower --learning-rate"
            )
        if reached < best_loss:
            best, best_loss, weights = epoch, reached, run.weights()
        if epoch - best >= options.patience:
            break
    return Fitted(
        weights=weights,
        best_epoch=best,
        epochs=epoch,
        validation_loss=best_loss,
        quality=quality(network_of(weights), validation),
    )


def _check_lists(lists: Sequence[RatedList], name: str) -> None:
    if not lists:
        raise TrainingFailed(
            f"situations for {name} must leave a choice between mappings (got none that does); "
            "draw more with --situations, and mind that a board needs several cores"
        )


class _Run:
    """One network with its optimiser and its lists."""

    def __init__(
        self,
        training: Sequence[RatedList],
        validation: Sequence[RatedList],
        options: JointOptions,
    ) -> None:
        self._options = options
        self._generator = torch.Generator().manual_seed(options.seed)
        rows = np.concatenate([entry.features for entry in training]).astype(np.float64)
        self._network = PolicyNetwork(
            widths=(rows.shape[1], *options.hidden, 1),
            normalisation=Normalisation.of(rows),
            generator=self._generator,
        )
        self._optimiser = torch.optim.Adam(
            self._network.parameters(), lr=options.learning_rate, fused=True
        )
        self._schedule = torch.optim.lr_scheduler.ExponentialLR(
            self._optimiser, options.decay_per_epoch
        )
        self._known, self._unseen = _Batch.of(training), _Batch.of(validation)

    def train_epoch(self) -> None:
        """Learn from every list once, in random order."""
        order = torch.randperm(len(self._known), generator=self._generator)
        for start in range(0, len(order), self._options.batch_lists):
            some = self._known[order[start : start + self._options.batch_lists]]
            self._optimiser.zero_grad()
            loss = _loss(self._network, some, self._options)
            loss.backward()  # type: ignore[no-untyped-call]
            self._optimiser.step()
        self._schedule.step()

    def validation_loss(self) -> float:
        """The loss on the validation lists."""
        with torch.no_grad():
            return float(_loss(self._network, self._unseen, self._options))

    def weights(self) -> dict[str, NDArray[np.float32]]:
        """A copy of the present ones, normalisation included."""
        state = self._network.state_dict()
        return {name: value.numpy().copy() for name, value in state.items()}


def _loss(network: PolicyNetwork, batch: _Batch, options: JointOptions) -> Tensor:
    """The mean over lists of the cross-entropy between the network's order and the label."""
    real = batch.excess_k.isfinite()
    heat: Tensor = network(batch.features[real])[:, 0]
    scores = torch.full_like(batch.excess_k, -torch.inf)
    found = scores.masked_scatter(real, -options.alpha_per_k * heat).log_softmax(dim=1)
    if options.labels == "hard":
        return -found.gather(1, batch.excess_k.argmin(dim=1, keepdim=True)).mean()
    label = (-options.alpha_per_k * batch.excess_k).softmax(dim=1)
    return -(label * found.masked_fill(~real, 0.0)).sum(dim=1).mean()


def quality(network: PolicyNetwork, lists: Sequence[RatedList]) -> ListQuality:
    """How good the network's first choices are."""
    excess = []
    with torch.no_grad():
        for entry in lists:
            heat = network(torch.from_numpy(entry.features))[:, 0].numpy()
            excess.append(float(entry.excess_k[int(heat.argmin())]))
    values = np.array(excess)
    return ListQuality(
        mean_excess_k=float(values.mean()),
        within_share=float((values <= WITHIN_K).mean()),
        lists=len(values),
    )
