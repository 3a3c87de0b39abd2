"""``ilgov doctor``: what on this machine would work, what not, what to do."""

import argparse
import json
from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec

from platforms.linux.root_option import add_root_option
from rm.daemon.configuration.settings import DEFAULT_PATH
from rm.doctor.finding import Finding, could_run
from rm.doctor.subject import machine

_EXIT_CODES = """
of this command:
  0    the daemon could run here, perhaps with less than everything
  1    the daemon could not run here"""


def configure(parser: argparse.ArgumentParser) -> None:
    """What on this machine would work, what not, what to do.

    Nothing is written; the exit code tells whether the daemon could run.
    """
    add_root_option(parser)
    parser.add_argument(
        "--config",
        type=Path,
        metavar="FILE",
        help=f"the daemon's configuration [{DEFAULT_PATH} under the root, if it is there]",
    )
    parser.add_argument("--json", action="store_true", help="the findings as JSON")
    parser.epilog = f"{parser.epilog or ''}{_EXIT_CODES}"
    parser.set_defaults(run=_run)


def _run(args: argparse.Namespace) -> int:
    from rm.doctor.examination import examine

    findings = examine(machine(args.root, args.config))
    if args.json:
        print(json.dumps(_document(findings), indent=2))
    else:
        print("\n".join(_lines(findings)))
    return 0 if could_run(findings) else 1


def _document(findings: Sequence[Finding]) -> dict[str, object]:
    return {"could_run": could_run(findings), "findings": msgspec.to_builtins(findings)}


def _lines(findings: Sequence[Finding]) -> Iterator[str]:
    width = max(len(finding.subject) for finding in findings)
    margin = " " * (len("degraded") + 2)
    for finding in findings:
        yield f"{finding.verdict:<8}  {finding.subject:<{width}}  {finding.found}"
        if finding.means:
            yield f"{margin}means: {finding.means}"
        if finding.way_out:
            yield f"{margin}do:    {finding.way_out}"
    yield ""
    yield _last_word(findings)


def _last_word(findings: Sequence[Finding]) -> str:
    lacking = sum(finding.verdict == "missing" for finding in findings)
    less = sum(finding.verdict == "degraded" for finding in findings)
    if lacking:
        return f"the daemon could not run here: {lacking} missing, {less} degraded"
    return f"the daemon could run here, {less} degraded" if less else "the daemon could run here"
