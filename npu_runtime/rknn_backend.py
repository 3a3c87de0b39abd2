"""The NPU of Rockchip's RK3588, through rknn-toolkit-lite2.

It runs the artifact that ``ilgov npu convert --target rk3588`` made. Signatures and return codes
are those of ``rknnlite/api/rknn_lite.py`` in rknn-toolkit-lite2 2.5.0: failures are return codes or
None, never exceptions. No RK3588 was at hand: this is tested against that API alone.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import numpy as np

from npu_runtime.artifact import read_artifact
from npu_runtime.backend import Capabilities, Rows
from npu_runtime.errors import BackendUnavailable, BadOutput, DamagedArtifact
from npu_runtime.policy_file import PolicyFile

TARGET = "rk3588"


class RknnBackend:
    """A policy's layers on the NPU's core 0; features are scaled here, in float32.

    Every call has the artifact's number of rows. Raises BackendUnavailable where library, runtime
    or driver are missing, and an ArtifactError where there is none of this policy.
    """

    def __init__(self, file: PolicyFile) -> None:
        self._artifact, files = read_artifact(file, TARGET)
        if self._artifact.format != "rknn":
            raise DamagedArtifact(
                f"{file.path}: the artifact for {TARGET} must be of the format rknn "
                f"(got {self._artifact.format})"
            )
        self._mean, self._std = (
            np.array(values, np.float32) for values in (self._artifact.mean, self._artifact.std)
        )
        self.input_shape = self._artifact.batch, self._artifact.inputs
        self.output_shape = self._artifact.batch, self._artifact.outputs
        self._rknn = _library()(verbose=False)
        try:
            self._open(next(iter(files.values())))
            self._device = _proved(self._rknn.get_sdk_version())
        except BaseException:
            self.close()
            raise

    @property
    def capabilities(self) -> Capabilities:
        """The device is what runtime and driver say of themselves."""
        return Capabilities(
            name="rknn",
            version=_version(),
            device=self._device,
            precision=self._artifact.precision,
            max_batch=self._artifact.batch,
            dynamic_batch=False,
        )

    def run(self, rows: Rows) -> Rows:
        """The scores of exactly as many rows as the artifact takes."""
        scaled = np.ascontiguousarray((rows - self._mean) / self._std, np.float32)
        # Without a type the library takes the rows for bytes.
        answer = self._rknn.inference(inputs=[scaled], data_type="float32")
        if answer is None:
            raise BadOutput("RKNNLite.inference must return scores (got None); its log says why")
        scores = np.array(answer[0], np.float32)
        if scores.size != self.output_shape[0] * self.output_shape[1]:
            raise BadOutput(f"scores must have the shape {self.output_shape} (got {scores.shape})")
        return scores.reshape(self.output_shape)

    def warm_up(self, batch: int) -> None:
        """Run once; `batch` can only be the artifact's."""
        self.run(np.tile(self._mean, (self._artifact.batch, 1)))

    def close(self) -> None:
        """Give the NPU back."""
        self._rknn.release()

    def _open(self, content: bytes) -> None:
        with _as_file(content) as path:
            _succeeded("load_rknn", self._rknn.load_rknn(path))
        core = self._rknn.NPU_CORE_0
        _succeeded("init_runtime", self._rknn.init_runtime(core_mask=core))


def _library() -> Any:
    try:
        from rknnlite.api import RKNNLite
    except ImportError as error:
        raise BackendUnavailable(
            f"the back end rknn must have rknn-toolkit-lite2 ({error}); on an RK3588, install it "
            "with: pip install rknn-toolkit-lite2, and Rockchip's librknnrt.so into /usr/lib"
        ) from error
    return RKNNLite


def _version() -> str:
    try:
        return version("rknn-toolkit-lite2")
    except PackageNotFoundError:
        return "unknown"


@contextmanager
def _as_file(content: bytes) -> Iterator[str]:
    """A path to these very bytes, which were checked: the file itself may be another by now."""
    descriptor = os.memfd_create("policy.rknn")
    try:
        with os.fdopen(descriptor, "wb", closefd=False) as stream:
            stream.write(content)
        yield f"/proc/self/fd/{descriptor}"
    finally:
        os.close(descriptor)


def _succeeded(call: str, code: object) -> None:
    if code != 0:
        raise BackendUnavailable(
            f"RKNNLite.{call} must return 0 (got {code}); is this an RK3588, with the driver rknpu "
            "and librknnrt.so at least as new as the toolkit that made the artifact?"
        )


def _proved(said: str | None) -> str:
    r"""The device, as runtime and driver name their versions; BackendUnavailable if they do not.

    >>> _proved("RKNN VERSION:\n  API: 2.3.2 (429f97ae6b)\n  DRV: 0.9.8")
    'RK3588 NPU core 0 (API: 2.3.2 (429f97ae6b), DRV: 0.9.8)'
    """
    lines = [line.strip() for line in (said or "").splitlines()]
    found = [line for line in lines if line.startswith(("API:", "DRV:")) and line[4:].strip()]
    if {line[:4] for line in found} != {"API:", "DRV:"}:
        raise BackendUnavailable(
            f"RKNNLite.get_sdk_version must tell versions of runtime and driver (got {said!r}): "
            "otherwise nothing proves that the NPU runs the policy"
        )
    return f"RK3588 NPU core 0 ({', '.join(found)})"
