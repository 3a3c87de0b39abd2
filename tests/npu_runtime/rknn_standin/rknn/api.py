"""A stand-in for rknn-toolkit2 2.5.0, with the signatures of its ``rknn/api/rknn.py``.

It runs the layers in float32 and adds what the environment variable `OFF` says, else 0.01; the
variable `FAULT` names the step that fails. The .rknn file that it writes is a line of text.
"""

import os
import sys
from pathlib import Path
from typing import Any

import numpy as np

from npu_runtime.onnx_graph import read_graph

OFF, FAULT = "RKNN_STANDIN_OFF", "RKNN_STANDIN_FAULT"


class RKNN:
    """What the conversion uses of the real one."""

    def __init__(self, verbose: Any = False, verbose_file: Any = None) -> None:
        self._text = "RKNN"

    def config(self, *, target_platform: Any) -> int:
        """0, or -1."""
        return self._step("config", f"for {target_platform}")

    def load_onnx(self, model: Any, inputs: Any, input_size_list: Any) -> int:
        """0, or -1."""
        self._graph = read_graph(Path(model).read_bytes())
        (given,) = self._graph.inputs
        if ([given.name], [list(given.shape)]) != (inputs, input_size_list):
            return -1
        return self._step("load_onnx", f"{input_size_list[0]}")

    def build(self, do_quantization: Any = True, dataset: Any = None) -> int:
        """0, or -1 where it is to quantise with files that are not whole batches."""
        pieces = [np.load(name) for name in Path(dataset).read_text().split()] if dataset else []
        if do_quantization != bool(pieces):
            return -1
        if any(piece.shape != self._graph.inputs[0].shape for piece in pieces):
            return -1
        return self._step("build", f"with {len(pieces)}")

    def export_rknn(self, export_path: Any) -> int:
        """0, or -1."""
        Path(export_path).write_text(self._text)
        return self._step("export_rknn", "")

    def init_runtime(self, target: Any = None) -> int:
        """0, or -1; without a target it is the simulator."""
        return self._step("init_runtime", "")

    def inference(self, inputs: Any, data_format: Any = None) -> Any:
        """The outputs, or None."""
        (values,) = inputs
        if values.shape != self._graph.inputs[0].shape or os.environ.get(FAULT) == "inference":
            return None
        for node in self._graph.nodes:
            if node.operator == "Relu":
                values = np.maximum(values, 0)
            else:
                weight, bias = (self._graph.weights[name] for name in node.inputs[1:])
                values = values @ weight + bias
        return [values + float(os.environ.get(OFF, "0.01"))]

    def release(self) -> None:
        """Nothing comes back."""

    def _step(self, name: str, what: str) -> int:
        fault = os.environ.get(FAULT)
        if fault == f"{name} crashes":
            os.abort()
        self._text += f" {what}"
        sys.stdout.write(f"E {name}: it says something\n")
        sys.stdout.flush()
        return -1 if fault == name else 0
