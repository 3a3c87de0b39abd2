"""What a converter made from a policy for one accelerator, and the sidecar that says from which.

Vendors' formats carry no metadata of ours, so a JSON file lies beside: policy ``NAME.onnx``, target
``T``: ``NAME.T.EXT`` and ``NAME.T.json``. Features are scaled on the CPU, by the sidecar's `mean`
and `std`; the artifact holds the layers alone, for one fixed batch.
"""

import hashlib
from collections.abc import Sequence
from glob import escape
from pathlib import Path
from typing import Literal

import msgspec
from msgspec import Struct

from npu_runtime.errors import DamagedArtifact, MissingArtifact, StaleArtifact
from npu_runtime.policy_file import MOST_BYTES, PolicyFile, Precision

SCHEMA_VERSION = 1
TARGETS = ("rk3588", "kirin970")
Format = Literal["caffe", "cambricon", "rknn"]


class Artifact(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A sidecar.

    `files` are the artifact's own with their SHA-256, the one that a back end loads first.
    `onnx_sha256` is that of the policy file's bytes. `batch` is the number of rows of every call,
    `inputs` and `outputs` how many columns they and the scores have. `made_by` names what wrote it,
    with its version.
    """

    schema: int
    target: str
    format: Format
    files: dict[str, str]
    onnx_sha256: str
    precision: Precision
    batch: int
    inputs: int
    outputs: int
    mean: tuple[float, ...]
    std: tuple[float, ...]
    made_by: str


def sha256(content: bytes) -> str:
    """The digest of a file's bytes, in hexadecimal.

    >>> sha256(b"")[:8]
    'e3b0c442'
    """
    return hashlib.sha256(content).hexdigest()


def artifact_path(policy: Path, target: str, extension: str) -> Path:
    """Where an artifact lies, or with ``json`` its sidecar.

    >>> artifact_path(Path("a/ilgov.onnx"), "rk3588", "rknn").as_posix()
    'a/ilgov.rk3588.rknn'
    """
    return policy.with_name(f"{policy.stem}.{target}.{extension}")


def artifacts_beside(policy: Path) -> tuple[Path, ...]:
    """All files beside a policy that bear the name of an artifact of it, or of a sidecar."""
    names = (f"{escape(policy.stem)}.{target}.*" for target in TARGETS)
    try:
        return tuple(sorted(path for name in names for path in policy.parent.glob(name)))
    except OSError:  # a name that is too long, for one
        return ()


def read_artifact(policy: PolicyFile, target: str) -> tuple[Artifact, dict[str, bytes]]:
    """The sidecar of a policy for `target` and the artifact's files, found whole and unaltered.

    Raises MissingArtifact, StaleArtifact (the policy was changed since) or DamagedArtifact.
    """
    sidecar = artifact_path(policy.path, target, "json")
    way_out = f"make it with 'ilgov npu convert {policy.path} --target {target}'"
    try:
        artifact = msgspec.json.decode(_read(sidecar, way_out), type=Artifact)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise DamagedArtifact(
            f"{sidecar}: must be a sidecar of this version ({error}); {way_out}"
        ) from error
    for problem in _contradictions(artifact, target):
        raise DamagedArtifact(f"{sidecar}: {problem}; {way_out}")
    found = sha256(policy.content)
    if artifact.onnx_sha256 != found:
        raise StaleArtifact(
            f"{sidecar}: onnx_sha256 must be {found[:12]}... (got "
            f"{artifact.onnx_sha256[:12]}...): it was made from another policy; {way_out}"
        )
    files = {name: _read(sidecar.with_name(name), way_out) for name in artifact.files}
    for name, content in files.items():
        if sha256(content) != artifact.files[name]:
            raise DamagedArtifact(
                f"{sidecar.with_name(name)}: sha256 must be {artifact.files[name][:12]}... "
                f"(got {sha256(content)[:12]}...): it was altered; {way_out}"
            )
    return artifact, files


def _contradictions(artifact: Artifact, target: str) -> Sequence[str]:
    checks = (
        ("schema", artifact.schema == SCHEMA_VERSION, f"must be {SCHEMA_VERSION}"),
        ("target", artifact.target == target, f"must be {target!r}"),
        ("batch", artifact.batch >= 1, "must be 1 or more"),
        ("mean", len(artifact.mean) == artifact.inputs, "must have a number per input"),
        ("std", len(artifact.std) == artifact.inputs, "must have a number per input"),
        ("std", all(value > 0 for value in artifact.std), "must be positive"),
        ("files", bool(artifact.files), "must name the artifact's own"),
        ("files", all(_lies_beside(name) for name in artifact.files), "must lie beside it"),
    )
    return [f"{field} {must}" for field, holds, must in checks if not holds]


def _lies_beside(name: str) -> bool:
    return Path(name).name == name != "" and "\0" not in name


def _read(path: Path, way_out: str) -> bytes:
    try:
        with path.open("rb") as stream:
            content = stream.read(MOST_BYTES + 1)
    except OSError as error:
        raise MissingArtifact(
            f"{path}: must be there and readable ({error.strerror}); {way_out}"
        ) from error
    if len(content) > MOST_BYTES:
        raise DamagedArtifact(f"{path}: must be at most {MOST_BYTES >> 20} MiB; {way_out}")
    return content
