"""Close the loop in the guest: read what its kernel programmed and ran, heat the board, show it.

It runs in the guest because time there is made of executed instructions: only the guest's own clock
says how long a core was busy. Frequencies come from, and temperatures go to, the registers that the
kernel's drivers use (`registers`). What a core ran is the kernel's account: ``/proc/stat`` and the
applications' own.

A file named as a sensor in `FAULTS` breaks that sensor: ``failing`` (reading it gives an error),
``stuck`` (it shows what it showed), or a number (it shows that many degC).
"""

import argparse
import json
import os
import signal
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from msgspec.structs import replace

from platforms.application import ApplicationProfile
from platforms.application_file import shipped_applications
from platforms.board import Board
from platforms.board_file import load_board
from tests.rig.application import RUNNING
from tests.rig.heat_plant import BACKGROUND_ACTIVITY, IDLE, CoreUse, HeatPlant, activity_of
from tests.rig.registers import Registers

FAULTS = Path("/run/rig/faults")
PERIOD_S = 0.2

_PROC = Path("/proc")
_IDLE_FIELDS = (3, 4)
_CORE_FIELD = 36
"""Of ``/proc/PID/task/TID/stat``, counted after the program's name: the core it ran on last."""


@dataclass(frozen=True)
class Slice:
    """What one thread of an application had of a core."""

    core: int
    seconds: float
    profile: ApplicationProfile


class KernelsAccount:
    """What ran on the cores since the last look, as the kernel tells."""

    def __init__(self, board: Board) -> None:
        """Take the first look."""
        self._core_count = board.core_count
        self._profiles = shipped_applications()
        self._busy = self._read_busy()
        self._spent_s: dict[str, float] = {}
        self.slices()

    def busy_shares(self) -> list[float]:
        """The busy share of every core, 0 to 1; 0 for one that is offline."""
        before, self._busy = self._busy, self._read_busy()
        return [self._share(before.get(c), self._busy.get(c)) for c in range(self._core_count)]

    def slices(self) -> list[Slice]:
        """What the threads of the rig's applications ran."""
        found, spent_s = [], {}
        for entry in RUNNING.glob("*") if RUNNING.is_dir() else ():
            for task in (_PROC / entry.name / "task").glob("*"):
                try:
                    seconds = int((task / "schedstat").read_text().split()[0]) / 1e9
                    after_name = (task / "stat").read_text().rpartition(")")[2].split()
                    profile = self._profiles[entry.read_text()]
                except (OSError, IndexError, KeyError):
                    continue
                spent_s[task.name] = seconds
                used_s = seconds - self._spent_s.get(task.name, seconds)
                found.append(Slice(int(after_name[_CORE_FIELD]), used_s, profile))
        self._spent_s = spent_s
        return found

    @staticmethod
    def _share(before: tuple[int, int] | None, now: tuple[int, int] | None) -> float:
        if before is None or now is None or now[0] <= before[0]:
            return 0.0
        return max(0.0, min(1.0, (now[1] - before[1]) / (now[0] - before[0])))

    @staticmethod
    def _read_busy() -> dict[int, tuple[int, int]]:
        """Per core all ticks and those that were not idle."""
        found = {}
        for line in (_PROC / "stat").read_text().splitlines():
            name, *fields = line.split()
            if name.startswith("cpu") and name != "cpu":
                ticks = [int(word) for word in fields[:8]]
                idle = sum(ticks[i] for i in _IDLE_FIELDS)
                found[int(name.removeprefix("cpu"))] = (sum(ticks), sum(ticks) - idle)
        return found


@dataclass
class _Mix:
    """What a core ran: its applications' share, and the activity that goes with it."""

    share: float = 0.0
    weighted: float = 0.0

    def add(self, share: float, activity: float) -> None:
        self.share += share
        self.weighted += share * activity

    def use(self) -> CoreUse:
        if self.share <= 0.0:
            return IDLE
        return CoreUse(min(1.0, self.share), self.weighted / self.share)


def core_uses(
    board: Board,
    freqs_hz: list[int],
    busy_shares: list[float],
    slices: list[Slice],
    step_s: float,
) -> list[CoreUse]:
    """What every core ran over a step: the applications, and the rest of its busy time."""
    mixes = [_Mix() for _ in range(board.core_count)]
    for part in slices:
        freq_hz = freqs_hz[board.cluster_of_core[part.core]]
        activity = activity_of(part.profile, board, part.core, freq_hz)
        mixes[part.core].add(part.seconds / step_s, activity)
    for mix, busy in zip(mixes, busy_shares, strict=True):
        if busy > mix.share:
            mix.add(busy - mix.share, BACKGROUND_ACTIVITY)
    return [mix.use() for mix in mixes]


@dataclass
class Loop:
    """The running loop: one step every period."""

    board: Board
    plant: HeatPlant
    registers: Registers = field(default_factory=Registers)

    def run(self, log: Path) -> None:
        """Until SIGTERM; one JSON line a step into `log`."""
        account = KernelsAccount(self.board)
        self._show()
        with log.open("w", buffering=1) as lines:
            before_s = time.monotonic()
            while True:
                time.sleep(PERIOD_S)
                now_s = time.monotonic()
                self._step(now_s - before_s, account)
                lines.write(json.dumps(self._line(now_s)) + "\n")
                before_s = now_s

    def _step(self, step_s: float, account: KernelsAccount) -> None:
        domains = range(len(self.board.clusters))
        freqs_hz = [self.registers.freq_hz(domain) for domain in domains]
        opp_index = [self.registers.chosen(domain) for domain in domains]
        busy, slices = account.busy_shares(), account.slices()
        uses = core_uses(self.board, freqs_hz, busy, slices, step_s)
        self.plant.advance(step_s, opp_index, uses)
        self._show()

    def _show(self) -> None:
        shown = zip(self.board.sensors, self.plant.shown_c(), strict=True)
        for number, (sensor, temp_c) in enumerate(shown):
            fault = _fault_of(sensor.name)
            if fault != "stuck":
                self.registers.show(number, None if fault == "failing" else float(fault or temp_c))

    def _line(self, now_s: float) -> dict[str, object]:
        domains = range(len(self.board.clusters))
        return {
            "time_s": round(now_s, 3),
            "freqs_mhz": [self.registers.freq_hz(domain) // 1_000_000 for domain in domains],
            "power_w": round(self.plant.power_w, 3),
            "hottest_c": round(float(self.plant.temp_c.max()), 2),
            "shown_c": [self.registers.shown_c(i) for i in range(len(self.board.sensors))],
        }


def _fault_of(sensor: str) -> str:
    try:
        return (FAULTS / sensor).read_text().strip()
    except OSError:
        return ""


def main() -> None:
    """Run the loop until SIGTERM."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--board", required=True, help="board file")
    parser.add_argument("--cooling", required=True, help="one of the board's cooling setups")
    parser.add_argument("--air-c", type=float, help="[the cooling setup's]")
    parser.add_argument("--start-temp-c", type=float, help="[the air's]")
    parser.add_argument("--log", type=Path, required=True, help="JSON lines, one a step")
    args = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    board = load_board(args.board)
    cooling = board.cooling_named(args.cooling)
    plant = HeatPlant(
        board,
        cooling if args.air_c is None else replace(cooling, ambient_c=args.air_c),
        rng=np.random.default_rng(0),
        start_temp_c=args.start_temp_c,
    )
    os.nice(-10)
    Loop(board, plant).run(args.log)


if __name__ == "__main__":
    main()
