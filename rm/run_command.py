"""The command ``ilgov run``: the governor as a daemon."""

import argparse
import logging
import signal
import sys
import textwrap
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from platforms.linux.knobs.journal import JOURNAL_NAME, Journal, read_boot_id
from platforms.linux.knobs.restore import restore
from platforms.linux.knobs.system_calls import calls_for
from platforms.linux.processes.processes import ProcessTable
from platforms.linux.root_option import add_root_option, must_be_a_root, under
from rm.daemon.clients.served_clock import MonotonicClock
from rm.daemon.configuration.configuration import load_configuration
from rm.daemon.configuration.settings import DEFAULT_PATH, Configuration
from rm.daemon.daemon import Daemon
from rm.daemon.notify import Notifier
from rm.daemon.rivals import find_rivals, sentences
from rm.policies.registry import policy_names

logger = logging.getLogger("ilgov")

RIVAL_RUNS = 3
"""Exit code: somebody else writes the same knobs."""

_EPILOG = """signals:
  SIGTERM, SIGINT  put everything back as it was, and end
  SIGHUP           read the configuration anew: applications, safety, policy and its file; what
                   needs a restart is said in the log; a wrong file changes nothing

exit codes:
  0  ended by a signal, everything is as it was before
  1  ilgov has a fault, or something could not be restored; the log says what
  2  a mistake in the command line, the configuration, or a file that it names; nothing was written
  3  another program writes the same knobs; the message names it and how to stop it"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Run the governor as a daemon (as root).

    Ends with the exit codes above.
    """
    parser.epilog = f"policies:\n  {_wrapped(policy_names())}\n\n{_EPILOG}"
    parser.add_argument(
        "--config",
        type=Path,
        default=DEFAULT_PATH,
        metavar="FILE",
        help=f"the configuration, TOML (default: {DEFAULT_PATH}); see docs/daemon.md",
    )
    parser.add_argument(
        "--dry-run",
        action="store_true",
        help="decide and log, but write nothing to the machine; needs no root",
    )
    add_root_option(parser)
    parser.set_defaults(run=_run)


def _wrapped(names: Iterable[str]) -> str:
    return textwrap.fill(", ".join(names), 96, subsequent_indent="  ", break_on_hyphens=False)


def _run(args: argparse.Namespace) -> int:
    must_be_a_root(args.root)
    root: Path = args.root.resolve()
    configuration = load_configuration(args.config, root=root)
    _start_logging(configuration)
    rivals = () if args.dry_run else find_rivals(ProcessTable(root))
    if rivals:
        print(f"ilgov: error: must be alone: {sentences(rivals)}", file=sys.stderr)
        return RIVAL_RUNS
    with _journal(configuration, root, dry_run=args.dry_run) as journal:
        daemon = Daemon(
            configuration,
            root=root,
            journal=journal,
            clock=MonotonicClock(),
            notifier=Notifier.from_environment(),
            reread=lambda: load_configuration(args.config, root=root),
        )
        _heed_signals(daemon)
        daemon.run()
    return _left_over(configuration, root) if not args.dry_run else 0


def _start_logging(configuration: Configuration) -> None:
    """To stderr, where systemd's journal takes it; that knows the time itself."""
    logging.basicConfig(
        stream=sys.stderr,
        level=configuration.log.level.upper(),
        format="%(levelname)s %(name)s: %(message)s",
    )


@contextmanager
def _journal(
    configuration: Configuration, root: Path, *, dry_run: bool
) -> Iterator[Journal | None]:
    """The undo journal, after what an earlier run left was restored; None for a dry run.

    It is removed where there is nothing to undo, as after a start that failed.
    """
    if dry_run:
        yield None
        return
    path = _journal_path(configuration, root)
    report = restore(root, path, calls_for(root))
    if report.restored or report.problems:
        logger.warning("an earlier run ended without restoring: %d knobs restored", report.restored)
    for problem in report.problems:
        logger.error("not restored: %s", problem)
    journal = Journal.open(path, boot_id=read_boot_id(root))
    try:
        yield journal
    finally:
        if journal.undo():
            journal.close()
        else:
            journal.remove()


def _left_over(configuration: Configuration, root: Path) -> int:
    """Remove the journal; whether something is left in it that could not be restored."""
    report = restore(root, _journal_path(configuration, root), calls_for(root))
    for problem in report.problems:
        logger.error("not restored: %s", problem)
    return 1 if report.problems else 0


def _journal_path(configuration: Configuration, root: Path) -> Path:
    return under(root, configuration.state_dir) / JOURNAL_NAME


def _heed_signals(daemon: Daemon) -> None:
    signal.signal(signal.SIGTERM, lambda *_: daemon.stop("SIGTERM"))
    signal.signal(signal.SIGINT, lambda *_: daemon.stop("SIGINT"))
    signal.signal(signal.SIGHUP, lambda *_: daemon.reload())
