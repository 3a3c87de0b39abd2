"""A fake machine in front of the doctor."""

from collections.abc import Callable, Iterator
from pathlib import Path

from rm.doctor.finding import Finding
from rm.doctor.subject import Machine, machine
from tests.platforms.linux.fake_root import FakeRoot

Look = Callable[[Machine], Iterator[Finding]]


def write_configuration(root: FakeRoot, text: str) -> Path:
    """The daemon's configuration where it usually lies on that machine."""
    root.write("/etc/ilgov/ilgov.toml", text)
    return root.path / "etc/ilgov/ilgov.toml"


def findings(look: Look, root: FakeRoot) -> list[Finding]:
    """What one examination finds on a fake machine."""
    return list(look(machine(root.path, None)))


def verdicts(look: Look, root: FakeRoot) -> dict[str, str]:
    """Its verdicts by subject, the worst where there are several."""
    rank = ("ok", "degraded", "missing")
    worst: dict[str, str] = {}
    for finding in findings(look, root):
        before = worst.get(finding.subject, "ok")
        worst[finding.subject] = max(before, finding.verdict, key=rank.index)
    return worst
