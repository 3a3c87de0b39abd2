"""``ilgov npu convert``: make of a policy what an accelerator takes."""

import argparse
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from npu_runtime.convert.rknn import INSTALL, PYTHON_VARIABLE, rknn_python
from npu_runtime.convert.target import (
    DEFAULT_BATCH,
    MOST_ROWS,
    TARGETS,
    Target,
    batch_for,
    precision_for,
)
from npu_runtime.errors import ConversionFailed
from npu_runtime.policy_file import PolicyFile, Precision, read_policy_file
from npu_runtime.precision import PRECISIONS

if TYPE_CHECKING:
    from rm.npu.conversion import Conversion, Order

_MANUAL = f"""
Features are scaled on the CPU, in float32, by the numbers in the sidecar: the accelerator gets the
layers alone. Files are called NAME.TARGET.EXTENSION, the sidecar NAME.TARGET.json; it carries the
digests of the files and of the policy that they were made from. All are replaced together or not at
all. A back end looks for them beside the policy.

targets:
{{targets}}

--target rk3588 needs Rockchip's rknn-toolkit2 2.5.0 in a Python of its own (about 6 GB):
  {INSTALL[0]}
  {INSTALL[1]}
The toolkit's simulator runs the result, and the scores are compared.

float16 is written only where no score is off by more than 0.5 % of their range. int8 is calibrated
on rows from simulated episodes that the policy governs. Then the result is judged on other
episodes, with other applications: it is written only where it changes at most 1 % (int8) or 0.1 %
(float16) of the migrations and the hottest core is at most 0.05 K hotter in the mean, and where the
scores of the policy's known rows are off by at most 5 % of their range (int8), as whatever opens it
asks. That takes minutes; for a policy that rates mappings, up to an hour. float16 for rk3588 is
judged with --judge only: beside it float32 has the last word on decisions that rounding could
change.

exit codes:
  0    written
  1    refused: the table says what the precision would change; or ilgov has a fault
  2    nothing was written: a mistake in the command line or in the policy, or a vendor's converter
       that is missing or fails"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Make of a policy what an accelerator takes, and say what is left to do."""
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = _MANUAL.format(targets="\n".join(_targets()))
    parser.add_argument("policy", type=Path, metavar="POLICY.onnx", help="what 'ilgov train' wrote")
    parser.add_argument("--target", required=True, choices=tuple(TARGETS), help="see below")
    parser.add_argument(
        "--precision",
        choices=PRECISIONS,
        help="of weights and of what flows between layers [the first that the target takes]",
    )
    parser.add_argument(
        "--batch",
        type=int,
        metavar="ROWS",
        help=f"rows of every call, 1 ... {MOST_ROWS}; those that are missing are filled up. Not "
        f"for onnx, which takes any number [{DEFAULT_BATCH}: a row per core of a board of eight, "
        "and the known row by which isolation sees that the answer is true]",
    )
    parser.add_argument(
        "--out", type=Path, metavar="DIR", help="folder for the files [the policy's own]"
    )
    parser.add_argument(
        "--compiled",
        type=Path,
        metavar="FILE.cambricon",
        help="for kirin970: what the vendor's converter or the board made of the Caffe files; it "
        "is copied beside the policy, and the sidecar names it in their place",
    )
    parser.add_argument(
        "--rknn-python",
        type=Path,
        metavar="PATH",
        help=f"for rk3588: the Python that has rknn-toolkit2 [${PYTHON_VARIABLE}, else this one]",
    )
    parser.add_argument(
        "--board",
        metavar="NAME",
        help="shipped board or board file that is simulated to calibrate and to judge [the "
        "policy's]",
    )
    parser.add_argument(
        "--judge", action="store_true", help="judge float16 for rk3588 by its decisions too"
    )
    parser.add_argument(
        "--jobs", type=int, default=2, help="processes that judge, for onnx [%(default)s]"
    )
    parser.add_argument("--json", action="store_true", help="what was done as JSON")
    parser.set_defaults(run=_run)


def _targets() -> Iterator[str]:
    for target in TARGETS.values():
        yield f"  {target.name:<9} {target.takes}; precisions: {', '.join(target.precisions)}"


def _run(args: argparse.Namespace) -> int:
    import msgspec

    from rm.npu.conversion import Refused, convert

    wanted = _wanted(args)
    file = read_policy_file(args.policy)
    try:
        done = convert(file, _order(args, file, *wanted))
    except Refused as refused:
        verdict = refused.verdict
        print(verdict.document().decode() if args.json else "\n".join(verdict.lines()))
        return 1
    if args.json:
        print(json.dumps(msgspec.to_builtins(done), indent=2))
    else:
        print("\n".join(_lines(done)))
    return 0


def _wanted(args: argparse.Namespace) -> tuple[Target, Precision, int | None]:
    """Target, precision and batch; ConversionFailed for options that do not go together."""
    target = TARGETS[args.target]
    if args.compiled is not None and target.name != "kirin970":
        raise ConversionFailed(f"--compiled must go with --target kirin970 (got {target.name})")
    if args.rknn_python is not None and target.name != "rk3588":
        raise ConversionFailed(f"--rknn-python must go with --target rk3588 (got {target.name})")
    if args.judge and target.name == "kirin970":
        raise ConversionFailed("--judge must not go with --target kirin970: nothing here runs it")
    if args.jobs < 1:
        raise ConversionFailed(f"--jobs must be 1 or more (got {args.jobs})")
    precision = precision_for(target, args.precision)
    return target, precision, batch_for(target, args.batch)


def _order(
    args: argparse.Namespace,
    file: PolicyFile,
    target: Target,
    precision: Precision,
    batch: int | None,
) -> "Order":
    from platforms.board_file import load_board
    from rm.npu.conversion import Order, is_judged

    is_simulated = is_judged(target, precision, asked=args.judge)
    return Order(
        target=target,
        precision=precision,
        batch=batch,
        folder=args.policy.parent if args.out is None else args.out,
        compiled=args.compiled,
        rknn_python=rknn_python(args.rknn_python, os.environ),
        board=load_board(args.board or file.metadata.board) if is_simulated else None,
        judged=args.judge,
        jobs=args.jobs,
    )


def _lines(done: "Conversion") -> Iterator[str]:
    rows = "any number of rows" if done.batch is None else f"{done.batch} rows"
    yield f"{done.policy} for {done.target}, {done.precision}, {rows} a call"
    for file in done.written:
        yield f"  wrote {file.path}, {file.bytes:,} bytes"
    if done.parity is not None:
        yield (
            f"  scores off by {done.parity.largest_share:.2g} of their range at most, "
            f"{done.parity.mean_share:.2g} on average, over {done.parity.rows} rows"
        )
        if done.parity.argmax is not None:
            yield f"  another best core in {done.parity.argmax:.2%} of the rows"
    if done.verdict is not None:
        yield from done.verdict.lines()
    for number, step in enumerate(done.steps, start=1):
        yield f"{number}. {step.what}" + (":" if step.command else "")
        if step.command:
            yield f"     {step.command}"
