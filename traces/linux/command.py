"""``ilgov trace record --on linux``: what the command does on a real machine."""

import argparse
import logging
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from types import FrameType

from platforms.board import Board
from platforms.errors import InvalidInput
from platforms.linux.knobs.journal import JOURNAL_NAME, Journal, read_boot_id
from platforms.linux.knobs.restore import restore
from platforms.linux.knobs.system_calls import calls_for
from platforms.linux.root_option import must_be_a_root, under
from platforms.options import comma_separated
from traces.estimate import Estimate, duration, estimate, remaining_s
from traces.experiment_protocol import RunSpoiled
from traces.linux.machine import opened
from traces.linux.programs import chosen_programs, load_programs, programs_digest
from traces.linux.recording import record_runs, take_over, write_traces
from traces.linux.run_log import LogHeader, RunLog, log_path
from traces.linux.started import Programs
from traces.plan import Plan
from traces.trace_metadata import trace_metadata

logger = logging.getLogger(__name__)

PlanOf = Callable[[Board, argparse.Namespace, Sequence[str], str], Plan]


class MonotonicClock:
    """The machine's time, which no one sets back."""

    def now_s(self) -> float:
        """Seconds since an arbitrary start."""
        return time.monotonic()

    def sleep_until(self, time_s: float) -> None:
        """Return when `now_s` is at least `time_s`."""
        while (left_s := time_s - time.monotonic()) > 0:
            time.sleep(left_s)


def record_on_linux(
    board: Board,
    args: argparse.Namespace,
    plan_of: PlanOf,
    announced: Callable[[Board, Plan], str],
    words: Sequence[str],
) -> int:
    """Record on the machine at ``args.root``; the exit code."""
    must_be_a_root(args.root)
    root: Path = args.root.resolve()
    if args.programs is None:
        raise InvalidInput("--on linux needs --programs FILE, a TOML file of command lines")
    names = [] if args.applications is None else comma_separated(args.applications)
    programs = chosen_programs(load_programs(args.programs), names)
    plan = plan_of(board, args, [p.name for p in programs], programs_digest(programs))
    expected = estimate(board, plan)
    print(announced(board, plan))
    print(expected)
    if args.dry_run:
        return 0
    if not args.fresh and _is_recorded(args.out, plan):
        print(f"{args.out} holds this recording already (--fresh records it again)")
        return 0
    if root == Path("/") and os.geteuid() != 0:
        raise InvalidInput(
            f"user must be root (got user {os.geteuid()}); run: sudo ilgov trace record"
        )
    path = log_path(args.out, plan.digest)
    if args.fresh:
        path.unlink(missing_ok=True)
    metadata = trace_metadata(board, plan, words, simulated=False)
    header = LogHeader(metadata=metadata, conduct=plan.conduct, runs=plan.run_count(board))
    with RunLog(path, header) as log:
        if args.add_to is not None:
            from traces.recording import known_runs

            take_over(board, plan, log, known_runs(args.add_to, plan))
        by_name = {program.name: program for program in programs}
        clock = MonotonicClock()
        try:
            with (
                _ending_at_signals(),
                _journal(root, args.state_dir) as journal,
                Programs(path.with_suffix(".log")) as started,
                opened(
                    board, root=root, journal=journal, clock=clock, actuator=args.actuator
                ) as machine,
            ):
                record_runs(
                    board,
                    plan,
                    machine,
                    by_name,
                    log,
                    start=started.start,
                    clock=clock,
                    settle_s=expected.settle_s,
                    on_done=_progress(expected, len(log.rows), header.runs),
                )
        except (RunSpoiled, OSError) as error:
            raise InvalidInput(f"{error}; {len(log.rows)} runs are kept in {path}") from error
        except InvalidInput:
            if not log.rows:
                path.unlink()
                path.with_suffix(".log").unlink(missing_ok=True)
            raise
        except KeyboardInterrupt:
            print(f"{len(log.rows)} of {header.runs} runs are kept, in {path}", file=sys.stderr)
            raise
        throttled = sum(row["throttled"] for row in log.rows.values())
    if _left_over(root, args.state_dir):
        return 1
    return _finish(path, args.out, runs=header.runs, throttled=throttled)


def _is_recorded(out: Path, plan: Plan) -> bool:
    """Whether `out` holds this plan's traces; nobody can tell without a Parquet library."""
    if find_spec("pyarrow") is None:
        return False
    from traces.recording import is_recorded

    return is_recorded(out, plan)


def _finish(path: Path, out: Path, *, runs: int, throttled: int) -> int:
    told = f"{runs} runs, {throttled} throttled (kept apart, not used as measurements)"
    if find_spec("pyarrow") is None:
        print(
            f"{path}: {told}; this machine cannot write Parquet: copy the file to one with "
            f"ilgov[train] and run 'ilgov trace join {path.name} --out {out.name}' there"
        )
        return 0
    write_traces(path, out)
    path.unlink()
    path.with_suffix(".log").unlink(missing_ok=True)
    print(f"{out}: {told}")
    return 0


def _progress(expected: Estimate, there: int, runs: int) -> Callable[[int], None]:
    """Say on a terminal how far it is and how long it will take, from what runs took so far."""
    begin_s = time.monotonic()
    each_s = expected.total_s / max(runs, 1)

    def on_done(made: int) -> None:
        if sys.stderr.isatty():
            left = runs - there
            left_s = remaining_s(
                left * each_s, runs=left, done=made, spent_s=time.monotonic() - begin_s
            )
            text = f"\r{there + made}/{runs} runs, {duration(left_s)} left   "
            print(text, end="\n" if made == left else "", file=sys.stderr, flush=True)

    return on_done


@contextmanager
def _ending_at_signals() -> Iterator[None]:
    """SIGTERM and SIGHUP end the recording as Ctrl-C does: everything is given back."""

    def interrupt(number: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    signals = (signal.SIGTERM, signal.SIGHUP)
    before = [signal.signal(number, interrupt) for number in signals]
    try:
        yield
    finally:
        for number, handler in zip(signals, before, strict=True):
            signal.signal(number, handler)


@contextmanager
def _journal(root: Path, state_dir: Path) -> Iterator[Journal]:
    """The undo journal, after what an earlier run left was restored."""
    path = under(root, state_dir) / JOURNAL_NAME
    report = restore(root, path, calls_for(root))
    if report.restored or report.problems:
        logger.warning("an earlier run ended without restoring: %d knobs restored", report.restored)
    journal = Journal.open(path, boot_id=read_boot_id(root))
    try:
        yield journal
    finally:
        if journal.undo():
            journal.close()
        else:
            journal.remove()


def _left_over(root: Path, state_dir: Path) -> bool:
    """Whether something could not be given back; it is tried once more, and named."""
    report = restore(root, under(root, state_dir) / JOURNAL_NAME, calls_for(root))
    for problem in report.problems:
        print(f"ilgov: not restored: {problem}", file=sys.stderr)
    return bool(report.problems)
