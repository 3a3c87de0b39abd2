"""The steps of pre-training: AdamW, its rate raised and lowered once, gradients clipped."""

from collections.abc import Iterable

import torch
from torch import Tensor, nn

_RAISED = 0.1  # share of the steps in which the rate rises
_LONGEST_GRADIENT = 1.0
_DECAY = 0.01


class Stepper:
    """Takes so many steps on parameters; the rate reaches `learning_rate` and falls to nought."""

    def __init__(
        self, parameters: Iterable[nn.Parameter], *, learning_rate: float, steps: int
    ) -> None:
        self._parameters = list(parameters)
        self._optimiser = torch.optim.AdamW(self._parameters, lr=learning_rate, weight_decay=_DECAY)
        self._schedule = torch.optim.lr_scheduler.OneCycleLR(
            self._optimiser, learning_rate, total_steps=max(steps, 2), pct_start=_RAISED
        )

    def step(self, loss: Tensor) -> None:
        """One step down the gradient of a loss."""
        self._optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(self._parameters, _LONGEST_GRADIENT)
        self._optimiser.step()
        self._schedule.step()
