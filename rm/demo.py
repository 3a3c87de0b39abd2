"""``ilgov demo``: the whole way from a board to a report, by the commands a user would type."""

import argparse
import shlex
import shutil
import time
from pathlib import Path

from msgspec import Struct

from platforms.errors import InvalidInput
from rm.manifest import (
    Entry,
    MadeFrom,
    data_digest,
    path_digest,
    read_manifest,
    reasons_to_make,
    source_digest,
    write_manifest,
)

_BOARD = "hikey970"
_OUT = "{out}"
"""Stands in a step's words for the folder, whose name does not change what is made."""


class Step(Struct, frozen=True, kw_only=True):
    """One command. `inputs` and `output` are names in the demo's folder."""

    name: str
    words: tuple[str, ...]
    inputs: tuple[str, ...] = ()
    output: str | None = None
    takes_jobs: bool = False

    def command(self, out: Path, jobs: int) -> list[str]:
        """The words behind ``ilgov``, as a user types them."""
        words = [word.replace(_OUT, str(out)) for word in self.words]
        return [*words, "--jobs", str(jobs)] if self.takes_jobs else words


def steps(*, quick: bool) -> tuple[Step, ...]:
    """The demo's steps; `quick` ones record, train and compare less."""
    record = ("--scenarios", "12", "--opps", "3") if quick else ()
    test = ("--scenarios", "4", "--opps", "3") if quick else ("--scenarios", "20")
    strangers = (
        *("--applications", "parsec", "--held-out-share", "0", "--diversity", "0"),
        *("--seed", "1"),
    )
    fan, passive = ("--cooling", "fan"), ("--cooling", "passive")
    compare = (
        (*fan, "--seeds", "2", "--duration-s", "300") if quick else (*fan, *passive, "--seeds", "6")
    )
    return (
        Step(name="board", words=("board", "show", _BOARD)),
        *_demonstrations("", *record),
        *_demonstrations("test-", *strangers, *test),
        Step(
            name="train",
            words=(
                *("train", "--demonstrations", f"{_OUT}/demonstrations.parquet"),
                *("--test-demonstrations", f"{_OUT}/test-demonstrations.parquet"),
                *("--out", f"{_OUT}/policy.onnx", "--seeds", "1" if quick else "3"),
            ),
            inputs=("demonstrations.parquet", "test-demonstrations.parquet"),
            output="policy.onnx",
            takes_jobs=True,
        ),
        Step(
            name="evaluate",
            words=(
                *("evaluate", "--policy-file", f"{_OUT}/policy.onnx", *compare),
                *("--out", f"{_OUT}/evaluation"),
            ),
            inputs=("policy.onnx",),
            output="evaluation",
            takes_jobs=True,
        ),
    )


def _demonstrations(prefix: str, *options: str) -> tuple[Step, Step]:
    """Record traces with these options, and make demonstrations of them."""
    suffix = f"-{prefix[:-1]}" if prefix else ""
    traces, demonstrations = f"{prefix}traces.parquet", f"{prefix}demonstrations.parquet"
    record = Step(
        name=f"record{suffix}",
        words=(
            *("trace", "record", "--board", _BOARD, "--cooling", "fan"),
            *("--out", f"{_OUT}/{traces}", *options),
        ),
        output=traces,
        takes_jobs=True,
    )
    oracle = Step(
        name=f"oracle{suffix}",
        words=(
            *("oracle", "labels", "--traces", f"{_OUT}/{traces}"),
            *("--out", f"{_OUT}/{demonstrations}"),
        ),
        inputs=(traces,),
        output=demonstrations,
    )
    return record, oracle


def configure(parser: argparse.ArgumentParser) -> None:
    """Walk the whole way on the simulated HiKey 970: record, search, train, compare."""
    parser.add_argument(
        "--out",
        type=Path,
        default=Path("demo-output"),
        metavar="FOLDER",
        help="where everything is written; what is there and still true is kept (%(default)s)",
    )
    parser.add_argument(
        "--jobs", type=int, default=2, metavar="N", help="processes at a time (%(default)s)"
    )
    parser.add_argument(
        "--quick",
        action="store_true",
        help="record, train and compare less: half a minute, worse policy",
    )
    parser.add_argument("--fresh", action="store_true", help="make everything again")
    parser.set_defaults(run=_run)


def _run(args: argparse.Namespace) -> int:
    if args.jobs < 1:
        raise InvalidInput(f"--jobs must be at least 1 (got {args.jobs})")
    entries = read_manifest(args.out)
    data, source = data_digest(), source_digest()
    todo = steps(quick=args.quick)
    for number, step in enumerate(todo, start=1):
        command = step.command(args.out, args.jobs)
        print(f"\n[{number}/{len(todo)}] {shlex.join(['ilgov', *command])}", flush=True)
        code = 0
        if step.output is None:
            code = _ilgov(command)
        else:
            inputs = {name: path_digest(args.out / name) for name in step.inputs}
            now = MadeFrom(command=step.words, inputs=inputs, data=data, source=source)
            code = _make(step, command, now, entries, args)
        if code:
            return code
    print(f"\nreport: {args.out / 'evaluation' / 'report.html'}")
    return 0


def _make(
    step: Step,
    command: list[str],
    now: MadeFrom,
    entries: dict[str, Entry],
    args: argparse.Namespace,
) -> int:
    """Run a step that writes an output, unless the output is what it would write."""
    output: Path = args.out / str(step.output)
    begun = Entry(now)
    reasons = ["--fresh"] if args.fresh else reasons_to_make(entries.get(step.name), now, output)
    if not reasons:
        print(f"kept: {output} was made by this command from the same inputs", flush=True)
        if step.name == "evaluate":
            _show_results(output)
        return 0
    if step.name in entries:
        print(f"made again: {'; '.join(reasons)}", flush=True)
    if args.fresh or entries.get(step.name) != begun:
        _clear(output)
    entries[step.name] = begun
    write_manifest(args.out, entries)
    start_s = time.monotonic()
    code = _ilgov(command)
    if code == 0:
        entries[step.name] = Entry(now, path_digest(output))
        write_manifest(args.out, entries)
        print(f"took {time.monotonic() - start_s:.0f} s", flush=True)
    return code


def _clear(output: Path) -> None:
    """Remove an output and the unfinished work beside it, whose names begin with the output's."""
    for path in [output, *output.parent.glob(f"{output.name}.*")]:
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)


def _show_results(folder: Path) -> None:
    """Print the tables of an evaluation that was kept."""
    from rm.evaluation.command import print_summary
    from rm.evaluation.results import read_results

    print_summary(read_results(folder), as_json=False)


def _ilgov(command: list[str]) -> int:
    """Run another command in this process; it reports its own mistakes and Ctrl-C."""
    from rm.main import main

    return main(command)
