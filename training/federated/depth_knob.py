"""The knob ``depth`` of a BERT classifier: how many of its last layers are trained now."""

import re
from collections.abc import Callable
from typing import Any

from training.federated.models.names import parameters_of

_LAYER = re.compile(r"layer\.(\d+)\.")


def depth_knob(model: Any) -> Callable[[float], None]:
    """A function that lets the last so many layers be trained, of what is trained now.

    With all layers the embeddings are trained too; pooler and head always are. What is frozen now
    stays so. KeyError for a model that is no BERT classifier.
    """
    trained = {n: p for n, p in parameters_of(model).items() if p.requires_grad}
    layers = 1 + max((_layer(name) for name in parameters_of(model)), default=-1)

    def set_depth(depth: float) -> None:
        for name, parameter in trained.items():
            first = 0 if name.startswith("embeddings.") else _layer(name)
            parameter.requires_grad_(first < 0 or first >= layers - depth)

    return set_depth


def _layer(name: str) -> int:
    """The number of the layer that a parameter is of, -1 where it is of none."""
    found = _LAYER.match(name)
    return int(found[1]) if found else -1
