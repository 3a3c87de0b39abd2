"""The networks whose training is described, and what their steps ask of a processor.

FLOPs and memory of transformers come from the cost model, by trainable depth; what is launched and
moved follows `joint_batch_frequency.workload`, where frozen layers do a forward pass only.
"""

from collections.abc import Mapping

from msgspec import Struct

from platforms.errors import InvalidInput
from platforms.training_work import TrainingWork
from training.federated.cost.flops import step_flops
from training.federated.cost.forward import kept_by_layer
from training.federated.cost.memory import peak_bytes
from training.federated.cost.parameters import all_parameters, embedding_parameters, top_parameters
from training.federated.cost.parameters import layer_parameters as parameters_of_layer
from training.federated.cost.work import FLOAT_BYTES, Work
from training.federated.models.shape import Shape
from training.federated.suffix import Suffix, whole
from training.federated.systems.joint_batch_frequency.workload import CLASSES, RESNET18

BATCHES = (4, 8, 16, 32, 64, 128)
"""Batch sizes that are described; 128 is what the power-cap state of the art keeps."""

REFERENCE_BATCH = 16
"""The batch of the first setting, whose samples are the reference samples."""

_TOUCHES = 4
"""Times that a step moves each kept activation: written, read, and the same for its gradient."""
_FORWARD_TOUCHES = 2
"""The same in a frozen layer: written and read."""
_WEIGHT_TOUCHES = 5
"""The same of each trained weight: forward, backward, its gradient written and read, update."""
_KERNELS = 40
_FORWARD_KERNELS = 13
"""Kernels that a layer launches in a step (assumed), and in a forward pass (a third, assumed)."""


class Network(Struct, frozen=True, kw_only=True):
    """A network in training: a transformer of some shape on texts, or ResNet-18 (no shape)."""

    name: str
    title: str
    shape: Shape | None = None
    tokens: int = 0
    depths: tuple[int, ...] = ()


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


NETWORKS: Mapping[str, Network] = {
    network.name: network
    for network in (
        Network(
            name="tiny-4",
            title="BERT of 4 layers, 64 wide, on texts of 24 tokens",
            shape=_shape(4, 64, 4, 1000),
            tokens=24,
            depths=(4, 3, 2, 1),
        ),
        Network(
            name="transformer-6x256",
            title="BERT of 6 layers, 256 wide, on texts of 64 tokens",
            shape=_shape(6, 256, 8, 8000),
            tokens=64,
            depths=(6, 4, 2, 1),
        ),
        Network(name="resnet18", title="ResNet-18 on images of 32 x 32"),
    )
}


def network(name: str) -> Network:
    """A network by its name; InvalidInput where it is none of `NETWORKS`."""
    if name not in NETWORKS:
        raise InvalidInput(f"model must be one of {', '.join(NETWORKS)} (got {name})")
    return NETWORKS[name]


def works_of(found: Network, factors: Mapping[int, float]) -> tuple[TrainingWork, ...]:
    """What every setting asks, the reference first: the whole network, `REFERENCE_BATCH`.

    `factors` are times as many samples as the whole network takes, by trainable depth.
    """
    order = (REFERENCE_BATCH, *(batch for batch in BATCHES if batch != REFERENCE_BATCH))
    if found.shape is None:
        return tuple(_resnet18(batch) for batch in order)
    return tuple(
        _transformer(found, found.shape, batch, depth, factors[depth])
        for depth in found.depths
        for batch in order
    )


def suffix_of(shape: Shape, depth: int) -> Suffix:
    """What `depth` trains: that many last layers, or with all of them the embeddings too.

    InvalidInput where the shape has fewer layers.
    """
    if depth > shape.layers:
        raise InvalidInput(f"depth must be at most the {shape.layers} layers (got {depth})")
    return whole(shape) if depth == shape.layers else Suffix(depth=depth)


def _transformer(
    found: Network, shape: Shape, batch: int, depth: int, factor: float
) -> TrainingWork:
    def work(texts: int) -> Work:
        suffix = suffix_of(shape, depth)
        return Work(shape=shape, suffix=suffix, batch=texts, tokens=found.tokens)

    one, frozen = work(1), shape.layers - depth
    kept = kept_by_layer(one, 0)
    touches = _TOUCHES * depth + _FORWARD_TOUCHES * frozen
    moved = _WEIGHT_TOUCHES * trained_weights(one) + (all_parameters(one) - trained_weights(one))
    return TrainingWork(
        knobs={"batch": batch, "depth": depth},
        flops=step_flops(one),
        sample_bytes=touches * FLOAT_BYTES * kept,
        step_bytes=FLOAT_BYTES * moved,
        kernels=_KERNELS * depth + _FORWARD_KERNELS * frozen,
        memory_bytes=peak_bytes(work(batch)),
        samples_factor=factor,
    )


def trained_weights(work: Work) -> int:
    """Parameters that a step changes, without adapters."""
    embeddings = embedding_parameters(work) if work.suffix.embeddings else 0
    return embeddings + work.depth * parameters_of_layer(work) + top_parameters(work)


def _resnet18(batch: int) -> TrainingWork:
    return TrainingWork(
        knobs={"batch": batch},
        flops=RESNET18.flops,
        sample_bytes=RESNET18.sample_bytes,
        step_bytes=RESNET18.step_bytes,
        kernels=RESNET18.kernels,
        memory_bytes=RESNET18.peak_bytes(batch),
    )
