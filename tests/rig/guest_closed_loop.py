"""Two programs with targets: first under the kernel's own schedutil, then under the daemon.

The same processes run all the time, under the same plant; they register with the daemon when it
comes. At the end it gets SIGTERM, and every knob is compared with how it was before.
"""

import json
import sys
import time
from contextlib import AbstractContextManager
from pathlib import Path

from tests.rig.governed import SOCKET, Daemon, daemon, write_configuration
from tests.rig.knobs import differences, snapshot
from tests.rig.world import OUT, Application, Plant, application, plant, rate_of, wait_until

HEARTBEAT_INSTRUCTIONS = 2e7
TARGETS = {"counting": 40.0, "typesetting": 60.0}
"""Heartbeats/s; at most a little core's 76 of one, and a big core's 95 of the other."""

PROFILES = {"counting": "automotive_bitcount", "typesetting": "office_ghostscript"}
COOLING = "heatsink"
SETTLE_S = 25.0
JUDGED_S = 8.0
"""Temperatures and rates are means over the last part of a phase."""


def main(report: Path) -> None:
    """Both phases, in one run of the programs."""
    found: dict[str, object] = {"targets": TARGETS}
    with (
        plant("closed_loop", cooling=COOLING) as heat,
        _program("counting") as first,
        _program("typesetting") as second,
    ):
        programs = [first, second]
        wait_until(lambda: all(program.runs for program in programs), "the programs")
        schedutil_s = _settle()
        found["schedutil"] = {"hottest_c": heat.hottest_c(since_s=schedutil_s[0])}
        before = snapshot([p.process.pid for p in programs])
        governed_s = _governed(found, heat, programs)
        after = snapshot([p.process.pid for p in programs])
        found["not_as_before"] = differences(before, after)
        _tell_rates(found, programs, {"schedutil": schedutil_s, "ilgov": governed_s})
    report.write_text(json.dumps(found, indent=1))
    print(json.dumps(found, indent=1))


def _program(name: str) -> AbstractContextManager[Application]:
    return application(
        name,
        PROFILES[name],
        target=TARGETS[name],
        instructions_per_heartbeat=HEARTBEAT_INSTRUCTIONS,
        socket=str(SOCKET),
    )


def _settle() -> tuple[float, float]:
    """Let time pass; the monotonic times between which things are judged."""
    time.sleep(SETTLE_S)
    now_s = time.monotonic()
    return now_s - JUDGED_S, now_s


def _governed(
    found: dict[str, object], heat: Plant, programs: list[Application]
) -> tuple[float, float]:
    configuration = write_configuration(decisions=OUT / "closed_loop.decisions.jsonl")
    with daemon("closed_loop", configuration) as governor:
        managed_s = governor.wait_until(
            lambda status: len(status.applications) == len(programs), "both programs' registration"
        )
        judged = _settle()
        clocks_mhz = heat.mean_clocks_mhz(since_s=judged[0])
        status = governor.status()
        code, stop_s = governor.stop()
    found["ilgov"] = {
        "hottest_c": heat.hottest_c(since_s=judged[0]),
        "registered_after_s": managed_s,
        "state": status.state,
        "reason": status.reason,
        "applications": [_as_told(app) for app in status.applications],
        "clocks_mhz": clocks_mhz,
        "migrations": status.counts.migrations,
        "opp_changes": status.counts.opp_changes,
        "rounds": status.loop.rounds,
        "missed_rounds": status.loop.missed_rounds,
        "mean_round_s": status.loop.mean_s,
        "most_round_s": status.loop.most_s,
        "exit_code": code,
        "stop_s": stop_s,
        "log": _end_of(governor),
    }
    return judged


def _as_told(app: object) -> dict[str, object]:
    names = ("name", "rate", "target", "met", "cores", "measured_by")
    return {name: getattr(app, name) for name in names}


def _end_of(governor: Daemon) -> str:
    return governor.text()[-3000:]


def _tell_rates(
    found: dict[str, object],
    programs: list[Application],
    phases: dict[str, tuple[float, float]],
) -> None:
    reports = [program.stop() for program in programs]
    for phase, (since_s, until_s) in phases.items():
        rates = {r["name"]: rate_of(r, since_s=since_s, until_s=until_s) for r in reports}
        found[f"rates_under_{phase}"] = rates
    found["cores"] = {r["name"]: [core for _, core in r["cores"]] for r in reports}


if __name__ == "__main__":
    main(OUT / "guest_closed_loop.json")
    sys.exit(0)
