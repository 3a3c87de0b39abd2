"""The linear maps of a transformer's layer, in the order in which they are applied."""

from collections.abc import Iterator

from msgspec import Struct

from training.federated.cost.work import Work


class Linear(Struct, frozen=True):
    """A linear map with a bias; `first` where it takes the layer's own input."""

    inputs: int
    outputs: int
    first: bool = False

    @property
    def parameters(self) -> int:
        """Weights and biases."""
        return (self.inputs + 1) * self.outputs

    def lora_parameters(self, rank: int) -> int:
        """Parameters of its LoRA adapter."""
        return rank * (self.inputs + self.outputs)


def layer_linears(work: Work) -> Iterator[Linear]:
    """Query, key, value, attention output, and the two of the FFN."""
    hidden, width, ffn = work.shape.hidden, work.attention_width, work.ffn
    for _ in range(3):
        yield Linear(hidden, width, True)
    yield Linear(width, hidden)
    yield Linear(hidden, ffn)
    yield Linear(ffn, hidden)
