"""Runs in the Python that has rknn-toolkit2, and there alone: ``python rknn_script.py JOB.json``.

The toolkit asks for other versions of numpy and torch than ours, so it has a Python of its own.
JOB names the ONNX file, the .rknn to write, what to quantise with and the rows to run through the
toolkit's simulator; ``result.json`` beside it says what came of it. The signatures are those of
rknn-toolkit2 2.5.0's ``rknn/api/rknn.py``: return codes, 0 for success, no exceptions.
"""

import json
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

NO_TOOLKIT = 3
"""Exit code of a Python without the toolkit."""


def main() -> int:
    """Convert as the job file says; 0 and a result, or 1 with the reason in the result."""
    job_file = Path(sys.argv[1])
    job = json.loads(job_file.read_text())
    try:
        from rknn.api import RKNN
    except ImportError as error:
        sys.stderr.write(f"{error}\n")
        return NO_TOOLKIT
    rknn = RKNN(verbose=False)
    try:
        failed = _convert(rknn, job)
        result = {"failed": failed, "version": version("rknn-toolkit2")}
        job_file.with_name("result.json").write_text(json.dumps(result))
    finally:
        rknn.release()
    return 1 if failed else 0


def _convert(rknn: Any, job: "dict[str, Any]") -> "str | None":
    """The step that failed with its return code, or None."""
    quantised = job["calibration"] is not None
    shape = [job["batch"], job["inputs"]]
    steps = (
        ("config", lambda: rknn.config(target_platform=job["platform"])),
        (
            "load_onnx",
            lambda: rknn.load_onnx(
                model=job["onnx"], inputs=[job["input"]], input_size_list=[shape]
            ),
        ),
        ("build", lambda: rknn.build(do_quantization=quantised, dataset=job["calibration"])),
        ("export_rknn", lambda: rknn.export_rknn(job["rknn"])),
        ("init_runtime", rknn.init_runtime),  # without a target it is the simulator
    )
    for name, step in steps:
        code = step()
        if code != 0:
            return f"{name} returned {code}"
    rows = np.load(job["rows"])
    scores = []
    for start in range(0, len(rows), job["batch"]):
        answer = rknn.inference(inputs=[rows[start : start + job["batch"]]])
        if answer is None:
            return "inference returned None"
        scores.append(np.asarray(answer[0], np.float32).reshape(job["batch"], -1))
    np.save(job["scores"], np.concatenate(scores))
    return None


if __name__ == "__main__":
    sys.exit(main())
