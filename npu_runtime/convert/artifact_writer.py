"""Put an artifact where the back ends look for it: its files and its sidecar."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import msgspec

from npu_runtime.artifact import SCHEMA_VERSION, Artifact, Format, artifact_path, sha256
from npu_runtime.convert.files import replace_together
from npu_runtime.layers import LayeredNetwork
from npu_runtime.policy_file import PolicyFile, Precision


@dataclass(frozen=True, kw_only=True)
class Made:
    """What a converter made: the files by extension, the one first that a back end loads first.

    `batch` is the number of rows of every call, `made_by` what made it, with its version.
    """

    target: str
    format: Format
    files: Mapping[str, bytes]
    precision: Precision
    batch: int
    made_by: str


def write_artifact(
    file: PolicyFile, network: LayeredNetwork, made: Made, *, folder: Path
) -> tuple[Path, ...]:
    """Write what was made of `file` into `folder`, the sidecar last; the paths of all.

    Raises OSError, and leaves what stood there, where a file cannot be written.
    """
    beside = folder / file.path.name
    contents = {
        artifact_path(beside, made.target, extension): content
        for extension, content in made.files.items()
    }
    artifact = Artifact(
        schema=SCHEMA_VERSION,
        target=made.target,
        format=made.format,
        files={path.name: sha256(content) for path, content in contents.items()},
        onnx_sha256=sha256(file.content),
        precision=made.precision,
        batch=made.batch,
        inputs=network.width,
        outputs=network.outputs,
        mean=tuple(network.mean.tolist()),
        std=tuple(network.std.tolist()),
        made_by=made.made_by,
    )
    sidecar = msgspec.json.format(msgspec.json.encode(artifact), indent=2) + b"\n"
    contents[artifact_path(beside, made.target, "json")] = sidecar
    replace_together(contents)
    return tuple(contents)
