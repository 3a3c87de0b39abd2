"""Open a policy for a board: nothing runs before file, board, features, shape and parity agree."""

import os
from collections.abc import Callable, Mapping, Sequence
from functools import partial

import numpy as np

from npu_runtime.backend import Backend, Capabilities, Rows, check_rows, check_scores
from npu_runtime.errors import (
    BackendUnavailable,
    DamagedPolicyFile,
    WrongBoard,
    WrongFeatures,
    WrongShape,
)
from npu_runtime.onnxruntime_backend import OnnxRuntimeBackend
from npu_runtime.policy_file import Feature, PolicyFile, PolicyMetadata, read_policy_file

PARITY_TOLERANCE = 1e-4
"""Largest difference to the training's scores, as a share of the range of those scores."""

BACKENDS: Mapping[str, Callable[[PolicyFile], Backend]] = {"onnxruntime": OnnxRuntimeBackend}
"""Back ends by name; each imports its library when it is called."""


class LoadedPolicy:
    """A policy that passed every check, on a back end that computes what the training computed."""

    def __init__(self, file: PolicyFile, backend: Backend) -> None:
        self.file = file
        self.backend = backend
        self._width = len(file.metadata.features)
        any_batch = backend.capabilities.max_batch is None
        self._run = backend.run if any_batch else partial(run_in_batches, backend)

    @property
    def metadata(self) -> PolicyMetadata:
        """What the policy file says of itself."""
        return self.file.metadata

    @property
    def capabilities(self) -> Capabilities:
        """The back end's capabilities."""
        return self.backend.capabilities

    def run(self, rows: Rows) -> Rows:
        """Scores (B, N) of raw feature rows (B, F), both float32.

        Raises BadInput for rows of a wrong type or width, for none, and for values that are not
        finite; BadOutput where the back end returns scores that are not.
        """
        check_rows(rows, self._width)
        scores = self._run(rows)
        check_scores(scores)
        return scores

    def close(self) -> None:
        """Free what the back end holds."""
        self.backend.close()


def load_policy(
    path: str | os.PathLike[str],
    *,
    features: Sequence[Feature],
    board: str,
    board_sha256: str | None = None,
    outputs: Sequence[str],
    backend: str = "onnxruntime",
) -> LoadedPolicy:
    """The policy at `path`, for a board with this name, these `features` and cores `outputs`.

    `board_sha256` is the digest of the board's description (`traces.schema.board_digest`); None
    leaves it unchecked.

    Raises a PolicyFileError by reason: MissingPolicyFile, DamagedPolicyFile, WrongSchema,
    WrongBoard, WrongFeatures, WrongShape; BackendUnavailable where the back end cannot run here.
    """
    file = read_policy_file(path)
    check_board(file, board, board_sha256=board_sha256)
    check_features(file, features)
    check_outputs(file, outputs)
    return open_policy(file, backend=backend)


def check_board(file: PolicyFile, board: str, *, board_sha256: str | None = None) -> None:
    """Raise WrongBoard unless the policy was trained for `board`, as it is described now."""
    if file.metadata.board != board:
        raise WrongBoard(
            f"{file.path}: board must be {board!r} (got {file.metadata.board!r}); "
            f"train a policy on demonstrations of {board!r}"
        )
    found = file.metadata.board_sha256
    if board_sha256 is not None and found != board_sha256:
        raise WrongBoard(
            f"{file.path}: board_sha256 must be {board_sha256[:12]}... (got {found[:12]}...): "
            f"{board!r} was described otherwise when the policy was trained; record and train "
            "again for this board, or use the board file that it was trained for"
        )


def check_features(file: PolicyFile, features: Sequence[Feature]) -> None:
    """Raise WrongFeatures, naming the first feature that differs."""
    way_out = "train the policy again with this version of ilgov"
    for ours, theirs in zip(features, file.metadata.features, strict=False):
        if ours != theirs:
            raise WrongFeatures(
                f"{file.path}: feature {ours.index} must be {_describe(ours)} "
                f"(got {_describe(theirs)}); {way_out}"
            )
    if len(features) != len(file.metadata.features):
        raise WrongFeatures(
            f"{file.path}: features must be {len(features)} in number "
            f"(got {len(file.metadata.features)}); {way_out}"
        )


def _describe(feature: Feature) -> str:
    return f"{feature.name} [{feature.unit}] from {feature.low:g} to {feature.high:g}"


def check_outputs(file: PolicyFile, outputs: Sequence[str]) -> None:
    """Raise WrongShape unless the policy scores exactly `outputs`, in their order."""
    if file.metadata.outputs != tuple(outputs):
        raise WrongShape(
            f"{file.path}: outputs must be {', '.join(outputs)} "
            f"(got {', '.join(file.metadata.outputs)}); train a policy for this board's cores"
        )


def open_policy(file: PolicyFile, *, backend: str = "onnxruntime") -> LoadedPolicy:
    """A policy file on a back end, with shape and parity checked. Raises as `load_policy`."""
    if backend not in BACKENDS:
        known = ", ".join(sorted(BACKENDS))
        raise BackendUnavailable(f"backend must be one of {known} (got {backend!r})")
    opened = BACKENDS[backend](file)
    try:
        check_shapes(file, opened)
        check_parity(file, opened)
    except BaseException:
        opened.close()
        raise
    return LoadedPolicy(file, opened)


def check_shapes(file: PolicyFile, backend: Backend) -> None:
    """Raise WrongShape unless the network itself maps the features to the outputs."""
    for label, shape, width in (
        ("input", backend.input_shape, len(file.metadata.features)),
        ("output", backend.output_shape, len(file.metadata.outputs)),
    ):
        if len(shape) != 2 or shape[1] != width:
            shown = ", ".join("any" if size is None else str(size) for size in shape)
            raise WrongShape(
                f"{file.path}: the network's {label} must have the shape (rows, {width}) "
                f"(got ({shown})); train the policy again with 'ilgov train'"
            )


def check_parity(file: PolicyFile, backend: Backend) -> None:
    """Raise DamagedPolicyFile unless the back end reproduces the training's scores."""
    rows, expected = file.metadata.parity_rows()
    found = run_in_batches(backend, rows)
    output_range = float(np.ptp(expected)) or max(1.0, float(np.abs(expected).max()))
    off = float(np.abs(found - expected).max()) / output_range
    if not off <= PARITY_TOLERANCE:
        raise DamagedPolicyFile(
            f"{file.path}: scores of the parity rows must agree with the training's within "
            f"{PARITY_TOLERANCE:g} of their range (got {off:.3g} on "
            f"{backend.capabilities.name}); train it again with 'ilgov train'"
        )


def run_in_batches(backend: Backend, rows: Rows) -> Rows:
    """The scores of any number of rows, in calls of the size that the back end takes."""
    able = backend.capabilities
    most = able.max_batch or len(rows)
    pieces = []
    for start in range(0, len(rows), most):
        piece = rows[start : start + most]
        missing = 0 if able.dynamic_batch else most - len(piece)
        padded = np.concatenate([piece, np.repeat(piece[-1:], missing, axis=0)])
        pieces.append(backend.run(padded)[: len(piece)])
    return np.concatenate(pieces)
