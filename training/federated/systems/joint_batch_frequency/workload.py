"""What a training step costs a device, whatever the device: the networks that tables are made for.

Counts are of a step in float32 by SGD. FLOPs of transformers come from the cost model; those of
ResNet-18 are the count that is commonly stated for 32 x 32 pixels.
"""

from msgspec import Struct

from training.federated.cost.flops import step_flops
from training.federated.cost.forward import kept_by_layer
from training.federated.cost.parameters import all_parameters
from training.federated.cost.work import FLOAT_BYTES, Work
from training.federated.models.shape import Shape
from training.federated.suffix import whole

_TOUCHES = 4
"""Times that a step moves each kept activation: written, read, and the same for its gradient."""
_WEIGHT_TOUCHES = 5
"""Times that a step moves each weight: forward, backward, its gradient written and read, update."""
_KERNELS_PER_LAYER = 40
"""Kernels that a transformer's layer launches in a step, forward and backward (assumed)."""


class Workload(Struct, frozen=True, kw_only=True):
    """A network in training.

    FLOPs and bytes of memory traffic are per sample, `step_bytes` and `kernels` per step beside.
    """

    name: str
    flops: float
    sample_bytes: float
    step_bytes: float
    kernels: int

    @property
    def weight_bytes(self) -> int:
        """Bytes of its weights, as they travel."""
        return round(self.step_bytes / _WEIGHT_TOUCHES)

    def peak_bytes(self, batch: int) -> int:
        """Weights, gradients, and what is kept of the forward pass."""
        return round(2 * self.weight_bytes + batch * self.sample_bytes / _TOUCHES)


def transformer(name: str, shape: Shape, tokens: int) -> Workload:
    """A transformer of which everything is trained."""
    work = Work(shape=shape, suffix=whole(shape), batch=1, tokens=tokens)
    kept = sum(kept_by_layer(work, index) for index in range(shape.layers))
    return Workload(
        name=name,
        flops=step_flops(work),
        sample_bytes=_TOUCHES * FLOAT_BYTES * kept,
        step_bytes=_WEIGHT_TOUCHES * FLOAT_BYTES * all_parameters(work),
        kernels=_KERNELS_PER_LAYER * shape.layers,
    )


CLASSES = 5


def _shape(layers: int, hidden: int, heads: int, vocabulary: int) -> Shape:
    return Shape(
        layers=layers,
        hidden=hidden,
        heads=heads,
        ffn=4 * hidden,
        vocabulary=vocabulary,
        positions=128,
        types=1,
        classes=CLASSES,
    )


RESNET18 = Workload(
    name="resnet18",
    flops=3 * 2 * 0.56e9,  # 0.56 G multiply-accumulates per image, forward and twice backward
    sample_bytes=_TOUCHES * FLOAT_BYTES * 2.5e6,  # numbers kept per image (assumed)
    step_bytes=_WEIGHT_TOUCHES * FLOAT_BYTES * 11.2e6,  # 11.2 M parameters
    kernels=400,  # assumed
)

WORKLOADS = {
    load.name: load
    for load in (
        RESNET18,
        transformer("transformer-6x256", _shape(6, 256, 8, 8000), 64),
        transformer("tiny-4", _shape(4, 64, 4, 1000), 24),
    )
}
"""Small networks of the kinds that the paper trains, and the project's own tiny transformer.

The paper's has 6 layers, 256 wide, and texts of 64 tokens; 8 heads here, as 256 has no sixth.
"""
