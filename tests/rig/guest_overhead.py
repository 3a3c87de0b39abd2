"""In the guest: what the daemon's rounds execute, against their bare system calls."""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.daemon_overhead import Overhead, bench
from tests.rig.governed import write_configuration
from tests.rig.instruction_time import instructions_of
from tests.rig.world import OUT

APPLICATIONS = 8
ROUNDS = 30
POLICIES = ("ilgov", "little-first")


@contextmanager
def _waiting_processes(count: int) -> Iterator[list[int]]:
    """Processes that do nothing: what is counted is the daemon's own."""
    started = [subprocess.Popen(["sleep", "3600"]) for _ in range(count)]
    try:
        yield [process.pid for process in started]
    finally:
        for process in started:
            process.kill()
            process.wait()


def _instructions(action: Callable[[], object]) -> float:
    return instructions_of(action, rounds=ROUNDS).least


def main(report: Path) -> None:
    """Both rounds, with every policy of `POLICIES`."""
    found: dict[str, dict[str, object]] = {}
    with _waiting_processes(APPLICATIONS) as pids:
        for policy in POLICIES:
            with bench(write_configuration(f'policy = "{policy}"'), Path("/"), pids) as measured:
                measured.live(200)
                found[policy] = {
                    "dvfs": _told(measured.overhead(measured.dvfs_round, _instructions)),
                    "migration": _told(measured.overhead(measured.migration_round, _instructions)),
                }
    report.write_text(json.dumps(found, indent=1))
    print(json.dumps(found, indent=1))


def _told(overhead: Overhead) -> dict[str, object]:
    return {
        "instructions": overhead.whole,
        "bare_instructions": overhead.bare,
        "ratio": overhead.ratio,
        "calls": overhead.calls,
    }


if __name__ == "__main__":
    main(OUT / "guest_overhead.json")
    sys.exit(0)
