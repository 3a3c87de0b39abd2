"""A hot board: the failsafe and the kernel's own throttling, while the policy wants full speed.

Four programs have targets that nothing can meet, so every policy asks for the highest clocks.
"""

import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from rm.daemon.status import Status
from tests.rig.checklist import Checklist
from tests.rig.governed import SOCKET, Daemon, daemon, write_configuration
from tests.rig.world import OUT, Plant, application, plant, wait_until

PROGRAMS = 4
IMPOSSIBLE = 1000.0
SENSORS_LAG_S = 1.0
"""Two of the sensors' periods: what they showed before the failsafe acted is over then."""

TOP_HZ, LOWEST_HZ = 1_800_000_000, 408_000_000

HOT = Checklist()


@HOT.add
def the_failsafe_keeps_the_board_below_its_critical_temperature() -> object:
    """Both clusters go to their lowest clocks there, and may rise again when it is cooler."""
    critical_c = 60.0
    settings = f"[safety]\ncritical_c = {critical_c}\n"
    with _steered("failsafe", settings, air_c=25.0, start_temp_c=50.0) as (governor, heat):
        lowest_s = governor.wait_until(
            lambda s: s.counts.failsafe_rounds > 0 and _clocks(s) == {LOWEST_HZ},
            "the lowest clocks",
            patience_s=30.0,
        )
        since_s = time.monotonic() + SENSORS_LAG_S
        again_s = governor.wait_until(
            lambda s: max(_clocks(s)) > LOWEST_HZ, "clocks to rise again", patience_s=30.0
        )
        governor.wait_until(
            lambda s: _clocks(s) == {LOWEST_HZ}, "the lowest clocks once more", patience_s=30.0
        )
        hottest_c = max(max(line["shown_c"]) for line in heat.lines(since_s=since_s))
        state = governor.status().state
    assert "normal" == state
    assert hottest_c < critical_c + 3.0, hottest_c
    return {"lowest_s": lowest_s, "again_s": again_s, "hottest_c": hottest_c}


@HOT.add
def the_kernel_s_throttling_is_seen_and_is_no_rival() -> object:
    """Its cap lowers the clocks behind the daemon's back; the daemon goes on."""
    settings = "[safety]\ncritical_c = 120.0\n"
    with _steered("throttled", settings, air_c=45.0, start_temp_c=80.0) as (governor, _):
        capped_s = governor.wait_until(
            lambda s: s.counts.clamped > 0 and s.clusters[-1].cap_hz < TOP_HZ > max(_clocks(s)),
            "the kernel's cap",
            patience_s=30.0,
        )
        status = governor.status()
    assert "normal" == status.state, status.reason
    assert 0 == status.counts.hands_off
    return {"capped_s": capped_s, "cap_hz": [c.cap_hz for c in status.clusters]}


def _clocks(status: Status) -> set[int]:
    """What the clusters run at."""
    return {cluster.freq_hz for cluster in status.clusters}


@contextmanager
def _steered(
    name: str, settings: str, *, air_c: float, start_temp_c: float
) -> Iterator[tuple[Daemon, Plant]]:
    """A warm board with its programs, and the daemon steering it."""
    configuration = write_configuration(settings)
    with ExitStack() as stack:
        heat = stack.enter_context(
            plant(name, cooling="passive", air_c=air_c, start_temp_c=start_temp_c)
        )
        programs = [
            stack.enter_context(
                application(
                    f"{name}{number}",
                    "automotive_bitcount",
                    target=IMPOSSIBLE,
                    instructions_per_heartbeat=2e7,
                    socket=str(SOCKET),
                )
            )
            for number in range(PROGRAMS)
        ]
        wait_until(lambda: all(program.runs for program in programs), "the programs")
        yield stack.enter_context(daemon(name, configuration)), heat


def main(report: Path) -> int:
    """All checks, one after the other."""
    return int(any(HOT.run(report).values()))


if __name__ == "__main__":
    sys.exit(main(OUT / "guest_hot.json"))
