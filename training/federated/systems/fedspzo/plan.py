"""What a method does in one local step, and what that costs."""

from typing import Literal

from msgspec import Struct

from platforms.errors import InvalidInput
from training.federated.systems.fedspzo.counts import central_forwards, forward_forwards
from training.federated.systems.fedspzo.options import Options

Carrier = Literal["history", "pool", "weights"]
"""What travels: slopes along directions of the round, sums per seed of a pool, or all weights."""

_CARRIERS: dict[str, Carrier] = {"fedkseed": "pool", "fedmezo": "weights"}


class Plan(Struct, frozen=True, kw_only=True):
    """A method on a network of `layers` layers.

    A step estimates along one direction in the first `first` layers (and the embeddings, where
    `split`) and along `samples` in the rest; `central` by a pass to either side, else by one pass
    forward against one on the weights as they are.
    """

    carrier: Carrier
    layers: int
    split: bool
    first: int
    samples: int
    central: bool
    steps: int

    @property
    def step_forwards(self) -> int:
        """Layer-forwards of one local step."""
        return _step_forwards(self.layers, self.first, self.samples, central=self.central)

    @property
    def round_forwards(self) -> int:
        """Layer-forwards of one device in one round."""
        return self.steps * self.step_forwards


def plan_of(method: str, options: Options, layers: int) -> Plan:
    """The plan of a method; InvalidInput where the split lies outside the network."""
    if options.split > layers:
        raise InvalidInput(
            f"split must be at most the model's {layers} layers (got {options.split})"
        )
    split = method == "fedspzo"
    first = (options.split if options.split >= 0 else 3 * layers // 4) if split else 0
    samples = options.samples if method in ("fedspzo", "mezo-k", "decomfl") else 1
    central = method != "decomfl" or options.estimator == "rge-central"
    cost = _step_forwards(layers, first, samples, central=central)
    return Plan(
        carrier=_CARRIERS.get(method, "history"),
        layers=layers,
        split=split,
        first=first,
        samples=samples,
        central=central,
        steps=options.local_steps or max(1, options.budget // cost),
    )


def _step_forwards(layers: int, first: int, samples: int, *, central: bool) -> int:
    if central:
        return central_forwards(layers, first, samples)
    return forward_forwards(layers, samples)
