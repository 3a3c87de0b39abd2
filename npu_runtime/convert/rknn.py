"""Make a policy's layers into a file for Rockchip's NPUs, through rknn-toolkit2 in its own Python.

The toolkit's simulator runs the result: what it says of scores is measured, what it says of speed
would mean nothing.
"""

import json
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path

import numpy as np

from npu_runtime.backend import Capabilities, Rows
from npu_runtime.convert import rknn_script
from npu_runtime.convert.layers_onnx import INPUT, layers_onnx
from npu_runtime.errors import BackendUnavailable, ConversionFailed
from npu_runtime.layers import LayeredNetwork

PYTHON_VARIABLE = "ILGOV_RKNN_PYTHON"
PLATFORM = "rk3588"
MOST_S = 600.0
"""The longest that the toolkit may take for one thing; with our networks it takes seconds."""

INSTALL = (
    "python3.11 -m venv rknn",
    "rknn/bin/pip install 'setuptools<80' rknn-toolkit2==2.5.0",
)
"""Commands that make a Python with the toolkit: x86-64 or aarch64, Python 3.8 ... 3.12, and about
6 GB of disk for the torch that it asks for."""


def rknn_python(option: Path | None, environment: Mapping[str, str]) -> Path:
    """The Python with the toolkit: the option's, else the variable's, else this one.

    It may be relative, or a command that is looked for; what is returned is neither, if it exists.
    """
    chosen = option or environment.get(PYTHON_VARIABLE) or sys.executable
    return Path(shutil.which(chosen) or chosen).absolute()  # not resolved: links lead out of a venv


def check_toolkit(python: Path) -> None:
    """Raise BackendUnavailable unless `python` has the toolkit; quick, since it is not loaded."""
    code = "import sys, importlib.util as u; sys.exit(not u.find_spec('rknn') and 'No rknn in it')"
    try:
        ended = subprocess.run(
            [str(python), "-I", "-c", code], capture_output=True, timeout=MOST_S, check=False
        )
    except OSError as error:
        raise _no_toolkit(python, error.strerror or str(error)) from error
    if ended.returncode:
        raise _no_toolkit(python, _last_line(ended.stderr.decode(errors="replace")))


class RknnSimulator:
    """A network made into a .rknn file (`content`), on the toolkit's simulator: a `Backend`.

    Calls have `batch` rows. Weights and values are float16; with `calibration` (raw rows, to see
    the ranges of values on) they are 8-bit integers, a scale per channel. `made_by` is the toolkit
    with its version.

    Raises BackendUnavailable where `python` has no toolkit and ConversionFailed, with the toolkit's
    last words, where it fails.
    """

    def __init__(
        self,
        network: LayeredNetwork,
        *,
        batch: int,
        python: Path,
        calibration: Rows | None = None,
    ) -> None:
        self._network = network
        self._python = python
        self.input_shape = batch, network.width
        self.output_shape = batch, network.outputs
        self._precision = "float16" if calibration is None else "int8"
        with ExitStack() as opened:
            name = opened.enter_context(tempfile.TemporaryDirectory(prefix="ilgov-rknn-"))
            self._folder = Path(name)
            dataset = _calibration(network, calibration, batch, self._folder)
            self._link = opened.enter_context(self._started(dataset))
            opened.callback(self._end)
            self._link.settimeout(MOST_S)
            self._answers = opened.enter_context(self._link.makefile("rb"))
            self.made_by = f"rknn-toolkit2 {self._built()}"
            self.content = (self._folder / "layers.rknn").read_bytes()
            self._opened = opened.pop_all()

    @property
    def capabilities(self) -> Capabilities:
        """A simulator, and never the NPU."""
        return Capabilities(
            name="rknn-simulator",
            version=self.made_by,
            device="simulator of the RK3588's NPU",
            precision=self._precision,
            max_batch=self.input_shape[0],
            dynamic_batch=False,
        )

    def run(self, rows: Rows) -> Rows:
        """The simulator's scores of exactly `batch` raw rows."""
        scaled = np.ascontiguousarray(self._network.normalised(rows), "<f4")
        try:
            self._link.sendall(scaled.tobytes())
            answer = self._answers.read(4 * self.output_shape[0] * self.output_shape[1])
        except OSError as error:
            raise self._failed(f"the simulator must answer ({error})") from error
        if len(answer) < 4 * self.output_shape[0] * self.output_shape[1]:
            raise self._failed("the simulator must answer with scores")
        return np.frombuffer(answer, "<f4").astype(np.float32).reshape(self.output_shape)

    def warm_up(self, batch: int) -> None:
        """Nothing to do: its speed means nothing."""

    def close(self) -> None:
        """End the toolkit's process."""
        self._opened.close()

    def _started(self, dataset: str | None) -> socket.socket:
        """Start the toolkit on the job; our end of the socket to it."""
        ours, theirs = socket.socketpair()
        job = {
            "onnx": str(self._folder / "layers.onnx"),
            "rknn": str(self._folder / "layers.rknn"),
            "calibration": dataset,
            "batch": self.input_shape[0],
            "input": INPUT,
            "inputs": self.input_shape[1],
            "platform": PLATFORM,
            "descriptor": theirs.fileno(),
        }
        (self._folder / "layers.onnx").write_bytes(layers_onnx(self._network, self.input_shape[0]))
        (self._folder / "job.json").write_text(json.dumps(job))
        command = [str(self._python), "-I", rknn_script.__file__, str(self._folder / "job.json")]
        with theirs, (self._folder / "said").open("wb") as said:
            try:
                self._process = subprocess.Popen(
                    command,
                    cwd=self._folder,
                    stdin=subprocess.DEVNULL,
                    stdout=said,
                    stderr=subprocess.STDOUT,
                    pass_fds=[theirs.fileno()],
                )
            except OSError as error:
                ours.close()
                raise _no_toolkit(self._python, error.strerror or str(error)) from error
        return ours

    def _built(self) -> str:
        """Wait until the toolkit has converted the network; its version."""
        try:
            line = self._answers.readline()
        except TimeoutError as error:
            raise ConversionFailed(f"rknn-toolkit2 must convert within {MOST_S:g} s") from error
        if not line:
            code = self._process.wait(MOST_S)
            if code == rknn_script.NO_TOOLKIT:
                raise _no_toolkit(self._python, self._last_words())
            raise self._failed(f"rknn-toolkit2 must convert the policy (it ended with code {code})")
        result = json.loads(line)
        if result["failed"]:
            raise self._failed(f"rknn-toolkit2 must convert the policy ({result['failed']})")
        return str(result["version"])

    def _end(self) -> None:
        self._process.kill()
        self._process.wait()

    def _failed(self, what: str) -> ConversionFailed:
        return ConversionFailed(f"{what}; it said at last: {self._last_words()}")

    def _last_words(self) -> str:
        return _last_line((self._folder / "said").read_text(errors="replace"))


def _last_line(said: str) -> str:
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    return lines[-1] if lines else "nothing"


def _no_toolkit(python: Path, why: str) -> BackendUnavailable:
    return BackendUnavailable(
        f"{python}: must be a Python with rknn-toolkit2 ({why}); it asks for old versions of numpy "
        f"and torch, so give it one of its own: {' && '.join(INSTALL)}; then say --rknn-python "
        f"rknn/bin/python, or set {PYTHON_VARIABLE}"
    )


def _calibration(
    network: LayeredNetwork, rows: Rows | None, batch: int, folder: Path
) -> str | None:
    """The list of files, each a whole batch, that the toolkit quantises with."""
    if rows is None:
        return None
    missing = -len(rows) % batch
    whole = network.normalised(np.concatenate([rows, np.repeat(rows[-1:], missing, axis=0)]))
    names = []
    for place, piece in enumerate(np.split(whole, len(whole) // batch)):
        names.append(str(folder / f"calibration{place}.npy"))
        np.save(names[-1], piece)
    dataset = folder / "calibration.txt"
    dataset.write_text("".join(f"{name}\n" for name in names))
    return str(dataset)
