"""Run several programs in one boot of the guest: each as a process of its own, one after another.

The guest's side is this module's `main`; the host's side is `run_programs`.
"""

import json
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from tests.rig.guest import Setup, run
from tests.rig.places import Build

_SUMMARY = "programs.json"


class ProgramEnded(NamedTuple):
    """What one program left behind. `report` is the JSON that it wrote, {} without one."""

    exit_code: int
    output: str
    guest_s: float
    report: dict[str, Any]


def run_programs(
    setup: Setup,
    build: Build,
    programs: Mapping[str, Sequence[str]],
    *,
    timeout_s: float,
    hear: Callable[[str], None] = lambda text: None,
) -> dict[str, ProgramEnded]:
    """Boot once and run these command lines, each by its name.

    A program may write a report to ``/out/NAME.json``; it is kept in the build's reports, as is
    what it said. Raises GuestFailed as `guest.run` does.
    """
    words = ["python3", "-m", "tests.rig.programs", json.dumps(dict(programs))]
    with build.free_slot() as slot:
        out = run(setup, build, slot, words, timeout_s=timeout_s, hear=hear).out
        summary = json.loads((out / _SUMMARY).read_text())
        _keep(out, programs, build.reports)
        return {name: _ended(out, name, *summary[name]) for name in programs}


def _keep(out: Path, names: Iterable[str], reports: Path) -> None:
    """Copy what programs said and reported to where the slot's next guest leaves it alone."""
    reports.mkdir(exist_ok=True)
    for name in names:
        for path in out.glob(f"{name}.*"):
            shutil.copy(path, reports)


def _ended(out: Path, name: str, exit_code: int, guest_s: float) -> ProgramEnded:
    report = out / f"{name}.json"
    found = json.loads(report.read_text()) if report.exists() else {}
    output = (out / f"{name}.txt").read_text(errors="replace")
    return ProgramEnded(exit_code, output, guest_s, found)


def main(programs: dict[str, list[str]], out: Path) -> None:
    """In the guest: run them all, whatever becomes of each, and write what became of them."""
    summary = {}
    for name, words in programs.items():
        start_s = time.monotonic()
        with (out / f"{name}.txt").open("wb") as output:
            code = subprocess.run(
                words, stdout=output, stderr=subprocess.STDOUT, check=False
            ).returncode
        spent_s = time.monotonic() - start_s
        summary[name] = (code, spent_s)
        print(f"{name}: exit code {code} after {spent_s:.1f} s", flush=True)
        (out / _SUMMARY).write_text(json.dumps(summary))


if __name__ == "__main__":
    main(json.loads(sys.argv[1]), Path("/out"))
