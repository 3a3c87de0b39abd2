"""Tests of the way through rknn-toolkit2: over a stand-in, without it, and with it.

The toolkit asks for numpy and torch of its own. Tests that need the real one run where the
environment variable `ILGOV_RKNN_PYTHON` names a Python that has it; elsewhere they are skipped.
"""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from npu_runtime.contract import check_backend
from npu_runtime.convert.caffe import caffemodel, prototxt
from npu_runtime.convert.rknn import (
    PYTHON_VARIABLE,
    RknnSimulator,
    check_toolkit,
    rknn_python,
)
from npu_runtime.errors import BackendUnavailable, ConversionFailed
from npu_runtime.layers import layered_network
from npu_runtime.load import run_in_batches
from npu_runtime.policy_file import PolicyFile

PYTHON = os.environ.get(PYTHON_VARIABLE)
needs_toolkit = pytest.mark.skipif(
    PYTHON is None, reason=f"{PYTHON_VARIABLE} names no Python with rknn-toolkit2 (6 GB)"
)


STANDIN = Path(__file__).parents[1] / "rknn_standin" / "python"
FAULT = "RKNN_STANDIN_FAULT"

Open = Callable[..., RknnSimulator]


@pytest.fixture
def simulator(shipped: PolicyFile, monkeypatch: pytest.MonkeyPatch) -> Iterator[Open]:
    """Open a simulator of the policy, the stand-in's if no Python is named; it is closed again."""
    monkeypatch.setenv("RKNN_STANDIN_PYTHON", sys.executable)
    with ExitStack() as closed:

        def opened(**options: Any) -> RknnSimulator:
            options = {"batch": 9, "python": STANDIN, **options}
            return closed.enter_context(closing(RknnSimulator(layered_network(shipped), **options)))

        yield opened


def off(file: PolicyFile, simulator: RknnSimulator, rows: np.ndarray) -> np.ndarray:
    """How far each row's scores are from the policy's, as shares of the range."""
    network = layered_network(file)
    expected = network.scores(network.normalised(rows))
    found = run_in_batches(simulator, rows)
    assert expected.shape == found.shape
    return np.abs(found - expected).max(axis=1) / np.ptp(expected)


def test_the_option_counts_before_the_variable_and_this_python_comes_last() -> None:
    """As the command says of itself."""
    environment = {PYTHON_VARIABLE: "/theirs"}
    assert Path("/mine") == rknn_python(Path("/mine"), environment)
    assert Path("/theirs") == rknn_python(None, environment)
    assert Path(sys.executable) == rknn_python(None, {})


def test_the_python_may_be_named_from_here_or_looked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The toolkit works in a folder of its own, where a relative path would lead elsewhere."""
    python = tmp_path / "rknn" / "bin" / "python-of-rknn"
    python.parent.mkdir(parents=True)
    python.symlink_to(sys.executable)
    monkeypatch.chdir(tmp_path)
    assert python == rknn_python(Path("rknn/bin/python-of-rknn"), {})
    monkeypatch.setenv("PATH", str(python.parent))
    assert python == rknn_python(None, {PYTHON_VARIABLE: "python-of-rknn"})


@pytest.mark.parametrize("python", [Path("/no/such/python"), Path(sys.executable)])
def test_without_the_toolkit_the_commands_are_told_that_install_it(
    simulator: Open, python: Path
) -> None:
    """Whether there is no such Python or only no toolkit in it."""
    for asked in (lambda: simulator(python=python), lambda: check_toolkit(python)):
        with pytest.raises(BackendUnavailable) as caught:
            asked()
        said = str(caught.value)
        assert f"{python}: must be a Python with rknn-toolkit2 (No " in said
        assert "python3.11 -m venv rknn && rknn/bin/pip install" in said
        assert "rknn-toolkit2==2.5.0; then say --rknn-python rknn/bin/python" in said


def test_rows_of_features_go_in_and_scores_come_out(
    shipped: PolicyFile, simulator: Open, rows: np.ndarray
) -> None:
    """Scaled before, so that they fit; the file is what the toolkit exported."""
    opened = simulator()
    width = len(shipped.metadata.features)
    assert f"RKNN for rk3588 [9, {width}] with 0".encode() == opened.content
    assert "rknn-toolkit2 9.9" == opened.made_by
    assert (off(shipped, opened, rows) < 0.02).all()


def test_calibration_rows_come_in_whole_batches(simulator: Open, rows: np.ndarray) -> None:
    """The last one filled up: 40 rows are 5 batches of 9."""
    opened = simulator(calibration=rows)
    assert b" with 5" in opened.content
    assert "int8" == opened.capabilities.precision


@pytest.mark.parametrize("step", ["config", "load_onnx", "build", "export_rknn", "init_runtime"])
def test_a_step_of_the_toolkit_that_fails_is_named(
    simulator: Open, step: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With what it said last."""
    monkeypatch.setenv(FAULT, step)
    said = rf"must convert the policy \({step} returned -1\); it said at last: E {step}: it says"
    with pytest.raises(ConversionFailed, match=said):
        simulator()


def test_a_toolkit_that_crashes_is_an_error_too(
    simulator: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It leaves no result at all."""
    monkeypatch.setenv(FAULT, "build crashes")
    said = r"it ended with code -6\); it said at last: E load_onnx: it says something"
    with pytest.raises(ConversionFailed, match=said):
        simulator()


def test_a_simulator_that_fails_is_an_error(
    simulator: Open, rows: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At the first row, and at any after it."""
    monkeypatch.setenv(FAULT, "inference")
    opened = simulator()
    for _ in range(2):
        with pytest.raises(ConversionFailed, match="the simulator must answer"):
            opened.run(rows[:9])


def test_nothing_is_left_of_it(
    simulator: Open, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No files and no process, whether it went well or not."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    simulator().close()
    monkeypatch.setenv(FAULT, "build")
    with pytest.raises(ConversionFailed):
        simulator()
    assert [] == list(tmp_path.iterdir())


# --- the real toolkit -----------------------------------------------------------------------------


@needs_toolkit
def test_the_simulator_computes_what_the_policy_computes(
    shipped: PolicyFile, simulator: Open, rows: np.ndarray
) -> None:
    """In float16: 0.3 % of the range at most, and the last row like the others."""
    opened = simulator(python=Path(str(PYTHON)))
    assert 0 < off(shipped, opened, rows).max() < 3e-3
    assert opened.content.startswith(b"RKNN")
    assert "rknn-toolkit2 2.5.0" == opened.made_by


@needs_toolkit
def test_the_simulator_keeps_every_promise_of_a_back_end(
    shipped: PolicyFile, simulator: Open
) -> None:
    """The same suite as for all others."""
    check_backend(lambda file: simulator(python=Path(str(PYTHON))), shipped)


@needs_toolkit
def test_with_calibration_rows_weights_are_integers(
    shipped: PolicyFile, simulator: Open, rows: np.ndarray
) -> None:
    """The file is smaller, and the scores are farther off, but not at random."""
    python = Path(str(PYTHON))
    half, whole = simulator(python=python), simulator(python=python, calibration=rows)
    assert len(whole.content) < len(half.content)
    offs = [off(shipped, opened, rows).mean() for opened in (half, whole)]
    assert offs[0] < offs[1] < 0.1


_PARSE = """
import importlib.util, json, sys
from google.protobuf import text_format, unknown_fields
spec = importlib.util.find_spec("rknn")
path = list(spec.submodule_search_locations)[0] + "/base/convertor/caffe/proto/caffe_pb2.py"
spec = importlib.util.spec_from_file_location("caffe_pb2", path)
caffe = importlib.util.module_from_spec(spec)
spec.loader.exec_module(caffe)

def unknown(message):
    found = len(unknown_fields.UnknownFieldSet(message))
    for field, value in message.ListFields():
        if field.message_type:
            parts = value if field.label == field.LABEL_REPEATED else [value]
            found += sum(unknown(part) for part in parts)
    return found

binary, text = caffe.NetParameter(), caffe.NetParameter()
binary.ParseFromString(open(sys.argv[2], "rb").read())
text_format.Parse(open(sys.argv[1]).read(), text)
blobs = [[list(blob.shape.dim), len(blob.data)] for layer in binary.layer for blob in layer.blobs]
found = unknown(binary)
for layer in binary.layer:
    del layer.blobs[:]
print(json.dumps({"unknown": found, "same": binary == text, "blobs": blobs}))
"""


@needs_toolkit
def test_caffes_own_definitions_know_every_field_that_is_written(
    shipped: PolicyFile, tmp_path: Path
) -> None:
    """The toolkit brings caffe.proto, compiled. Without weights, both files say the same."""
    network = layered_network(shipped)
    files = [tmp_path / "prototxt", tmp_path / "caffemodel"]
    files[0].write_text(prototxt(network, 9))
    files[1].write_bytes(caffemodel(network, 9))
    command = [str(PYTHON), "-I", "-c", _PARSE, *map(str, files)]
    ended = subprocess.run(command, capture_output=True, text=True, check=True)
    blobs = [
        [list(np.shape(values)), values.size]
        for layer in network.layers
        for values in (layer.weight.T, layer.bias)
    ]
    assert {"unknown": 0, "same": True, "blobs": blobs} == json.loads(ended.stdout)
