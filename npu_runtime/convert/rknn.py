"""Make a policy's layers into a file for Rockchip's NPUs, through rknn-toolkit2 in its own Python.

The toolkit's simulator runs the result as well: what it says of scores is measured, what it says of
speed would mean nothing.
"""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from npu_runtime.backend import Rows
from npu_runtime.convert import rknn_script
from npu_runtime.convert.layers_onnx import INPUT, layers_onnx
from npu_runtime.errors import BackendUnavailable, ConversionFailed
from npu_runtime.layers import LayeredNetwork

PYTHON_VARIABLE = "ILGOV_RKNN_PYTHON"
PLATFORM = "rk3588"
MOST_S = 600.0
"""The longest that the toolkit may take; with our networks it takes seconds."""

INSTALL = (
    "python3.11 -m venv rknn",
    "rknn/bin/pip install 'setuptools<80' rknn-toolkit2==2.5.0",
)
"""Commands that make a Python with the toolkit: x86-64 or aarch64, Python 3.8 ... 3.12, and about
6 GB of disk for the torch that it asks for."""


@dataclass(frozen=True, kw_only=True)
class Simulated:
    """A .rknn file, the simulator's scores of the rows that were asked for, and the toolkit."""

    content: bytes
    scores: Rows
    version: str


def rknn_python(option: Path | None, environment: Mapping[str, str]) -> Path:
    """The Python with the toolkit: the option's, else the variable's, else this one."""
    if option is not None:
        return option
    return Path(environment.get(PYTHON_VARIABLE) or sys.executable)


def to_rknn(
    network: LayeredNetwork,
    rows: Rows,
    *,
    batch: int,
    python: Path,
    calibration: Rows | None = None,
) -> Simulated:
    """The layers as a .rknn file for calls of `batch` rows, and its scores of raw `rows`.

    Weights and values are float16; with `calibration` (raw rows to see the ranges of values on)
    they are 8-bit integers, a scale per channel. Raises BackendUnavailable where `python` has no
    toolkit and ConversionFailed, with the toolkit's last words, where it fails.
    """
    with tempfile.TemporaryDirectory(prefix="ilgov-rknn-") as name:
        folder = Path(name)
        job = {
            "onnx": str(folder / "layers.onnx"),
            "rknn": str(folder / "layers.rknn"),
            "rows": str(folder / "rows.npy"),
            "scores": str(folder / "scores.npy"),
            "calibration": _calibration(network, calibration, batch, folder),
            "batch": batch,
            "input": INPUT,
            "inputs": network.width,
            "platform": PLATFORM,
        }
        (folder / "layers.onnx").write_bytes(layers_onnx(network, batch))
        (folder / "job.json").write_text(json.dumps(job))
        np.save(folder / "rows.npy", _whole_batches(network.normalised(rows), batch))
        version = _convert(python, folder)
        scores = np.load(folder / "scores.npy")[: len(rows)]
        return Simulated(
            content=(folder / "layers.rknn").read_bytes(), scores=scores, version=version
        )


def _calibration(
    network: LayeredNetwork, rows: Rows | None, batch: int, folder: Path
) -> str | None:
    """The list of files, each a whole batch, that the toolkit quantises with."""
    if rows is None:
        return None
    whole = _whole_batches(network.normalised(rows), batch)
    names = []
    for place, piece in enumerate(np.split(whole, len(whole) // batch)):
        names.append(f"calibration{place}.npy")
        np.save(folder / names[-1], piece)
    dataset = folder / "calibration.txt"
    dataset.write_text("".join(f"{folder / name}\n" for name in names))
    return str(dataset)


def _whole_batches(rows: Rows, batch: int) -> Rows:
    """The rows, the last one repeated until the last batch is full."""
    missing = -len(rows) % batch
    return np.concatenate([rows, np.repeat(rows[-1:], missing, axis=0)])


def _convert(python: Path, folder: Path) -> str:
    """Run the toolkit in a process of its own; its version."""
    command = [str(python), "-I", rknn_script.__file__, str(folder / "job.json")]
    try:
        ended = subprocess.run(
            command,
            cwd=folder,
            env={**os.environ, "OPENBLAS_NUM_THREADS": "1"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=MOST_S,
            check=False,
        )
    except OSError as error:
        raise _no_toolkit(python, error.strerror or str(error)) from error
    except subprocess.TimeoutExpired as error:
        raise ConversionFailed(f"rknn-toolkit2 must end within {MOST_S:g} s") from error
    said = ended.stdout.decode(errors="replace")
    if ended.returncode == rknn_script.NO_TOOLKIT:
        raise _no_toolkit(python, _last_line(said))
    try:
        result = json.loads((folder / "result.json").read_bytes())
    except (OSError, ValueError):
        result = {"failed": f"it ended with code {ended.returncode}"}
    if result["failed"] or ended.returncode:
        raise ConversionFailed(
            f"rknn-toolkit2 must convert the policy ({result['failed'] or ended.returncode}); "
            f"it said at last: {_last_line(said)}"
        )
    return str(result["version"])


def _last_line(said: str) -> str:
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    return lines[-1] if lines else "nothing"


def _no_toolkit(python: Path, why: str) -> BackendUnavailable:
    return BackendUnavailable(
        f"{python}: must be a Python with rknn-toolkit2 ({why}); it asks for old versions of numpy "
        f"and torch, so give it one of its own: {' && '.join(INSTALL)}; then say --rknn-python "
        f"rknn/bin/python, or set {PYTHON_VARIABLE}"
    )
