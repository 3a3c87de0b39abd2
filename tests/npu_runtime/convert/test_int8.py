"""Tests of policies in int8: what is written, that it runs in integers, and what is refused."""

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from npu_runtime.backend import Rows
from npu_runtime.convert.int8 import Calibration, Steps, to_int8
from npu_runtime.errors import ConversionFailed, DamagedPolicyFile
from npu_runtime.layers import layered_network
from npu_runtime.load import BACKENDS, open_policy
from npu_runtime.policy_file import PolicyFile, parse_policy_file, read_policy_file
from tests.npu_runtime.convert.networks import SHIPPED, likely_rows, random_policy, raw_rows

every_shipped = pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)


def read(content: bytes) -> PolicyFile:
    """The file, read as any other."""
    return parse_policy_file(content, path=Path("int8.onnx"))


def weights(content: bytes) -> dict[str, np.ndarray]:
    """The weights in a file by name."""
    model = onnx.load_from_string(content)
    return {each.name: numpy_helper.to_array(each) for each in model.graph.initializer}


def error(file: PolicyFile, content: bytes, rows: Rows) -> float:
    """How far scores are off in the mean, as a share of their range."""
    network = layered_network(file)
    right = network.scores(network.normalised(rows))
    found = BACKENDS["onnxruntime"](read(content)).run(rows)
    return float(np.abs(found - right).mean() / np.ptp(right))


@every_shipped
def test_weights_are_int8_per_output_and_symmetric(path: Path) -> None:
    """A column that is small all over keeps its precision."""
    file = read_policy_file(path)
    found = weights(to_int8(file, likely_rows(file, 500)))
    for place, layer in enumerate(layered_network(file).layers):
        numbers, scale = found[f"weight{place}"], found[f"weight{place}_scale"]
        assert (np.int8, layer.weight.shape) == (numbers.dtype, numbers.shape)
        assert layer.bias.shape == scale.shape
        assert np.all(np.abs(numbers).max(axis=0) == 127)
        assert numbers * scale == pytest.approx(layer.weight, abs=float(scale.max()) / 2 * 1.001)
    assert {0} == {int(found[name]) for name in ("values0_zero", "output_zero")}
    assert -128 == found["values1_zero"]


@every_shipped
@pytest.mark.parametrize("calibration", ["largest", "least-error"])
def test_a_shipped_policy_in_int8_is_near_its_own(path: Path, calibration: Calibration) -> None:
    """Scores off by a hundredth of their range at most in the mean, and not by nothing."""
    file = read_policy_file(path)
    rows = likely_rows(file, 1000)
    content = to_int8(file, rows, calibration=calibration)
    assert 1e-4 < error(file, content, rows) < 1e-2
    assert len(content) < len(file.content)
    assert "int8" == read(content).metadata.precision


@every_shipped
def test_layers_that_stay_in_float16_make_it_better(path: Path) -> None:
    """The first and the last are what is worth most."""
    file = read_policy_file(path)
    rows = likely_rows(file, 1000)
    last = len(layered_network(file).layers) - 1
    hybrid = to_int8(file, rows, in_float16=(0, last))
    assert error(file, hybrid, rows) < 0.8 * error(file, to_int8(file, rows), rows)
    kinds = {name: values.dtype for name, values in weights(hybrid).items()}
    assert np.float16 == kinds["weight0"] == kinds[f"weight{last}"]
    assert np.int8 == kinds["weight1"]


def test_the_same_rows_give_the_same_bytes() -> None:
    """A conversion can be made again, and compared."""
    file, rows = random_policy(1, (6, 16, 3)), raw_rows(1, 6, 200)
    assert to_int8(file, rows) == to_int8(file, rows.copy())
    assert to_int8(file, rows) != to_int8(file, 0.5 * rows)


@pytest.mark.parametrize("widths", [(3, 2), (6, 16, 3), (6, 16, 16, 16, 4)])
def test_onnxruntime_computes_what_the_steps_say(widths: tuple[int, ...]) -> None:
    """Worked out by hand: round, multiply, add, round."""
    file, rows = random_policy(5, widths), raw_rows(5, widths[0], 200)
    content = to_int8(file, rows)
    found, network = weights(content), layered_network(file)
    values = network.normalised(rows)
    for place, layer in enumerate(network.layers):
        values = steps(found, f"values{place}").rounded(values)
        scale = found[f"weight{place}_scale"]
        bias_scale = found[f"bias{place}_scale"]
        values = values @ (found[f"weight{place}"] * scale) + found[f"bias{place}"] * bias_scale
        values = np.maximum(values, np.float32(0.0)) if layer.relu else values
    expected = steps(found, "output").rounded(values)
    given = BACKENDS["onnxruntime"](read(content)).run(rows)
    a_step = float(found["output_scale"])
    assert given == pytest.approx(expected, abs=1.01 * a_step)
    assert 0.9 < float((np.abs(given - expected) < a_step / 2).mean())


def steps(found: dict[str, np.ndarray], name: str) -> Steps:
    """How a layer's values are written."""
    return Steps(np.float32(found[f"{name}_scale"]), np.int8(found[f"{name}_zero"]))


def test_few_far_values_are_clipped_where_that_is_the_lesser_error() -> None:
    """One value that is ten times as large as any would cost all others their precision."""
    file, rows = random_policy(3, (4, 3)), raw_rows(3, 4, 30_000)
    rows[7, 0] = 4e10
    scales = {
        how: float(weights(to_int8(file, rows, calibration=how))["values0_scale"])
        for how in ("largest", "least-error")
    }
    assert 38.0 / 127 == pytest.approx(scales["largest"], rel=1e-3)
    assert scales["least-error"] < 0.75 * scales["largest"]


def test_numpy_refuses_int8_and_auto_takes_onnxruntime() -> None:
    """The reference runs no integers; what covers for an accelerator is onnxruntime then."""
    path = SHIPPED[-1]
    file = read_policy_file(path)
    content = to_int8(file, likely_rows(file, 500))
    with pytest.raises(DamagedPolicyFile, match="use the back end onnxruntime"):
        open_policy(read(content), backend="numpy")


def test_rows_that_say_too_little_are_refused() -> None:
    """Scales from a handful of rows, or from none that are finite, would be guesses."""
    file, rows = random_policy(1, (6, 16, 3)), raw_rows(1, 6, 200)
    with pytest.raises(ConversionFailed, match=r"must be \(100 or more, 6\) .got \(99, 6\)"):
        to_int8(file, rows[:99])
    with pytest.raises(ConversionFailed, match=r"got \(200, 5\)"):
        to_int8(file, rows[:, :5])
    rows[3, 2] = np.nan
    with pytest.raises(ConversionFailed, match="calibration rows must be finite"):
        to_int8(file, rows)


@pytest.mark.parametrize("wrong", [(2,), (0, 1)])
def test_layers_that_are_not_there_or_all_of_them_are_refused(wrong: tuple[int, ...]) -> None:
    """What is in float16 altogether is not in int8."""
    file, rows = random_policy(1, (6, 16, 3)), raw_rows(1, 6, 200)
    with pytest.raises(ConversionFailed, match=r"in_float16 must name some of the layers 0 ... 1"):
        to_int8(file, rows, in_float16=wrong)
