"""How many decisions of a shipped policy change in lower precision, and what that costs.

``python benchmarks/npu_precision.py topil float16 int8 int8:hidden --seeds 6`` prints a verdict for
each: a precision, for int8 also which layers are in int8 while the others stay in float16
(``int8:hidden``: all but the first and the last; ``int8:2``: the third alone), and with ``@`` what
runs it (``float16@onnxruntime``). ``--settled`` judges what an accelerator makes of it beside the
float32 policy, which then settles near ties. The same figures every time; what
``docs/npu-precision.md`` says was printed by it.
"""

import argparse
import time
from pathlib import Path

from npu_runtime.backend import Rows
from npu_runtime.convert.half import to_float16
from npu_runtime.convert.int8 import to_int8
from npu_runtime.layers import layered_network
from npu_runtime.policy_file import PolicyFile, parse_policy_file, read_policy_file
from platforms.board import Board
from platforms.board_file import load_board
from rm.npu.calibration_rows import calibration_rows
from rm.npu.gate import judge
from rm.npu.judged import SEEDS, Extent, episodes
from rm.policies.shipped_files import FOLDER
from traces.progress import counted


def main() -> None:
    """Judge what the command line names."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("policy", choices=("topil", "ilgov"))
    parser.add_argument("candidates", nargs="+", metavar="PRECISION[:LAYERS][@BACKEND]")
    parser.add_argument("--board", default="hikey970")
    parser.add_argument("--seeds", type=int, default=SEEDS)
    parser.add_argument("--cooling", help="setups, comma separated [all of the board]")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--settled", action="store_true")
    args = parser.parse_args()
    board = load_board(args.board)
    file = read_policy_file(FOLDER / f"{args.policy}-{board.name}.onnx")
    rows = calibration_rows(file, board)
    coolings = tuple(args.cooling.split(",")) if args.cooling else None
    extent = Extent(seeds=args.seeds, coolings=coolings, settled=args.settled)
    for name in args.candidates:
        what, _, backend = name.partition("@")
        candidate = parse_policy_file(converted(file, what, rows), path=Path(f"{name}.onnx"))
        judged(file, candidate, name, board, extent, backend or None, args.jobs)


def converted(file: PolicyFile, what: str, rows: Rows) -> bytes:
    """The policy in a precision."""
    precision, _, layers = what.partition(":")
    count = len(layered_network(file).layers)
    if precision == "float32":
        return file.content
    if precision == "float16":
        return to_float16(file)
    in_int8 = {"": range(count), "hidden": range(1, count - 1)}.get(layers)
    places = in_int8 if in_int8 is not None else [int(place) for place in layers.split(",")]
    return to_int8(file, rows, in_float16=sorted(set(range(count)) - set(places)))


def judged(
    file: PolicyFile,
    candidate: PolicyFile,
    name: str,
    board: Board,
    extent: Extent,
    backend: str | None,
    jobs: int,
) -> None:
    """Print one verdict."""
    begun_s, done = time.perf_counter(), 0
    with counted(name, len(episodes(file, board, extent))) as show:

        def count() -> None:
            nonlocal done
            done += 1
            show(done)

        verdict = judge(
            file, candidate, board=board, extent=extent, backend=backend, jobs=jobs, on_done=count
        )
    print(f"[{name}, {time.perf_counter() - begun_s:.0f} s]")
    print(*verdict.lines(), sep="\n", flush=True)


if __name__ == "__main__":
    main()
