"""Convert a policy for a target, measure what came of it, and write it: what the command does."""

from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import numpy as np
from msgspec import Struct

from npu_runtime.artifact import Format, sha256
from npu_runtime.backend import Backend, Rows
from npu_runtime.convert.artifact_writer import Made, write_artifact
from npu_runtime.convert.caffe import caffemodel, prototxt
from npu_runtime.convert.files import replace_together
from npu_runtime.convert.rknn import RknnSimulator, check_toolkit
from npu_runtime.convert.target import Target, convertible
from npu_runtime.errors import ConversionFailed
from npu_runtime.layers import LayeredNetwork
from npu_runtime.load import PARITY_TOLERANCE, backend_named, run_in_batches
from npu_runtime.measure.parity import Parity, compared, drawn_rows, right_scores
from npu_runtime.policy_file import MOST_BYTES, PolicyFile, Precision, parse_policy_file
from platforms.board import Board
from rm.npu.calibration_rows import calibration_rows
from rm.npu.conversion_steps import Step, steps_for
from rm.npu.gate import JUDGED_ON, judge
from rm.npu.judged import Extent, episodes
from rm.npu.simulated_verdict import judge_simulated
from rm.npu.verdict import Verdict

MOST_CALIBRATION_ROWS = 512
"""The RK3588's toolkit takes its time for each (chosen)."""

DRAWN_ROWS = 1000
"""Beside the policy's own parity rows, so many are drawn from all over the features' ranges."""


@dataclass(frozen=True, kw_only=True)
class Order:
    """What is wanted; `batch` is None where any number of rows goes.

    `compiled` is what a vendor's converter made of the Caffe files already, `rknn_python` the
    Python that has rknn-toolkit2. `board` is simulated where the result is judged by `jobs`
    processes: a policy file of lower precision always, since nobody has the last word beside it,
    int8 always, else where `judged` says so.
    """

    target: Target
    precision: Precision
    batch: int | None
    folder: Path
    compiled: Path | None
    rknn_python: Path
    board: Board | None = None
    judged: bool = False
    jobs: int = 1


def is_judged(target: Target, precision: Precision, *, asked: bool) -> bool:
    """Whether decisions are compared before anything is written."""
    return asked or precision == "int8" or target.name == "onnx"


class Refused(Exception):
    """A precision that changes what the policy decides; `verdict` says how much."""

    def __init__(self, verdict: Verdict) -> None:
        super().__init__(*verdict.failures)
        self.verdict = verdict


class WrittenFile(Struct, frozen=True, kw_only=True):
    """A file that was written: where, how many bytes, and their digest."""

    path: str
    bytes: int
    sha256: str


class Conversion(Struct, frozen=True, kw_only=True):
    """What was written, and what is left to do.

    `parity` says how far its scores are from the policy's, None where nothing here can run it, and
    `verdict` what that changes, None where nobody asked.
    """

    policy: str
    target: str
    precision: Precision
    batch: int | None
    written: tuple[WrittenFile, ...]
    parity: Parity | None
    verdict: Verdict | None
    steps: tuple[Step, ...]


def convert(file: PolicyFile, order: Order) -> Conversion:
    """Make and write what `order` says of a policy.

    Raises ConversionFailed where the policy cannot be carried over or its scores would not be the
    same any more, Refused where its decisions would not, BackendUnavailable where a vendor's
    converter is missing, OSError where a file cannot be written. What stood
    there before stands there then.
    """
    network = convertible(file)
    paths, measured = _CONVERTERS[order.target.name](file, network, order)
    return Conversion(
        policy=str(file.path),
        target=order.target.name,
        precision=order.precision,
        batch=order.batch,
        written=tuple(_written(path) for path in paths),
        parity=measured.parity,
        verdict=measured.verdict,
        steps=steps_for(file, network, order.target.name, paths, batch=order.batch),
    )


@dataclass(frozen=True, kw_only=True)
class _Measured:
    parity: Parity | None = None
    verdict: Verdict | None = None


_Converted = tuple[tuple[Path, ...], _Measured]


def _for_kirin970(file: PolicyFile, network: LayeredNetwork, order: Order) -> _Converted:
    batch = _fixed(order)
    if order.compiled is None:
        text, weights = prototxt(network, batch).encode(), caffemodel(network, batch)
        made = _made(order, "caffe", {"prototxt": text, "caffemodel": weights}, _ours())
    else:
        compiled = {"cambricon": _compiled(order.compiled)}
        made = _made(order, "cambricon", compiled, f"the vendor's converter, kept by {_ours()}")
    return write_artifact(file, network, made, folder=order.folder), _Measured()


def _for_rk3588(file: PolicyFile, network: LayeredNetwork, order: Order) -> _Converted:
    check_toolkit(order.rknn_python)
    rows = _rows(file, order)
    step = -(-len(rows) // MOST_CALIBRATION_ROWS)
    simulator = RknnSimulator(
        network,
        batch=_fixed(order),
        python=order.rknn_python,
        calibration=rows[::step] if order.precision == "int8" else None,
    )
    with closing(simulator):
        parity = compared(right_scores(file, rows), run_in_batches(simulator, rows))
        _check(file, order, parity)
        known = _known(file, simulator)
        verdict = _verdict(order, lambda board: _simulated(file, simulator, order, board))
    _check_known(file, order, known)
    tools = f"{_ours()}, {simulator.made_by}"
    made = _made(order, "rknn", {"rknn": simulator.content}, tools)
    paths = write_artifact(file, network, made, folder=order.folder)
    return paths, _Measured(parity=parity, verdict=verdict)


def _simulated(file: PolicyFile, simulator: RknnSimulator, order: Order, board: Board) -> Verdict:
    return judge_simulated(
        file,
        simulator,
        episodes(file, board, Extent(settled=True)),
        precision=order.precision,
        size_bytes=len(simulator.content),
    )


def _for_onnx(file: PolicyFile, network: LayeredNetwork, order: Order) -> _Converted:
    from npu_runtime.convert.half import to_float16
    from npu_runtime.convert.int8 import to_int8

    path = order.folder / f"{file.path.stem}.{order.precision}.onnx"
    rows = _rows(file, order)
    content = to_int8(file, rows) if order.precision == "int8" else to_float16(file)
    candidate = parse_policy_file(content, path=path)
    with closing(backend_named(JUDGED_ON[order.precision])(candidate)) as opened:
        parity = compared(right_scores(file, rows), run_in_batches(opened, rows))
        known = _known(file, opened)
    _check(file, order, parity)
    verdict = _verdict(order, lambda board: judge(file, candidate, board=board, jobs=order.jobs))
    _check_known(file, order, known)
    replace_together({path: content})
    return (path,), _Measured(parity=parity, verdict=verdict)


_CONVERTERS: Mapping[str, Callable[[PolicyFile, LayeredNetwork, Order], _Converted]] = {
    "kirin970": _for_kirin970,
    "rk3588": _for_rk3588,
    "onnx": _for_onnx,
}


def _fixed(order: Order) -> int:
    if order.batch is None:
        raise ConversionFailed(f"--batch must be given with --target {order.target.name}")
    return order.batch


def _made(order: Order, form: Format, files: Mapping[str, bytes], made_by: str) -> Made:
    return Made(
        target=order.target.name,
        format=form,
        files=files,
        precision=order.precision,
        batch=_fixed(order),
        made_by=made_by,
    )


def _ours() -> str:
    return f"ilgov {version('ilgov')}"


def _compiled(path: Path) -> bytes:
    """What the vendor's converter wrote, which nothing here can read."""
    with path.open("rb") as stream:
        content = stream.read(MOST_BYTES + 1)
    if not 0 < len(content) <= MOST_BYTES:
        raise ConversionFailed(
            f"{path}: must have 1 byte ... {MOST_BYTES >> 20} MiB (got {len(content)} bytes); "
            "--compiled takes what the vendor's converter wrote"
        )
    return content


def _rows(file: PolicyFile, order: Order) -> Rows:
    """For int8 such as the policy meets; else its own parity rows, and drawn ones."""
    if order.precision == "int8":
        return calibration_rows(file, _board(order))
    return np.concatenate([file.metadata.parity_rows()[0], drawn_rows(file, DRAWN_ROWS)])


def _board(order: Order) -> Board:
    if order.board is None:
        raise ConversionFailed("--board must name the board that is simulated (got none)")
    return order.board


def _check(file: PolicyFile, order: Order, parity: Parity) -> None:
    """Raise ConversionFailed unless the scores are still those of the policy.

    Those of int8 never are: what counts there is what the policy decides by them.
    """
    tolerance = PARITY_TOLERANCE[order.precision]
    if order.precision != "int8" and not parity.largest_share <= tolerance:
        raise ConversionFailed(
            f"{file.path}: scores in {order.precision} must agree with the policy's within "
            f"{tolerance:g} of their range (got {parity.largest_share:.3g} at most, "
            f"{parity.mean_share:.3g} on average); nothing was written"
        )


def _known(file: PolicyFile, backend: Backend) -> Parity:
    """The policy's known rows, by which whoever opens what is written goes."""
    rows, expected = file.metadata.parity_rows()
    return compared(expected, run_in_batches(backend, rows))


def _check_known(file: PolicyFile, order: Order, known: Parity) -> None:
    """Raise ConversionFailed where what is written would be refused when it is opened."""
    tolerance = PARITY_TOLERANCE[order.precision]
    if not known.largest_share <= tolerance:
        raise ConversionFailed(
            f"{file.path}: scores of its known rows in {order.precision} must be within "
            f"{tolerance:g} of their range (got {known.largest_share:.3g}), or it is refused when "
            "it is opened; take another precision; nothing was written"
        )


def _verdict(order: Order, judged: Callable[[Board], Verdict]) -> Verdict | None:
    """What a judge says, where one is asked; Refused where it says no."""
    if not is_judged(order.target, order.precision, asked=order.judged):
        return None
    verdict = judged(_board(order))
    if not verdict.passes:
        raise Refused(verdict)
    return verdict


def _written(path: Path) -> WrittenFile:
    content = path.read_bytes()
    return WrittenFile(path=str(path), bytes=len(content), sha256=sha256(content))
