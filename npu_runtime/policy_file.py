"""A policy file: an ONNX network, and in its metadata what the network was trained for.

The metadata are one JSON document under the key ``ilgov`` of ONNX's ``metadata_props``, which
survive conversion to other precisions. Nothing here needs onnx or onnxruntime.
"""

import hashlib
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import msgspec
import numpy as np
from msgspec import UNSET, Struct, UnsetType
from numpy.typing import NDArray

from npu_runtime import protobuf
from npu_runtime.errors import DamagedPolicyFile, MissingPolicyFile, WrongSchema

Precision = Literal["float32", "float16", "int8"]
"""Of weights and of what flows between the layers; features and scores are float32 always."""

METADATA_KEY = "ilgov"
SCHEMA_VERSION = 2

MOST_BYTES = 16 << 20
"""No policy file is larger; the networks are a few tens of KiB, and the daemon runs as root."""

_LARGEST_FLOAT32 = float(np.finfo(np.float32).max)
_TRAIN = "'ilgov train' writes such files"
_RETRAIN = "train it again with 'ilgov train', or copy it again"

# Field numbers of ONNX's messages, https://github.com/onnx/onnx/blob/main/onnx/onnx.proto
_MODEL_IR_VERSION, _MODEL_GRAPH, _MODEL_METADATA, _ENTRY_KEY, _ENTRY_VALUE = 1, 7, 14, 1, 2


class Feature(Struct, frozen=True, forbid_unknown_fields=True):
    """One input of a policy: its place in a row, its name, its range `low` to `high` in `unit`."""

    index: int
    name: str
    unit: str
    low: float
    high: float


class PolicyMetadata(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a policy file says of itself.

    `board_sha256` is the digest of the board's description, `cooling` its cooling setup in the
    traces that were learnt from, `oracle` the parameters of the oracle that labelled them.
    `outputs` names the scores in their order: the board's cores, or what the policy calls them.
    `normalised_in_graph` says that the network takes raw features and scales them itself.
    `parity_inputs` are raw feature rows and `parity_outputs` the scores that the training framework
    computed for them. `graph_sha256` is what the function of that name says of the file: the hash
    of its nodes and weights. `constants` are further numbers that the training measured and the
    policy needs, by name. `precision` is that of the weights where it is not float32, and
    `made_from_sha256` then the digest of the policy file that was converted.
    """

    schema: int
    board: str
    board_sha256: str
    cooling: str
    oracle: dict[str, str | int | float]
    outputs: tuple[str, ...]
    features: tuple[Feature, ...]
    seed: int
    normalised_in_graph: bool
    parity_inputs: tuple[tuple[float, ...], ...]
    parity_outputs: tuple[tuple[float, ...], ...]
    graph_sha256: str
    constants: dict[str, float] = {}
    precision: Precision | UnsetType = UNSET
    made_from_sha256: str | UnsetType = UNSET

    def parity_rows(self) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """The parity pairs as float32 arrays, inputs and outputs."""
        return np.asarray(self.parity_inputs, "f4"), np.asarray(self.parity_outputs, "f4")


@dataclass(frozen=True, kw_only=True)
class PolicyFile:
    """A policy file that was read and found whole; `content` are its bytes."""

    path: Path
    metadata: PolicyMetadata
    content: bytes = field(repr=False)


class _Versioned(Struct):
    schema: int


def encode_metadata(metadata: PolicyMetadata) -> str:
    """The JSON document for ``metadata_props``; equal metadata give equal text."""
    return msgspec.json.encode(metadata).decode()


def decode_metadata(text: str | bytes, *, origin: str) -> PolicyMetadata:
    """The metadata in a JSON document; `origin` names the file in errors.

    Raises WrongSchema for another version's document and DamagedPolicyFile for anything else that
    is not what `encode_metadata` writes.
    """
    try:
        version = msgspec.json.decode(text, type=_Versioned).schema
        if version != SCHEMA_VERSION:
            raise WrongSchema(
                f"{origin}: metadata schema must be {SCHEMA_VERSION} (got {version}); "
                "train the policy again with this version of ilgov"
            )
        metadata = msgspec.json.decode(text, type=PolicyMetadata)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise DamagedPolicyFile(
            f"{origin}: metadata {METADATA_KEY!r} must describe a policy ({error}); {_RETRAIN}"
        ) from error
    for problem in _contradictions(metadata):
        raise DamagedPolicyFile(f"{origin}: metadata {METADATA_KEY!r}: {problem}; {_RETRAIN}")
    return metadata


def _contradictions(metadata: PolicyMetadata) -> Iterator[str]:
    places = [feature.index for feature in metadata.features]
    if not places or places != list(range(len(places))):
        yield f"features.index must count 0, 1, 2, ... (got {places})"
    if not metadata.outputs or len(set(metadata.outputs)) < len(metadata.outputs):
        yield f"outputs must be unique, at least one (got {list(metadata.outputs)})"
    if not metadata.parity_inputs or len(metadata.parity_inputs) != len(metadata.parity_outputs):
        yield (
            "parity_inputs and parity_outputs must be pairs, at least one "
            f"(got {len(metadata.parity_inputs)} and {len(metadata.parity_outputs)})"
        )
    for name, rows, width in (
        ("parity_inputs", metadata.parity_inputs, len(metadata.features)),
        ("parity_outputs", metadata.parity_outputs, len(metadata.outputs)),
    ):
        widths = sorted({len(row) for row in rows} - {width})
        if widths:
            yield f"{name} must have {width} columns (got {widths[0]})"
        largest = max((abs(value) for row in rows for value in row), default=0.0)
        if largest > _LARGEST_FLOAT32:
            yield f"{name} must be float32 (got {largest:g})"


def graph_sha256(content: bytes) -> str:
    """SHA-256 of the graph in an ONNX file: nodes and weights, without the file's metadata.

    Raises ValueError where `content` is no whole ONNX file.
    """
    return hashlib.sha256(_parts(content)[0]).hexdigest()


def _parts(content: bytes) -> tuple[bytes, dict[bytes, bytes]]:
    """The graph and the metadata entries of an ONNX file."""
    found = list(protobuf.fields(content))
    graphs = [value for number, value in found if number == _MODEL_GRAPH]
    versions = [value for number, value in found if number == _MODEL_IR_VERSION]
    if len(graphs) != 1 or not isinstance(graphs[0], bytes) or not versions:
        raise ValueError("no ONNX graph in it")
    entries = (value for number, value in found if number == _MODEL_METADATA)
    pairs = (dict(protobuf.fields(entry)) for entry in entries if isinstance(entry, bytes))
    return graphs[0], {_bytes(pair, _ENTRY_KEY): _bytes(pair, _ENTRY_VALUE) for pair in pairs}


def _bytes(message: dict[int, bytes | int], number: int) -> bytes:
    value = message.get(number, b"")
    return value if isinstance(value, bytes) else b""


def read_policy_file(path: str | os.PathLike[str]) -> PolicyFile:
    """Read a policy file and check that it is whole and unaltered.

    Raises MissingPolicyFile, DamagedPolicyFile or WrongSchema. Whether the policy fits a board is
    for `load.load_policy` to say.
    """
    file = Path(path)
    if not file.is_file():
        found = "a folder" if file.is_dir() else "no such file"
        raise MissingPolicyFile(f"{file}: must be a policy file ({found}); {_TRAIN}")
    try:
        with file.open("rb") as stream:
            content = stream.read(MOST_BYTES + 1)
    except OSError as error:
        raise MissingPolicyFile(f"{file}: must be readable ({error.strerror})") from error
    return parse_policy_file(content, path=file)


def parse_policy_file(content: bytes, *, path: Path) -> PolicyFile:
    """The policy file with these bytes; `path` names it in errors. Raises as `read_policy_file`."""
    if not content:
        raise DamagedPolicyFile(f"{path}: must be an ONNX file (it is empty: 0 bytes); {_RETRAIN}")
    if len(content) > MOST_BYTES:
        raise DamagedPolicyFile(
            f"{path}: must be at most {MOST_BYTES >> 20} MiB, as policies are; {_RETRAIN}"
        )
    try:
        graph, entries = _parts(content)
    except ValueError as error:
        raise DamagedPolicyFile(
            f"{path}: must be a whole ONNX file ({error}); {_RETRAIN}"
        ) from error
    text = entries.get(METADATA_KEY.encode())
    if text is None:
        names = ", ".join(sorted(key.decode(errors="replace") for key in entries)) or "none"
        raise DamagedPolicyFile(
            f"{path}: metadata {METADATA_KEY!r} must be there (got {names}): "
            f"an ONNX network, but no policy of ilgov; {_TRAIN}"
        )
    metadata = decode_metadata(text, origin=str(path))
    found = hashlib.sha256(graph).hexdigest()
    if found != metadata.graph_sha256:
        raise DamagedPolicyFile(
            f"{path}: graph_sha256 must be {metadata.graph_sha256[:12]}... (got {found[:12]}...): "
            f"network or weights were altered since training; {_RETRAIN}"
        )
    return PolicyFile(path=path, metadata=metadata, content=content)
