"""Tests of policies in float16: what is rounded, what is not, and that back ends agree."""

from pathlib import Path

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from npu_runtime.artifact import sha256
from npu_runtime.backend import Rows
from npu_runtime.convert.half import to_float16
from npu_runtime.errors import ConversionFailed, DamagedPolicyFile
from npu_runtime.layers import LayeredNetwork, layered_network
from npu_runtime.load import BACKENDS, PARITY_TOLERANCE, open_policy
from npu_runtime.policy_file import PolicyFile, parse_policy_file, read_policy_file
from tests.npu_runtime.convert.networks import SHIPPED, likely_rows, random_policy, raw_rows

ROUNDING = 2.0**-11
"""Half a unit in the last place, relative."""

every_shipped = pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
each_backend = pytest.mark.parametrize("backend", sorted(BACKENDS))


def in_half(file: PolicyFile) -> PolicyFile:
    """The file in float16, read as any other."""
    return parse_policy_file(to_float16(file), path=Path("half.onnx"))


def rounded(values: Rows) -> Rows:
    """As float16 holds them."""
    return values.astype(np.float16).astype(np.float32)


def worked_out(network: LayeredNetwork, rows: Rows) -> Rows:
    """Float16 by hand: each layer's sums in float64, then rounded."""
    values = rounded(network.normalised(rows))
    for layer in network.layers:
        weight, bias = rounded(layer.weight).astype("f8"), rounded(layer.bias).astype("f8")
        values = rounded((values.astype("f8") @ weight + bias).astype("f4"))
        values = np.maximum(values, np.float32(0.0)) if layer.relu else values
    return values


@every_shipped
@each_backend
def test_shipped_policies_in_half_open_like_any_other(path: Path, backend: str) -> None:
    """Hash, shapes and parity with the training are checked there."""
    file = read_policy_file(path)
    opened = open_policy(in_half(file), backend=backend)
    rows = file.metadata.parity_rows()[0]
    right = BACKENDS["numpy"](file).run(rows)
    off = float(np.abs(opened.run(rows) - right).max() / np.ptp(right))
    assert 0.0 < off < PARITY_TOLERANCE["float16"] / 5
    assert "float16" == opened.capabilities.precision


def test_what_covers_for_another_back_end_is_exact_where_it_has_the_weights() -> None:
    """A policy in float16 has none in float32; who runs in this process needs nobody else."""
    file = read_policy_file(SHIPPED[0])
    for policy, backend, exact in (
        (file, "numpy", None),
        (file, "isolated:numpy", "float32"),
        (in_half(file), "isolated:numpy", None),
    ):
        opened = open_policy(policy, backend=backend)
        try:
            assert exact == (opened.exact and opened.exact.capabilities.precision)
        finally:
            opened.close()


@every_shipped
def test_layers_are_in_float16_and_the_scaling_is_not(path: Path) -> None:
    """Raw features would overflow."""
    file = read_policy_file(path)
    model = onnx.load_from_string(to_float16(file))
    kinds = {weight.name: weight.data_type for weight in model.graph.initializer}
    full = {name for name, kind in kinds.items() if kind == onnx.TensorProto.FLOAT}
    assert {"mean", "std"} == full
    assert {onnx.TensorProto.FLOAT16} == {kinds[name] for name in kinds.keys() - full}
    assert ["Sub", "Div", "Cast", "Gemm"] == [node.op_type for node in model.graph.node][:4]
    assert len(file.content) > len(to_float16(file))


@every_shipped
def test_the_same_policy_gives_the_same_bytes_and_says_where_they_are_from(path: Path) -> None:
    """All else in the metadata is the policy's own."""
    file = read_policy_file(path)
    half = in_half(file)
    assert to_float16(file) == half.content
    assert ("float16", sha256(file.content)) == (
        half.metadata.precision,
        half.metadata.made_from_sha256,
    )
    for field in ("board", "board_sha256", "features", "outputs", "constants", "parity_outputs"):
        assert getattr(file.metadata, field) == getattr(half.metadata, field), field


@every_shipped
def test_numpy_rounds_behind_every_layer(path: Path) -> None:
    """As an accelerator that sums in float32 does; a sum that is a tie may round the other way."""
    file = read_policy_file(path)
    rows = likely_rows(file, 300)
    expected = worked_out(layered_network(file), rows)
    found = BACKENDS["numpy"](in_half(file)).run(rows)
    assert np.array_equal(rounded(found), found)
    assert 0.9 < float((expected == found).mean())
    assert found == pytest.approx(expected, abs=4 * ROUNDING * float(np.abs(expected).max()))


@settings(max_examples=15)
@given(
    st.integers(0, 10**6),
    st.lists(st.integers(1, 40), min_size=2, max_size=5).map(tuple),
    st.sampled_from([0.3, 1.0, 3.0]),
)
def test_back_ends_agree_on_any_layered_network(
    seed: int, widths: tuple[int, ...], gain: float
) -> None:
    """Within what rounding makes of so many layers, however large the raw features are."""
    file = random_policy(seed, widths, gain=gain)
    rows = raw_rows(seed, widths[0], 20)
    half, network = in_half(file), layered_network(file)
    right = network.scores(network.normalised(rows))
    bound = 8 * ROUNDING * len(network.layers) * largest_sum(network, rows)
    for backend in BACKENDS.values():
        found = backend(half).run(rows)
        assert np.float32 == found.dtype
        assert found == pytest.approx(right, abs=bound)


def largest_sum(network: LayeredNetwork, rows: Rows) -> float:
    """The largest sum of absolute terms on the way: what rounding errors are measured by."""
    values = np.abs(network.normalised(rows))
    for layer in network.layers:
        values = values @ np.abs(layer.weight) + np.abs(layer.bias)
    return float(values.max())


def test_what_float16_does_not_hold_is_refused() -> None:
    """Infinity would spoil every score."""
    with pytest.raises(ConversionFailed, match=r"weights of layer 0 must be at most 65504 .got"):
        to_float16(random_policy(0, (4, 3), gain=1e6))
    with pytest.raises(ConversionFailed, match=r"scaled features must be at most 65504 .got 4e"):
        to_float16(random_policy(0, (4, 3), mean=0.0, std=1.0))


def test_what_is_of_lower_precision_already_is_refused() -> None:
    """Twice rounded would be worse than need be."""
    with pytest.raises(ConversionFailed, match=r"precision must be float32 .got float16"):
        to_float16(in_half(random_policy(0, (4, 3))))


def test_a_cast_to_anything_else_is_refused_by_numpy() -> None:
    """It rounds to float16 alone."""
    content = to_float16(random_policy(0, (4, 3)))
    model = onnx.load_from_string(content)
    for node in model.graph.node:
        for attribute in node.attribute:
            if node.op_type == "Cast":
                attribute.i = onnx.TensorProto.BFLOAT16
    file = in_half(random_policy(0, (4, 3)))
    altered = PolicyFile(path=file.path, metadata=file.metadata, content=model.SerializeToString())
    with pytest.raises(DamagedPolicyFile, match="Cast must be to float16 or float32"):
        BACKENDS["numpy"](altered)
