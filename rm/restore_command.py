"""``ilgov restore``: put back what a daemon that ended badly has changed."""

import argparse
import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path

from platforms.errors import InvalidInput
from platforms.linux.errors import Unreadable
from platforms.linux.files.cpu_list import format_cpu_list
from platforms.linux.knobs.journal import JOURNAL_NAME
from platforms.linux.knobs.journal_entries import Undo
from platforms.linux.knobs.restore import RestoreReport, pending, restore
from platforms.linux.knobs.system_calls import calls_for
from platforms.linux.root_option import add_root_option, must_be_a_root
from rm.daemon.configuration.settings import DEFAULT_STATE_DIR

_MANUAL = """
Before the daemon first writes to a knob (a cpufreq file, the cores of a thread, a cpuset), makes a
control group or stops a process, it stores how that was in STATE_DIR/undo.jsonl. When it stops it
puts everything back. This command does the same for a daemon that could not: one that was killed,
crashed or hung. systemd runs it after each stop of the service; you can run it at any time, as
root, as often as you like.

  - A daemon that still runs is left alone: stop it first (systemctl stop ilgov).
  - Old values hold for one boot. After the next one the kernel has its own again, and there is
    nothing to do.
  - Threads born since the daemon moved their process get the cores that it had before. A process
    that has ended is passed over, and so is one that has got its number.
  - Training jobs go on where they were: out of their control group, which is removed, and thawed.
  - What cannot be restored now, such as the frequency of cores that are unplugged, stays in the
    file, and the next run tries again; otherwise the file is deleted.

With --json: "restored" and "gone" (ended, unloaded) are counts of knobs and threads, "problems" are
sentences, "journal" is the file that was looked into. With --dry-run as well: "files" has the value
to be written by path, "threads" for each process the cores by thread, "groups" for each control
group that would be removed its processes' old groups, "stopped" the processes that would go on."""

_EXIT_CODES = """
of this command:
  0    all is as it was before, or there was nothing to do
  1    something could not be restored; it is named on standard error
  2    a mistake: not root, a daemon still runs, a file that cannot be trusted"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Put back what a daemon that ended badly has changed.

    Does nothing, with exit code 0, where there is nothing to undo.
    """
    parser.description = f"{parser.description}\n{_MANUAL}"
    parser.epilog = f"{parser.epilog or ''}{_EXIT_CODES}"
    add_root_option(parser)
    parser.add_argument(
        "--state-dir",
        type=Path,
        metavar="DIR",
        help=f"where the daemon keeps its state [{DEFAULT_STATE_DIR} under --root]",
    )
    parser.add_argument(
        "--dry-run", action="store_true", help="say what would be restored, change nothing"
    )
    parser.add_argument("--json", action="store_true", help="as JSON, for machines")
    parser.set_defaults(run=_run)


def _run(args: argparse.Namespace) -> int:
    must_be_a_root(args.root)
    state_dir = args.state_dir or args.root / DEFAULT_STATE_DIR.relative_to("/")
    journal = state_dir / JOURNAL_NAME
    _must_be_root(args.root)
    try:
        if args.dry_run:
            return _show(pending(args.root, journal), journal, as_json=args.json)
        report = restore(
            args.root, journal, calls_for(args.root), strict=_is_this_machine(args.root)
        )
    except Unreadable as error:
        raise InvalidInput(str(error)) from error
    return _tell(report, journal, as_json=args.json)


def _is_this_machine(root: Path) -> bool:
    return root.resolve() == Path("/")


def _must_be_root(root: Path) -> None:
    if _is_this_machine(root) and os.geteuid() != 0:
        message = f"user must be root (got user {os.geteuid()}); run: sudo ilgov restore"
        raise InvalidInput(message)


def _show(undo: Undo, journal: Path, *, as_json: bool) -> int:
    if as_json:
        threads = {
            str(key.pid): {str(tid): format_cpu_list(mask.cores) for tid, mask in masks.items()}
            for key, masks in undo.masks.items()
        }
        groups = {
            path: {str(key.pid): old for key, old in members.items()}
            for path, members in undo.groups.items()
        }
        stopped = sorted(key.pid for key in undo.stopped)
        found = {"files": undo.files, "threads": threads, "groups": groups, "stopped": stopped}
        print(_json({"journal": str(journal), **found}))
    else:
        print("\n".join(_lines(undo)))
    return 0


def _lines(undo: Undo) -> Iterator[str]:
    if not undo:
        yield "nothing to restore"
    for path, old in undo.files.items():
        yield f"would write {old!r} to {path}"
    for key, masks in undo.masks.items():
        for tid, mask in masks.items():
            cores = format_cpu_list(mask.cores)
            yield f"would let thread {tid} of process {key.pid} run on cores {cores}"
    for path, members in undo.groups.items():
        for key, old in members.items():
            yield f"would move process {key.pid} back to {old}"
        yield f"would remove {path}"
    for key in undo.stopped:
        yield f"would let process {key.pid} go on"


def _tell(report: RestoreReport, journal: Path, *, as_json: bool) -> int:
    for problem in report.problems:
        print(f"ilgov: not restored: {problem}", file=sys.stderr)
    if as_json:
        print(
            _json(
                {
                    "journal": str(journal),
                    "restored": report.restored,
                    "gone": report.gone,
                    "problems": list(report.problems),
                }
            )
        )
    elif not report.restored and not report.problems:
        print("nothing to restore")
    else:
        print(f"restored: {report.restored} knobs and threads")
    return 1 if report.problems else 0


def _json(data: dict[str, object]) -> str:
    return json.dumps(data, indent=2)
