"""Run a policy with onnxruntime on one CPU core; the library is imported by the first network."""

from typing import Any

import numpy as np

from npu_runtime.backend import Capabilities, Rows
from npu_runtime.errors import BackendUnavailable, DamagedPolicyFile, WrongShape
from npu_runtime.policy_file import PolicyFile
from npu_runtime.resident_code import give_back_code

_PROVIDER = "CPUExecutionProvider"
_ONLY_ERRORS = 3


class OnnxRuntimeBackend:
    """One thread, no spinning, no memory arena: a call every half second must not hold a core.

    Raises BackendUnavailable where onnxruntime is missing or runs elsewhere than on the CPU,
    DamagedPolicyFile where it refuses the network, WrongShape for more than one input or output.
    """

    def __init__(self, file: PolicyFile) -> None:
        self._session, version = _open(file)
        give_back_code("onnxruntime_")
        inputs, outputs = self._session.get_inputs(), self._session.get_outputs()
        for label, tensors in (("input", inputs), ("output", outputs)):
            if len(tensors) != 1 or tensors[0].type != "tensor(float)":
                got = ", ".join(f"{tensor.name}: {tensor.type}" for tensor in tensors)
                raise WrongShape(
                    f"{file.path}: the network must have one float {label} (got {got})"
                )
        self._input_name = inputs[0].name
        self._output_names = [outputs[0].name]
        self.input_shape = _shape(inputs[0].shape)
        self.output_shape = _shape(outputs[0].shape)
        fixed = self.input_shape[0] if self.input_shape else None
        self.capabilities = Capabilities(
            name="onnxruntime",
            version=version,
            device="cpu",
            precision=file.metadata.precision or "float32",
            max_batch=fixed,
            dynamic_batch=fixed is None,
        )

    def run(self, rows: Rows) -> Rows:
        """The scores of `rows`."""
        scores: Rows = self._session.run(self._output_names, {self._input_name: rows})[0]
        return scores

    def warm_up(self, batch: int) -> None:
        """Run `batch` rows of zeros."""
        self.run(np.zeros((batch, self.input_shape[1] or 1), np.float32))

    def close(self) -> None:
        """Drop the session, and with it the weights."""
        self._session = None


def _shape(dimensions: list[Any]) -> tuple[int | None, ...]:
    return tuple(size if isinstance(size, int) else None for size in dimensions)


def imported() -> Any:
    """The library. Raises BackendUnavailable where it is not installed."""
    try:
        import onnxruntime
    except ImportError as error:
        raise BackendUnavailable(
            f"the back end onnxruntime needs the package onnxruntime ({error}); "
            "install it with 'pip install onnxruntime'"
        ) from error
    return onnxruntime


def _open(file: PolicyFile) -> tuple[Any, str]:
    """An onnxruntime session that is proved to run on the CPU alone, and onnxruntime's version."""
    onnxruntime = imported()
    options = single_threaded(onnxruntime)
    try:
        session = onnxruntime.InferenceSession(file.content, options, providers=[_PROVIDER])
    except Exception as error:  # onnxruntime's errors share no base class but this one
        reason = str(error).splitlines()[0]
        raise DamagedPolicyFile(
            f"{file.path}: must be a network that onnxruntime {onnxruntime.__version__} can run "
            f"({reason}); train it again with 'ilgov train'"
        ) from error
    if session.get_providers() != [_PROVIDER]:
        raise BackendUnavailable(
            f"onnxruntime must run on {_PROVIDER} alone (got {session.get_providers()})"
        )
    return session, onnxruntime.__version__


def single_threaded(onnxruntime: Any) -> Any:
    """Options of a session: one thread, no spinning, no memory arena, errors alone are told."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
    options.enable_cpu_mem_arena = False
    options.enable_mem_pattern = False
    options.log_severity_level = _ONLY_ERRORS
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return options
