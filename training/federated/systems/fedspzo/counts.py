"""How often layers run: by formula, and by hooks on the layers themselves."""

from types import TracebackType
from typing import Any, Self

from torch import nn

from training.federated.systems.fedspzo.chain import Chain


def central_forwards(layers: int, first: int, samples: int) -> int:
    """Layer-forwards of a central step with `first` of the layers in the first block.

    >>> central_forwards(12, 0, 4), central_forwards(12, 9, 4)
    (96, 42)
    """
    return 2 * (first + samples * (layers - first))


def forward_forwards(layers: int, samples: int) -> int:
    """Layer-forwards of a step of `rge-forward`.

    >>> forward_forwards(12, 4)
    60
    """
    return (samples + 1) * layers


def saving(layers: int, first: int, samples: int) -> float:
    """How many times fewer layer-forwards than the same number of directions for all layers.

    >>> round(saving(12, 9, 8), 2)
    2.91
    """
    return central_forwards(layers, 0, samples) / central_forwards(layers, first, samples)


class LayerCounter:
    """Counts how often a chain's layers run, while it is entered."""

    def __init__(self, chain: Chain) -> None:
        self.count = 0
        self._layers = [stage.module for stage in chain.stages if stage.layer]
        self._hooks: list[Any] = []

    def __enter__(self) -> Self:
        self._hooks = [layer.register_forward_hook(self._ran) for layer in self._layers]
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        for hook in self._hooks:
            hook.remove()

    def _ran(self, module: nn.Module, inputs: Any, output: Any) -> None:
        self.count += 1
