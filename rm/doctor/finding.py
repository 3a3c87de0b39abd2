"""One thing that was looked at, and what was found."""

from collections.abc import Iterable
from typing import Literal

from msgspec import Struct

Verdict = Literal["ok", "degraded", "missing"]
"""``degraded``: the daemon runs, with less. ``missing``: it cannot run."""


class Finding(Struct, frozen=True):
    """What was looked at, what is there, what that means for the daemon, and what to do."""

    subject: str
    verdict: Verdict
    found: str
    means: str = ""
    way_out: str = ""


def ok(subject: str, found: str) -> Finding:
    """All is well."""
    return Finding(subject, "ok", found)


def degraded(subject: str, found: str, means: str, way_out: str = "") -> Finding:
    """The daemon runs, with less."""
    return Finding(subject, "degraded", found, means, way_out)


def missing(subject: str, found: str, means: str, way_out: str) -> Finding:
    """The daemon cannot run."""
    return Finding(subject, "missing", found, means, way_out)


def could_run(findings: Iterable[Finding]) -> bool:
    """Whether nothing is missing."""
    return all(finding.verdict != "missing" for finding in findings)
