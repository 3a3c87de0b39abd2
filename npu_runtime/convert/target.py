"""What a policy can be converted for, in which precisions, and whether this one can."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from npu_runtime.errors import ConversionFailed
from npu_runtime.layers import LayeredNetwork, layered_network
from npu_runtime.policy_file import PolicyFile, Precision

DEFAULT_BATCH = 9
"""A row per core of a board of eight, and the canary (`isolation_child.WARM_UP_ROWS`)."""

MOST_ROWS = 1024
"""No batch is larger (chosen): the rows that are missing in a call are computed all the same."""


@dataclass(frozen=True, kw_only=True)
class Target:
    """Something that runs policies: what it takes, and in which precisions, the usual one first.

    `fixed_batch` says that it takes one number of rows alone.
    """

    name: str
    takes: str
    precisions: tuple[Precision, ...]
    fixed_batch: bool


TARGETS: Mapping[str, Target] = {
    target.name: target
    for target in (
        Target(
            name="kirin970",
            takes="Caffe's prototxt and caffemodel, for the back end hiai",
            precisions=("float32",),
            fixed_batch=True,
        ),
        Target(
            name="rk3588",
            takes="a .rknn file, for the back end rknn",
            precisions=("float16", "int8"),
            fixed_batch=True,
        ),
        Target(
            name="onnx",
            takes="a policy file of lower precision, for onnxruntime",
            precisions=("float16", "int8"),
            fixed_batch=False,
        ),
    )
}


def precision_for(target: Target, asked: Precision | None) -> Precision:
    """The precision that was asked for, else the target's usual one.

    Raises ConversionFailed where the target does not take it.
    """
    if asked is None:
        return target.precisions[0]
    if asked not in target.precisions:
        raise ConversionFailed(
            f"--precision must be {' or '.join(target.precisions)} with --target {target.name} "
            f"(got {asked})"
        )
    return asked


def batch_for(target: Target, asked: int | None) -> int | None:
    """The number of rows of every call, None where any number goes; ConversionFailed if absurd."""
    if not target.fixed_batch:
        if asked is not None:
            raise ConversionFailed(
                f"--batch must not be given with --target {target.name} (got {asked}): "
                "it takes any number of rows"
            )
        return None
    batch = DEFAULT_BATCH if asked is None else asked
    if not 1 <= batch <= MOST_ROWS:
        raise ConversionFailed(f"--batch must be 1 ... {MOST_ROWS} (got {batch})")
    return batch


def convertible(file: PolicyFile) -> LayeredNetwork:
    """The network as scaling and layers; ConversionFailed where it cannot be carried over."""
    precision = file.metadata.precision or "float32"
    if precision != "float32":
        raise ConversionFailed(
            f"{file.path}: precision must be float32 (got {precision}); convert the policy that "
            "this one was made from"
        )
    try:
        network = layered_network(file)
    except ValueError as error:
        raise ConversionFailed(
            f"{file.path}: the network cannot be carried over: {error}; "
            "'ilgov train' and 'ilgov train-ilgov' write such as can"
        ) from error
    _check_numbers(file, network)
    return network


def _check_numbers(file: PolicyFile, network: LayeredNetwork) -> None:
    matrices = [values for layer in network.layers for values in (layer.weight, layer.bias)]
    for values in (network.mean, network.std, *matrices):
        if not np.isfinite(values).all():
            raise ConversionFailed(f"{file.path}: weights must be finite; train the policy again")
    if not (network.std > 0).all():
        raise ConversionFailed(
            f"{file.path}: the spread that features are divided by must be positive "
            f"(got {network.std.min():g}); train the policy again"
        )
