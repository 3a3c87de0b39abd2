"""A policy in int8: weights per output, activations per layer, with scales from real rows.

Static quantisation in ONNX's own terms (QuantizeLinear, DequantizeLinear): whatever runs the file
may compute in integers between the two. Weights are symmetric. So is what may be negative; behind a
ReLU all 256 steps go to what is positive.
"""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from onnx import TensorProto

from npu_runtime.backend import Rows
from npu_runtime.convert.half import half_layer
from npu_runtime.convert.policy_onnx import Chain, as_policy, scaled
from npu_runtime.convert.target import convertible
from npu_runtime.errors import ConversionFailed
from npu_runtime.layers import Layer, LayeredNetwork
from npu_runtime.policy_file import PolicyFile

Calibration = Literal["largest", "least-error"]
"""How far a layer's activations may reach: the largest that occurred, or where clipping what lies
beyond, and rounding what lies below, are together the least (mean square)."""

LEAST_ROWS = 100
"""Fewer rows say too little of a layer's range (vendors' tools ask for 20 to 200)."""

_LEVELS = 127
_TRIED_SHARES = np.linspace(0.2, 1.0, 81)


@dataclass(frozen=True)
class Steps:
    """How a layer's values are written: ``scale * (number - zero)``, numbers in -128 ... 127."""

    scale: np.float32
    zero: np.int8

    def rounded(self, values: Rows) -> Rows:
        """`values` as they come back."""
        numbers = np.clip(np.rint(values / self.scale) + self.zero, -128, _LEVELS)
        back: Rows = ((numbers - self.zero) * self.scale).astype(np.float32)
        return back


def to_int8(
    file: PolicyFile,
    rows: Rows,
    *,
    calibration: Calibration = "least-error",
    in_float16: Collection[int] = (),
) -> bytes:
    """The bytes of a policy file in int8, the same every time.

    `rows` are raw features as the policy meets them, `in_float16` the numbers of layers, the first
    being 0, that stay in float16 (hybrid quantisation, as the RK3588's toolkit offers it).

    Raises ConversionFailed where the policy is no scaling and layers in float32, where there are
    too few rows or one is not finite, or where no such layer is.
    """
    network = convertible(file)
    _check(file, network, rows, in_float16)
    steps = _calibrated(network, rows, calibration)
    chain = scaled(network)
    is_half = False
    for place, layer in enumerate(network.layers):
        if place in in_float16:
            is_half = _enter(chain, is_half, to_half=True)
            half_layer(chain, place, layer.weight, layer.bias, relu=layer.relu)
            continue
        is_half = _enter(chain, is_half, to_half=False)
        _through(chain, f"values{place}", steps[place])
        _layer(chain, place, layer, steps[place])
    _enter(chain, is_half, to_half=False)
    if len(network.layers) - 1 not in in_float16:
        _through(chain, "output", steps[-1])
    return as_policy(file, chain, "int8")


def _check(
    file: PolicyFile, network: LayeredNetwork, rows: Rows, in_float16: Collection[int]
) -> None:
    if rows.ndim != 2 or rows.shape[1] != network.width or len(rows) < LEAST_ROWS:
        raise ConversionFailed(
            f"{file.path}: calibration rows must be ({LEAST_ROWS} or more, {network.width}) "
            f"(got {rows.shape}); take them from episodes that the policy governs"
        )
    if not np.isfinite(rows).all():
        raise ConversionFailed(f"{file.path}: calibration rows must be finite")
    wrong = sorted(set(in_float16) - set(range(len(network.layers))))
    last = len(network.layers) - 1
    if wrong or len(set(in_float16)) > last:
        raise ConversionFailed(
            f"{file.path}: in_float16 must name some of the layers 0 ... {last}, not all "
            f"(got {sorted(in_float16)})"
        )


def _calibrated(network: LayeredNetwork, rows: Rows, how: Calibration) -> list[Steps]:
    """What goes into each layer, and what comes out of the last."""
    values = network.normalised(rows)
    found = [_steps(values, how, positive=False)]
    for layer in network.layers:
        values = values @ layer.weight + layer.bias
        if layer.relu:
            values = np.maximum(values, np.float32(0.0))
        found.append(_steps(values, how, positive=layer.relu))
    return found


def _steps(values: Rows, how: Calibration, *, positive: bool) -> Steps:
    zero, levels = (-128, 255) if positive else (0, _LEVELS)
    largest = max(float(np.abs(values).max()), float(np.finfo(np.float32).tiny))
    tried = [
        Steps(np.float32(largest * share / levels), np.int8(zero))
        for share in (_TRIED_SHARES if how == "least-error" else (1.0,))
    ]
    return min(tried, key=lambda steps: float(np.square(steps.rounded(values) - values).mean()))


def _enter(chain: Chain, is_half: bool, *, to_half: bool) -> bool:
    """Cast where the next layer takes another precision than flows now; which one flows then."""
    if to_half != is_half:
        chain.then("Cast", to=TensorProto.FLOAT16 if to_half else TensorProto.FLOAT)
    return to_half


def _through(chain: Chain, name: str, steps: Steps) -> None:
    """Round what flows to int8."""
    names = (
        chain.weight(f"{name}_scale", np.array(steps.scale)),
        chain.weight(f"{name}_zero", np.array(steps.zero)),
    )
    chain.then("QuantizeLinear", *names)
    chain.then("DequantizeLinear", *names)


def _layer(chain: Chain, place: int, layer: Layer, incoming: Steps) -> None:
    scale = _scale_per_output(layer)
    weight = _written(chain, f"weight{place}", np.rint(layer.weight / scale), np.int8, scale)
    bias_scale = scale * incoming.scale
    bias = _written(chain, f"bias{place}", np.rint(layer.bias / bias_scale), np.int32, bias_scale)
    chain.then("Gemm", weight, bias)
    if layer.relu:
        chain.then("Relu")


def _scale_per_output(layer: Layer) -> NDArray[np.float32]:
    largest = np.abs(layer.weight).max(axis=0)
    scale: NDArray[np.float32] = np.where(largest > 0.0, largest / _LEVELS, 1.0).astype(np.float32)
    return scale


def _written(
    chain: Chain, name: str, numbers: NDArray[Any], kind: type, scale: NDArray[np.float32]
) -> str:
    """Add weights with a scale per output; the name of what they are in float32."""
    limits = np.iinfo(kind)
    held: NDArray[Any] = np.clip(numbers.astype(np.float64), limits.min, limits.max).astype(kind)
    names = chain.weight(name, held), chain.weight(f"{name}_scale", scale)
    return chain.aside("DequantizeLinear", *names, axis=held.ndim - 1)
