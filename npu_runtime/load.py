"""Open a policy for a board: nothing runs before file, board, features, shape and parity agree.

A back end is named by ``auto``, by its name in `BACKENDS`, which runs in this process, or by
``isolated:NAME``, which runs in a process of its own with a deadline and numpy to cover for it.
NAME is one of `BACKENDS` or of `ISOLATED_BACKENDS`, ``onnxruntime:PROVIDER``, an entry point of the
group ``ilgov.backends``, or ``module:callable``; all but `BACKENDS` are isolated with or without
the prefix, since they run other people's code. Each names a function from `PolicyFile` to
`Backend`.

``auto`` is an accelerator that is found usable (`accelerators`), on trial first (`trial`), with the
CPU to cover for it. On the CPU it is numpy for every network that it can run: called once a period,
as the governor does, numpy is faster than onnxruntime, and takes half of its memory.
"""

import importlib
import os
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from importlib.metadata import entry_points

import numpy as np

from npu_runtime.accelerators import Accelerator, accelerators
from npu_runtime.backend import Backend, Capabilities, Rows, check_rows, check_scores, score_range
from npu_runtime.errors import (
    BackendUnavailable,
    DamagedPolicyFile,
    WrongBoard,
    WrongFeatures,
    WrongShape,
)
from npu_runtime.isolation import DEADLINE_S, IsolatedBackend
from npu_runtime.numpy_backend import NumpyBackend
from npu_runtime.onnxruntime_backend import OnnxRuntimeBackend
from npu_runtime.onnxruntime_provider import PREFIX, opener
from npu_runtime.policy_file import (
    Feature,
    PolicyFile,
    PolicyMetadata,
    Precision,
    read_policy_file,
)
from npu_runtime.trial import BackendOnTrial

PARITY_TOLERANCE: Mapping[Precision, float] = {"float32": 1e-4, "float16": 5e-3, "int8": 5e-2}
"""Largest difference to the training's scores, as a share of the range of those scores (chosen: in
float32 and float16 some ten times what the shipped policies show, in int8 three times what topil's
does; whether the decisions are as good is for the gate in `rm.npu` to say)."""

OpenBackend = Callable[[PolicyFile], Backend]

BACKENDS: Mapping[str, OpenBackend] = {"numpy": NumpyBackend, "onnxruntime": OnnxRuntimeBackend}
"""Back ends by name; each imports its library when it is called."""

ISOLATED_BACKENDS: Mapping[str, str] = {
    "hiai": "npu_runtime.hiai_backend:HiaiBackend",
    "rknn": "npu_runtime.rknn_backend:RknnBackend",
}
"""Back ends that run a vendor's code, by name, as ``module:callable``: always in a process of their
own, which alone imports them."""

_CALLS = 5

AUTO = "auto"
ISOLATED = "isolated:"
GROUP = "ilgov.backends"


class LoadedPolicy:
    """A policy that passed every check, on a back end that computes what the training computed.

    `answers` counts calls. `exact` computes in float32 in this process where another back end
    answers, which may round (None: no other does, or there are no weights in float32).
    """

    def __init__(
        self,
        file: PolicyFile,
        backend: Backend,
        *,
        why: str = "asked for",
        exact: Backend | None = None,
    ) -> None:
        self.file = file
        self.backend = backend
        self.exact = exact
        self._why = why
        self.answers = 0
        self._width = len(file.metadata.features)
        any_batch = backend.capabilities.max_batch is None
        self._run = backend.run if any_batch else partial(run_in_batches, backend)

    @property
    def why(self) -> str:
        """Why it is this back end, and how it came out of its trial where it had one."""
        return self.backend.why if isinstance(self.backend, BackendOnTrial) else self._why

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
        self.answers += 1
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
    backend: str = AUTO,
    deadline_s: float = DEADLINE_S,
    clock: Callable[[], float] = time.monotonic,
) -> LoadedPolicy:
    """The policy at `path`, for a board with this name, these `features` and cores `outputs`.

    `board_sha256` is the digest of the board's description (`traces.schema.board_digest`); None
    leaves it unchecked. `deadline_s` and `clock` (monotonic seconds, for the pauses between
    restarts) are for an isolated `backend`.

    Raises a PolicyFileError by reason: MissingPolicyFile, DamagedPolicyFile, WrongSchema,
    WrongBoard, WrongFeatures, WrongShape; BackendUnavailable where the back end cannot run here.
    """
    file = read_policy_file(path)
    check_board(file, board, board_sha256=board_sha256)
    check_features(file, features)
    check_outputs(file, outputs)
    return open_policy(file, backend=backend, deadline_s=deadline_s, clock=clock)


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


def open_policy(
    file: PolicyFile,
    *,
    backend: str = AUTO,
    deadline_s: float = DEADLINE_S,
    clock: Callable[[], float] = time.monotonic,
) -> LoadedPolicy:
    """A policy file on a back end, with shape and parity checked. Raises as `load_policy`.

    Nothing waits for an isolated back end: until it is ready, the one that covers for it answers.
    """
    if backend == AUTO:
        return _automatic(file, deadline_s=deadline_s, clock=clock)
    if backend in BACKENDS:
        return _checked(file, backend)
    name = backend.removeprefix(ISOLATED)
    check_backend_name(name)
    cover = _on_cpu(file)
    able = cover.capabilities
    return LoadedPolicy(
        file,
        IsolatedBackend(name, file, fallback=cover.backend, deadline_s=deadline_s, clock=clock),
        why=f"asked for, in a process of its own; {able.name} on {able.device} covers for it",
        exact=_if_exact(cover.backend),
    )


def _automatic(file: PolicyFile, *, deadline_s: float, clock: Callable[[], float]) -> LoadedPolicy:
    """The first usable accelerator, on trial, or else the CPU."""
    cpu = _on_cpu(file)
    found = accelerators(file)
    usable = next((one for one in found if one.lacks is None), None)
    if usable is None:
        return LoadedPolicy(file, cpu.backend, why=_why_the_cpu(cpu, found))
    trial = BackendOnTrial(
        usable.name,
        file,
        found=usable.found,
        tolerances=PARITY_TOLERANCE,
        fallback=cpu.backend,
        deadline_s=deadline_s,
        clock=clock,
    )
    return LoadedPolicy(file, trial, exact=_if_exact(cpu.backend))


def _if_exact(backend: Backend) -> Backend | None:
    return backend if backend.capabilities.precision == "float32" else None


def _why_the_cpu(cpu: LoadedPolicy, found: Sequence[Accelerator]) -> str:
    name = cpu.capabilities.name
    reasons = {
        "numpy": "the fastest on the CPU for a call now and then, and the smallest",
        "onnxruntime": "this network is more than numpy can run",
    }
    took_ms = 1e3 * _median_s(cpu)
    lacking = "".join(f"; {one.name} ({one.found}) lacks {one.lacks}" for one in found)
    return f"auto: {name}, {reasons[name]} ({took_ms:.2g} ms for the known rows){lacking}"


def _median_s(policy: LoadedPolicy) -> float:
    """How long the known rows take, the median of a few calls."""
    rows, _ = policy.metadata.parity_rows()
    times_s = []
    for _ in range(_CALLS):
        begun_s = time.perf_counter()
        run_in_batches(policy.backend, rows)
        times_s.append(time.perf_counter() - begun_s)
    return statistics.median(times_s)


def _on_cpu(file: PolicyFile) -> LoadedPolicy:
    """The policy on numpy, or on onnxruntime where the network is more than numpy can run."""
    try:
        return _checked(file, "numpy")
    except DamagedPolicyFile as error:
        try:
            return _checked(file, "onnxruntime")
        except BackendUnavailable:
            raise error from None


def _checked(file: PolicyFile, name: str, *, why: str = "asked for") -> LoadedPolicy:
    opened = BACKENDS[name](file)
    try:
        check_shapes(file, opened)
        check_parity(file, opened)
    except BaseException:
        opened.close()
        raise
    return LoadedPolicy(file, opened, why=why)


def backend_named(name: str) -> OpenBackend:
    """What opens a back end: one that has a name here, ``module:callable``, or an entry point.

    Imports other people's code; the daemon itself never calls it. Raises BackendUnavailable.
    """
    check_backend_name(name)
    if name in BACKENDS:
        return BACKENDS[name]
    if name.startswith(PREFIX):
        return opener(name)
    name = ISOLATED_BACKENDS.get(name, name)
    try:
        if ":" in name:
            module, _, attribute = name.partition(":")
            found: OpenBackend = getattr(importlib.import_module(module), attribute)
            return found
        (point, *_) = entry_points(group=GROUP, name=name)
        loaded: OpenBackend = point.load()
        return loaded
    except (ImportError, AttributeError) as error:
        raise BackendUnavailable(f"the back end {name} cannot be loaded ({error})") from error


def check_backend_name(name: str) -> None:
    """Raise BackendUnavailable for a name that nobody has; nothing is imported."""
    name = name.removeprefix(ISOLATED)
    if ":" in name or name in (AUTO, *BACKENDS, *ISOLATED_BACKENDS):
        return
    names = {*BACKENDS, *ISOLATED_BACKENDS, *(point.name for point in entry_points(group=GROUP))}
    if name not in names:
        known = ", ".join([AUTO, *sorted(names)])
        raise BackendUnavailable(f"backend must be one of {known} (got {name!r})")


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
    output_range = score_range(expected)
    off = float(np.abs(found - expected).max()) / output_range
    tolerance = PARITY_TOLERANCE[file.metadata.precision or "float32"]
    if not off <= tolerance:
        raise DamagedPolicyFile(
            f"{file.path}: scores of the parity rows must agree with the training's within "
            f"{tolerance:g} of their range (got {off:.3g} on "
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
