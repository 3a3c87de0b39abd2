"""In the guest: what the daemon's rounds execute, against their bare system calls."""

import json
import sys
from pathlib import Path

from benchmarks.daemon_overhead import Overhead, bench, in_turns
from benchmarks.working_processes import working_processes
from tests.rig.governed import write_configuration
from tests.rig.instruction_time import counted
from tests.rig.world import OUT

APPLICATIONS = 8
ROUNDS = 6
POLICIES = ("ilgov", "little-first")


def main(report: Path) -> None:
    """Both rounds, with every policy of `POLICIES`, and one in which `ilgov` searches."""
    found: dict[str, dict[str, object]] = {}
    with working_processes(APPLICATIONS) as applications:
        instructions = in_turns(ROUNDS, counted)

        for policy in POLICIES:
            configuration = write_configuration(f'policy = "{policy}"')
            with bench(configuration, Path("/"), applications) as measured:
                measured.live(200)
                found[policy] = {
                    "dvfs": _told(measured.overhead(measured.dvfs_round, instructions)),
                    "migration": _told(measured.overhead(measured.migration_round, instructions)),
                }
                if policy == "ilgov":
                    searching = measured.overhead(measured.searching_round, instructions)
                    found[policy]["searching"] = _told(searching)
    report.write_text(json.dumps(found, indent=1))
    print(json.dumps(found, indent=1))


def _told(overhead: Overhead) -> dict[str, object]:
    return {
        "instructions": overhead.whole.median,
        "bare_instructions": overhead.bare.median,
        "ratio": overhead.ratio,
        "least_instructions": overhead.whole.least,
        "least_ratio": overhead.whole.least / overhead.bare.least,
        "calls": overhead.calls,
    }


if __name__ == "__main__":
    main(OUT / "guest_overhead.json")
    sys.exit(0)
