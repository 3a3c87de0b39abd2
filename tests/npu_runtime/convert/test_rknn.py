"""Tests of the way through rknn-toolkit2: its messages without it, its simulator with it.

The toolkit asks for numpy and torch of its own. The tests that need it run where the environment
variable `ILGOV_RKNN_PYTHON` names a Python that has it; elsewhere they are skipped.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from npu_runtime.convert.caffe import caffemodel, prototxt
from npu_runtime.convert.rknn import PYTHON_VARIABLE, rknn_python, to_rknn
from npu_runtime.errors import BackendUnavailable, ConversionFailed
from npu_runtime.layers import layered_network
from npu_runtime.policy_file import PolicyFile

PYTHON = os.environ.get(PYTHON_VARIABLE)
needs_toolkit = pytest.mark.skipif(
    PYTHON is None, reason=f"{PYTHON_VARIABLE} names no Python with rknn-toolkit2 (6 GB)"
)


def program(folder: Path, *lines: str) -> Path:
    """A file that runs as Python, whatever its arguments."""
    path = folder / "python"
    path.write_text("\n".join([f"#!{sys.executable}", "import json, os, sys", *lines]))
    path.chmod(0o755)
    return path


def test_the_option_counts_before_the_variable_and_this_python_comes_last() -> None:
    """As the command says of itself."""
    environment = {PYTHON_VARIABLE: "/theirs"}
    assert Path("/mine") == rknn_python(Path("/mine"), environment)
    assert Path("/theirs") == rknn_python(None, environment)
    assert Path(sys.executable) == rknn_python(None, {})


@pytest.mark.parametrize("python", [Path("/no/such/python"), Path(sys.executable)])
def test_without_the_toolkit_the_commands_are_told_that_install_it(
    shipped: PolicyFile, rows: np.ndarray, python: Path
) -> None:
    """Whether there is no such Python or only no toolkit in it."""
    with pytest.raises(BackendUnavailable) as caught:
        to_rknn(layered_network(shipped), rows, batch=9, python=python)
    said = str(caught.value)
    assert f"{python}: must be a Python with rknn-toolkit2" in said
    assert "python3.11 -m venv rknn && rknn/bin/pip install" in said
    assert "rknn-toolkit2==2.5.0; then say --rknn-python rknn/bin/python" in said


def test_a_step_of_the_toolkit_that_fails_is_named(
    shipped: PolicyFile, rows: np.ndarray, tmp_path: Path
) -> None:
    """With what it said last."""
    python = program(
        tmp_path,
        "print('E build: no')",
        "json.dump({'failed': 'build returned -1', 'version': '2'}, open('result.json', 'w'))",
        "sys.exit(1)",
    )
    said = r"must convert the policy \(build returned -1\); it said at last: E build: no"
    with pytest.raises(ConversionFailed, match=said):
        to_rknn(layered_network(shipped), rows, batch=9, python=python)


def test_a_toolkit_that_crashes_is_an_error_too(
    shipped: PolicyFile, rows: np.ndarray, tmp_path: Path
) -> None:
    """It leaves no result at all."""
    python = program(tmp_path, "os.abort()")
    with pytest.raises(
        ConversionFailed, match=r"it ended with code -6\); it said at last: nothing"
    ):
        to_rknn(layered_network(shipped), rows, batch=9, python=python)


@needs_toolkit
def test_the_simulator_computes_what_the_policy_computes(
    shipped: PolicyFile, rows: np.ndarray
) -> None:
    """In float16: 0.3 % of the range at most, and the last row like the others."""
    network = layered_network(shipped)
    done = to_rknn(network, rows, batch=9, python=Path(str(PYTHON)))
    expected = network.scores(network.normalised(rows))
    assert expected.shape == done.scores.shape
    off = np.abs(done.scores - expected).max(axis=1) / np.ptp(expected)
    assert 0 < off.max() < 3e-3
    assert done.content.startswith(b"RKNN")
    assert "2.5.0" == done.version


@needs_toolkit
def test_with_calibration_rows_weights_are_integers(shipped: PolicyFile, rows: np.ndarray) -> None:
    """The file is smaller, and the scores are farther off, but not at random."""
    network = layered_network(shipped)
    python = Path(str(PYTHON))
    half = to_rknn(network, rows, batch=9, python=python)
    whole = to_rknn(network, rows, batch=9, python=python, calibration=rows)
    expected = network.scores(network.normalised(rows))
    offs = [np.abs(x.scores - expected).mean() / np.ptp(expected) for x in (half, whole)]
    assert len(whole.content) < len(half.content)
    assert offs[0] < offs[1] < 0.05


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
