"""Runs in the Python that has rknn-toolkit2, and there alone: ``rknn_script.py JOB.json``.

The toolkit asks for other versions of numpy and torch than ours, so it has a Python of its own.
JOB names the ONNX file, what to quantise with, the .rknn to write, and a socket's descriptor. Over
it goes a line of JSON that says what came of it; then batches of scaled rows come in and the scores
of the toolkit's simulator go out, as float32, until the other end hangs up. The signatures are
those of rknn-toolkit2 2.5.0's ``rknn/api/rknn.py``: return codes, 0 for success, no exceptions.
"""

import json
import socket
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

NO_TOOLKIT = 3
"""Exit code of a Python without the toolkit."""


def main() -> int:
    """Convert as the job says and serve the simulator; 1 after telling what failed."""
    job = json.loads(Path(sys.argv[1]).read_text())
    try:
        from rknn.api import RKNN
    except ImportError as error:
        sys.stderr.write(f"{error}\n")
        return NO_TOOLKIT
    rknn = RKNN(verbose=False)
    with socket.socket(fileno=job["descriptor"]) as link, link.makefile("rwb") as stream:
        failed = _convert(rknn, job)
        said = json.dumps({"failed": failed, "version": version("rknn-toolkit2")})
        stream.write(said.encode() + b"\n")
        stream.flush()
        if failed is None:
            _serve(rknn, stream, job)
    rknn.release()
    return 1 if failed else 0


def _convert(rknn: Any, job: "dict[str, Any]") -> "str | None":
    """The step that failed with its return code, or None."""
    names, sizes = [job["input"]], [[job["batch"], job["inputs"]]]
    steps = (
        ("config", lambda: rknn.config(target_platform=job["platform"])),
        ("load_onnx", lambda: rknn.load_onnx(job["onnx"], inputs=names, input_size_list=sizes)),
        (
            "build",
            lambda: rknn.build(
                do_quantization=job["calibration"] is not None, dataset=job["calibration"]
            ),
        ),
        ("export_rknn", lambda: rknn.export_rknn(job["rknn"])),
        ("init_runtime", rknn.init_runtime),  # without a target it is the simulator
    )
    for name, step in steps:
        code = step()
        if code != 0:
            return f"{name} returned {code}"
    return None


def _serve(rknn: Any, stream: Any, job: "dict[str, Any]") -> None:
    """An answer that is no answer is no bytes: the other end sees the end of the stream."""
    size = 4 * job["batch"] * job["inputs"]
    while len(packet := stream.read(size)) == size:
        rows = np.frombuffer(packet, np.float32).reshape(job["batch"], job["inputs"])
        answer = rknn.inference(inputs=[rows])
        if answer is None:
            return
        stream.write(np.asarray(answer[0], np.float32).tobytes())
        stream.flush()


if __name__ == "__main__":
    sys.exit(main())
