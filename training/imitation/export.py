"""Write a trained network as a policy file, after proving that ONNX computes what torch computes.

The same network gives the same bytes: everything in the exporter's output that depends on paths or
on the process is taken out.
"""

import contextlib
import io
import logging
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import onnx
import torch
from numpy.typing import NDArray

from npu_runtime.errors import BackendUnavailable, BadOutput, PolicyFileError
from npu_runtime.load import LoadedPolicy, open_policy
from npu_runtime.policy_file import (
    METADATA_KEY,
    SCHEMA_VERSION,
    PolicyMetadata,
    encode_metadata,
    graph_sha256,
    parse_policy_file,
)
from platforms.atomic_file import replacing
from training.imitation.dataset import Task
from training.imitation.errors import ExportFailed
from training.imitation.fit import predict
from training.imitation.network import PolicyNetwork

OPSET = 18
TOLERANCE = 1e-5
"""Largest difference between ONNX and torch, relative to the score or to 1, whichever is larger."""
PARITY_ROWS = 8
_BATCHES = range(1, 17)


@dataclass(frozen=True, kw_only=True)
class Exported:
    """What was written, and how far it is from torch (relative to the score or to 1)."""

    path: Path
    graph_sha256: str
    largest_difference: float
    rows_compared: int


def export(
    network: PolicyNetwork, *, path: Path, task: Task, seed: int, features: NDArray[np.float64]
) -> Exported:
    """Write `network` to `path` if it agrees with torch on all raw rows `features`.

    Raises ExportFailed, and leaves whatever is at `path`, where any score differs by more than
    `TOLERANCE`.
    """
    network.eval()
    scores = predict(network, features)
    model = _to_onnx(network, task)
    metadata = _metadata(model, task, seed, features, scores)
    model.metadata_props.add(key=METADATA_KEY, value=encode_metadata(metadata))
    onnx.checker.check_model(model, full_check=True)
    content = _serialised(model)
    difference = _largest_difference(content, path, features, scores)
    with replacing(path) as temporary:
        temporary.write_bytes(content)
    return Exported(
        path=path,
        graph_sha256=metadata.graph_sha256,
        largest_difference=difference,
        rows_compared=len(features),
    )


def _to_onnx(network: PolicyNetwork, task: Task) -> onnx.ModelProto:
    """The network in ONNX with any number of rows, without the exporter's notes on its sources."""
    example = torch.zeros((2, len(task.features)))
    with _quiet():
        program = torch.onnx.export(
            network,
            (example,),
            dynamo=True,
            external_data=False,
            opset_version=OPSET,
            input_names=["features"],
            output_names=["scores"],
            dynamic_shapes={"features": {0: torch.export.Dim("batch")}},
            verbose=False,
        )
    if program is None:
        raise ExportFailed("torch.onnx.export must return a program (got None)")
    model = program.model_proto
    _strip(model)
    return model


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Silence the exporter: packages that it does not find, what torch will deprecate."""
    logger = logging.getLogger("torch.onnx")
    before = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(before)


def _strip(model: onnx.ModelProto) -> None:
    """Remove all notes: stack traces hold paths, and names of objects depend on the process."""
    graph = model.graph
    del graph.value_info[:]
    parts: list[Any] = [model, graph, *graph.node, *graph.initializer, *graph.input, *graph.output]
    for part in parts:
        part.doc_string = ""
        del part.metadata_props[:]


def _metadata(
    model: onnx.ModelProto,
    task: Task,
    seed: int,
    features: NDArray[np.float64],
    scores: NDArray[np.float32],
) -> PolicyMetadata:
    rows = np.unique(np.linspace(0, len(features) - 1, PARITY_ROWS).round().astype(int))
    return PolicyMetadata(
        schema=SCHEMA_VERSION,
        board=task.board,
        board_sha256=task.board_sha256,
        cooling=task.cooling,
        oracle=task.oracle,
        outputs=task.outputs,
        features=task.features,
        seed=seed,
        normalised_in_graph=True,
        parity_inputs=_tuples(features[rows].astype(np.float32)),
        parity_outputs=_tuples(scores[rows]),
        graph_sha256=graph_sha256(_serialised(model)),
        constants=task.constants,
    )


def _tuples(rows: NDArray[np.float32]) -> tuple[tuple[float, ...], ...]:
    return msgspec.convert(rows.tolist(), tuple[tuple[float, ...], ...])


def _serialised(model: onnx.ModelProto) -> bytes:
    return bytes(model.SerializeToString(deterministic=True))


def _largest_difference(
    content: bytes, path: Path, features: NDArray[np.float64], expected: NDArray[np.float32]
) -> float:
    """How far the file's scores are from torch's; raises ExportFailed beyond `TOLERANCE`."""
    try:
        policy = open_policy(parse_policy_file(content, path=path), backend="onnxruntime")
        found = _in_changing_batches(policy, features.astype(np.float32), _BATCHES)
    except (PolicyFileError, BackendUnavailable, BadOutput) as error:
        raise ExportFailed(f"{error}; nothing was written") from error
    off = np.abs(found - expected) / np.maximum(1.0, np.abs(expected))
    row, output = (int(place) for place in np.unravel_index(off.argmax(), off.shape))
    if not off[row, output] <= TOLERANCE:
        raise ExportFailed(
            f"{path}: scores of ONNX must agree with torch's within {TOLERANCE:g} (got "
            f"{found[row, output]} for {expected[row, output]} in validation row {row}, "
            f"output {output}); nothing was written"
        )
    return float(off[row, output])


def _in_changing_batches(
    policy: LoadedPolicy, rows: NDArray[np.float32], sizes: Sequence[int]
) -> NDArray[np.float32]:
    """The scores of all rows, in batches of 1, 2, ... rows: rounding depends on the batch."""
    pieces: list[NDArray[np.float32]] = []
    start = 0
    while start < len(rows):
        size = sizes[len(pieces) % len(sizes)]
        pieces.append(policy.run(rows[start : start + size]))
        start += size
    return np.concatenate(pieces)
