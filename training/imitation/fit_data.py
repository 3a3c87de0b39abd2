"""What goes into fitting a network and what comes out: data for other processes, no torch."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from training.imitation.dataset import Split


@dataclass(frozen=True, kw_only=True)
class FitOptions:
    """How a network is trained.

    Decay, patience and the shape of the network are TOP-IL's (arXiv:2206.05459), as recalled and
    not checked against the paper; its learning rate is recalled as 0.01, which validates worse
    here. The batch size is ours. `weight_decay` is AdamW's; with 0 it is the paper's Adam. What
    else was tried, with figures: ``docs/training.md``.
    """

    hidden: tuple[int, ...] = (64, 64, 64, 64)
    learning_rate: float = 0.003
    decay_per_epoch: float = 0.95
    weight_decay: float = 0.0
    batch_size: int = 256
    patience: int = 20
    max_epochs: int = 200


@dataclass(frozen=True, kw_only=True, eq=False)
class FitData:
    """Raw features and labels of both sides of a split."""

    training_features: NDArray[np.float64]
    training_labels: NDArray[np.float64]
    validation_features: NDArray[np.float64]
    validation_labels: NDArray[np.float64]

    @classmethod
    def of(cls, split: Split) -> "FitData":
        """The arrays of a split."""
        return cls(
            training_features=split.training.features,
            training_labels=split.training.labels,
            validation_features=split.validation.features,
            validation_labels=split.validation.labels,
        )

    def widths(self, options: FitOptions) -> tuple[int, ...]:
        """The sizes of features, hidden layers and scores."""
        return (self.training_features.shape[1], *options.hidden, self.training_labels.shape[1])


@dataclass(frozen=True)
class Epoch:
    """The mean squared errors of one epoch (counted from 1) of one seed."""

    seed: int
    epoch: int
    training_loss: float
    validation_loss: float


Progress = Callable[[Epoch], None]
"""What wants to hear of every epoch."""


@dataclass(frozen=True, kw_only=True, eq=False)
class FitResult:
    """A trained network: the weights of the epoch with the least validation loss, by name.

    The losses are mean squared errors, one per epoch. `weights` include the normalisation.
    """

    seed: int
    best_epoch: int
    validation_loss: float
    training_losses: tuple[float, ...]
    validation_losses: tuple[float, ...]
    weights: Mapping[str, NDArray[np.float32]] = field(repr=False)

    @property
    def epochs(self) -> int:
        """How many epochs were trained."""
        return len(self.training_losses)
