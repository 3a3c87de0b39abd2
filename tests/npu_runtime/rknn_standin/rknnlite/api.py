"""A stand-in for rknn-toolkit-lite2 2.5.0, with the signatures of its ``api/rknn_lite.py``.

Failures are return codes and None there, never exceptions, and inputs are bytes unless a type is
given. What it takes for a .rknn file is the layers as ONNX; it runs them with everything rounded to
float16. The environment variable `FAULT` has it fail.
"""

import os
from pathlib import Path
from typing import Any

import numpy as np

from npu_runtime.onnx_graph import read_graph

FAULT = "RKNN_STANDIN_FAULT"
VERSIONS = "RKNN VERSION:\n  API: 2.5.0 (686ab84)\n  DRV: 0.9.8"

calls: list[str] = []
"""The calls of every instance in this process, in their order."""


class RKNNLite:
    """What the back end uses of the real one."""

    NPU_CORE_AUTO = 0
    NPU_CORE_0 = 1
    NPU_CORE_1 = 2
    NPU_CORE_2 = 4
    NPU_CORE_0_1 = 3
    NPU_CORE_0_1_2 = 7
    NPU_CORE_ALL = 0xFFFF

    def __init__(self, verbose: Any = False, verbose_file: Any = None) -> None:
        self._fault = os.environ.get(FAULT, "")
        self._content: bytes | None = None
        self._graph: Any = None

    def load_rknn(self, path: Any, key_path: Any = None) -> int:
        """0, or -1 where there is no such file."""
        calls.append("load_rknn")
        if self._fault == "load_rknn" or not Path(path).exists():
            return -1
        self._content = Path(path).read_bytes()
        return 0

    def init_runtime(
        self,
        target: Any = None,
        device_id: Any = None,
        async_mode: Any = False,
        core_mask: Any = NPU_CORE_AUTO,
    ) -> int:
        """0, or -1 where no model is loaded."""
        calls.append(f"init_runtime on {core_mask}")
        if self._fault == "init_runtime" or self._content is None:
            return -1
        self._graph = read_graph(self._content)
        return 0

    def inference(
        self,
        inputs: Any,
        data_type: Any = None,
        data_format: Any = None,
        inputs_pass_through: Any = None,
        get_frame_id: Any = False,
        reuse_outputs: Any = False,
    ) -> Any:
        """The outputs, or None."""
        calls.append(f"inference of {data_type}")
        (values,) = inputs
        if self._fault == "inference" or values.shape != self._graph.inputs[0].shape:
            return None
        scores = self._computed(values.astype(np.dtype(data_type or "uint8")))
        wrong = {"zeros": 0 * scores, "nan": np.nan * scores, "wide": np.tile(scores, 2)}
        return [wrong.get(self._fault, scores)]

    def _computed(self, values: Any) -> Any:
        values = values.astype(np.float16)
        for node in self._graph.nodes:
            if node.operator == "Relu":
                values = np.maximum(values, np.float16(0))
                continue
            weight, bias = (self._graph.weights[name] for name in node.inputs[1:])
            product = values.astype("f4") @ weight.astype("f2").astype("f4") + bias
            values = product.astype(np.float16)
        return values.astype(np.float32)

    def get_sdk_version(self) -> str | None:
        """The versions of runtime and driver, or None."""
        calls.append("get_sdk_version")
        if self._graph is None or self._fault == "get_sdk_version":
            return None
        return "RKNN VERSION:\n  API: \n" if self._fault == "no driver" else VERSIONS

    def release(self) -> None:
        """Nothing comes back."""
        calls.append("release")
        self._graph = None
