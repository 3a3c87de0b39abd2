"""Run a policy on a Kirin 970's NPU, through the server of ours that runs under Android.

The NPU is reached through the vendor's Android library alone, which no Python here can open, so
`ilgov_hiai_server` (hiai/) opens it, on the Android side, and this back end speaks to it over a
Unix socket. Features are scaled here, in float32; the NPU gets the layers. No NPU was at hand:
docs/npu-hiai.md says what is confirmed and what is not.
"""

import re
from pathlib import PurePath

import numpy as np

from npu_runtime.artifact import Artifact, read_artifact
from npu_runtime.backend import Capabilities, Rows
from npu_runtime.errors import BackendUnavailable, BadOutput, DamagedArtifact
from npu_runtime.hiai_connection import HiaiConnection, socket_path
from npu_runtime.hiai_protocol import MOST_NAME_BYTES, Model
from npu_runtime.policy_file import PolicyFile

TARGET = "kirin970"

WITHOUT_NPU = "000.000.000.000"

_SUFFIXES = {"cambricon": (".cambricon",), "caffe": (".prototxt", ".caffemodel")}
"""An artifact's files by its format, in the order in which the server takes them."""


class HiaiBackend:
    """A policy on the NPU, in calls of as many rows as its artifact was made for.

    Raises an ArtifactError where the policy has no sound artifact for `kirin970`, and
    BackendUnavailable where there is no server, or where it cannot run the model.
    """

    def __init__(self, file: PolicyFile) -> None:
        artifact, files = read_artifact(file, TARGET)
        model = _model(file, artifact, files)
        self._mean = np.asarray(artifact.mean, np.float32)
        self._std = np.asarray(artifact.std, np.float32)
        self._server = HiaiConnection(socket_path())
        try:
            _check_server(self._server, artifact)
            self._server.load(model)
        except BaseException:
            self._server.close()
            raise
        self.input_shape = artifact.batch, artifact.inputs
        self.output_shape = artifact.batch, artifact.outputs
        version = self._server.hello.version
        self.capabilities = Capabilities(
            name="hiai",
            version=version,
            device=f"npu (HiAI {version})",
            precision="float16",  # of the NPU's arithmetic, from memory: docs/npu-hiai.md
            max_batch=artifact.batch,
            dynamic_batch=False,
        )

    def run(self, rows: Rows) -> Rows:
        """The scores of `rows`; BackendUnavailable or BadOutput where the server fails."""
        scores = self._server.ask((rows - self._mean) / self._std)
        if scores.shape != self.output_shape:
            raise BadOutput(f"scores.shape must be {self.output_shape} (got {scores.shape})")
        return scores

    def warm_up(self, batch: int) -> None:
        """Run rows of average features; the model's batch is fixed, so `batch` does not matter."""
        count = self.input_shape[0]
        self.run(np.broadcast_to(self._mean, (count, len(self._mean))))

    def close(self) -> None:
        """Hang up; the server unloads the model."""
        self._server.close()


def _model(file: PolicyFile, artifact: Artifact, files: dict[str, bytes]) -> Model:
    """What the server has to load."""
    wanted = _SUFFIXES.get(artifact.format, ())
    by_suffix = {PurePath(name).suffix: name for name in artifact.files}
    names = [by_suffix[suffix] for suffix in wanted if suffix in by_suffix]
    if not names or len(names) < len(wanted):
        raise DamagedArtifact(
            f"{file.path}: format and files of its artifact for {TARGET} must be cambricon and its "
            f"file, or caffe, prototxt and caffemodel (got {artifact.format} and "
            f"{', '.join(artifact.files)}); make it with 'ilgov npu convert {file.path} "
            f"--target {TARGET}'"
        )
    return Model(
        name=_plain(PurePath(names[0]).stem),
        batch=artifact.batch,
        inputs=artifact.inputs,
        outputs=artifact.outputs,
        parts=tuple(files[name] for name in names),
    )


def _plain(name: str) -> str:
    """What the server takes as a model's name.

    >>> _plain("my policy.kirin970")
    'my_policy.kirin970'
    """
    return re.sub(r"[^A-Za-z0-9._-]", "_", name)[:MOST_NAME_BYTES]


def _check_server(server: HiaiConnection, artifact: Artifact) -> None:
    if server.hello.version == WITHOUT_NPU:
        raise BackendUnavailable(
            f"the HiAI server at {server.path} must have an NPU (its library reports "
            f"{WITHOUT_NPU}); use another back end"
        )
    if artifact.format == "caffe" and not server.hello.builds:
        raise BackendUnavailable(
            f"the HiAI server at {server.path} must be able to compile Caffe models (its library, "
            f"{server.hello.version}, is not); use the vendor's converter, then 'ilgov npu convert "
            f"--target {TARGET} --compiled FILE.cambricon'"
        )
