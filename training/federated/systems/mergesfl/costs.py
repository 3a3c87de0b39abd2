"""What a sample and a model cost on a worker: of our small network, or of one it stands for."""

from dataclasses import dataclass

from msgspec import Struct

from platforms.errors import InvalidInput
from training.federated.cost.mlp import mlp_bytes, mlp_parameters, mlp_peak_bytes, mlp_step_flops
from training.federated.cost.work import FLOAT_BYTES

LABEL_BYTES = 8
"""A label on the wire is an int64 (the published code counts 2 bytes)."""


class Costs(Struct, frozen=True, kw_only=True):
    """FLOPs and bytes of one sample's step, bytes of the two halves, and a worker's memory.

    `whole_` is of both halves, which is what a worker trains in FedAvg. Memory is fixed plus so
    much per sample of the batch.
    """

    bottom_flops: float
    whole_flops: float
    feature_bytes: float
    bottom_bytes: float
    whole_bytes: float
    bottom_memory: tuple[float, float]
    whole_memory: tuple[float, float]


def costs_of(stand_in: str, *, inputs: int, hidden: int, classes: int) -> Costs:
    """The costs of the network of these sizes ("") or of the one that it stands for."""
    if not stand_in:
        return _perceptron(inputs, hidden, classes)
    if stand_in not in STAND_INS:
        raise InvalidInput(
            f"stand_in must be nothing or one of {', '.join(STAND_INS)} (got {stand_in})"
        )
    return _layered(*STAND_INS[stand_in])


def _perceptron(inputs: int, hidden: int, classes: int) -> Costs:
    bottom, whole = [inputs, hidden], [inputs, hidden, hidden, classes]
    return Costs(
        bottom_flops=mlp_step_flops(bottom, 1),
        whole_flops=mlp_step_flops(whole, 1),
        feature_bytes=FLOAT_BYTES * hidden,
        bottom_bytes=mlp_bytes(bottom),
        whole_bytes=mlp_bytes(whole),
        bottom_memory=_memory(bottom),
        whole_memory=_memory(whole),
    )


def _memory(sizes: list[int]) -> tuple[float, float]:
    fixed = 2 * FLOAT_BYTES * mlp_parameters(sizes)
    return fixed, mlp_peak_bytes(sizes, 1) - fixed


@dataclass(frozen=True)
class Layer:
    """A layer for one sample: parameters, multiply-accumulates, and numbers it gives."""

    parameters: int
    products: int
    outputs: int


def convolution(inputs: int, outputs: int, kernel: int, side: int, pooled: int = 1) -> Layer:
    """A convolution with `side` x `side` places of output, `pooled` of them to one.

    >>> convolution(3, 64, 3, 16)
    Layer(parameters=1792, products=442368, outputs=16384)
    """
    weights = inputs * outputs * kernel**2
    return Layer(weights + outputs, weights * side**2, outputs * side**2 // pooled)


def linear(inputs: int, outputs: int) -> Layer:
    """A linear map."""
    return Layer((inputs + 1) * outputs, inputs * outputs, outputs)


STAND_INS: dict[str, tuple[int, tuple[Layer, ...], tuple[Layer, ...]]] = {
    "alexnet-cifar10": (
        3 * 32 * 32,
        (
            convolution(3, 64, 3, 16),
            convolution(64, 192, 3, 8),
            convolution(192, 384, 3, 4),
            convolution(384, 256, 3, 4),
            Layer(
                convolution(256, 256, 3, 4).parameters, convolution(256, 256, 3, 4).products, 1024
            ),
        ),
        (linear(1024, 4096), linear(4096, 4096), linear(4096, 10)),
    ),
}
"""Inputs, bottom and top of networks: an AlexNet for images of 32 x 32, split before its linear
layers as in the published code; sizes of the layers are assumed (a common small variant, the last
convolution pooled to 2 x 2 x 256)."""


def _layered(inputs: int, bottom: tuple[Layer, ...], top: tuple[Layer, ...]) -> Costs:
    whole = (*bottom, *top)
    return Costs(
        bottom_flops=_step_flops(bottom),
        whole_flops=_step_flops(whole),
        feature_bytes=FLOAT_BYTES * bottom[-1].outputs,
        bottom_bytes=_bytes(bottom),
        whole_bytes=_bytes(whole),
        bottom_memory=_layers_memory(inputs, bottom),
        whole_memory=_layers_memory(inputs, whole),
    )


def _step_flops(layers: tuple[Layer, ...]) -> float:
    """Forward and both gradients; the first layer's input wants none."""
    return 6.0 * sum(layer.products for layer in layers) - 2.0 * layers[0].products


def _bytes(layers: tuple[Layer, ...]) -> float:
    return float(FLOAT_BYTES * sum(layer.parameters for layer in layers))


def _layers_memory(inputs: int, layers: tuple[Layer, ...]) -> tuple[float, float]:
    """Weights and gradients; inputs, and what each layer gives before and after its ReLU."""
    numbers = inputs + sum(2 * layer.outputs for layer in layers)
    return 2 * _bytes(layers), float(FLOAT_BYTES * numbers)
