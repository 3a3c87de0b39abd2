"""A board to practise on: a folder that looks like one to ilgov, with this machine's processes.

    python examples/practice_board.py practice &
    ilgov run --config practice.toml --root practice

Clocks, cores and the temperature are files, and so is where threads are put: nothing of this
machine changes. What trains or sends heartbeats is real. The temperature goes, up to 10 degrees
a second, to what the file practice/temperature_c says (45 at first). It ends with Ctrl-C.
"""
# ruff: noqa: INP001 -- a script: nobody imports it

import contextlib
import itertools
import os
import sys
import time
from pathlib import Path

from platforms.board import Board, Cluster
from platforms.board_file import load_board

PERIOD_S = 0.005
SLOW = 10
STEP_C = 0.5
TICKS_PER_S = 100
UNSUPPORTED = "<unsupported>"


def put(path: Path, text: str) -> None:
    """Write a file in place and at once: who keeps it open sees it, and nothing torn."""
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT, 0o644)
    length = os.fstat(descriptor).st_size
    os.pwrite(descriptor, f"{text}\n".encode().ljust(length, b"\n"), 0)
    os.close(descriptor)


def make(root: Path, board: Board) -> None:
    """All files that ilgov asks for."""
    cores = f"0-{board.core_count - 1}"
    cpu = root / "sys/devices/system/cpu"
    for name in ("online", "possible", "present"):
        put(cpu / name, cores)
    for cluster in board.clusters:
        make_clock(cpu / f"cpufreq/policy{cluster.cores[0]}", cluster)
    put(root / "temperature_c", "45")
    for number, sensor in enumerate(board.sensors):
        put(root / f"sys/class/thermal/thermal_zone{number}/type", sensor.name)
        put(root / f"sys/class/thermal/thermal_zone{number}/temp", "45000")
    boot_id = "sys/kernel/random/boot_id"
    put(root / "proc" / boot_id, Path("/proc", boot_id).read_text().strip())
    put(root / "proc/meminfo", Path("/proc/meminfo").read_text().strip())


def make_clock(folder: Path, cluster: Cluster) -> None:
    """A cpufreq policy."""
    freqs = [str(freq_hz // 1000) for freq_hz in cluster.freqs_hz]
    cores = " ".join(map(str, cluster.cores))
    for name, text in {
        "related_cpus": cores,
        "affected_cpus": cores,
        "scaling_available_frequencies": " ".join(freqs),
        "scaling_available_governors": "userspace schedutil",
        "scaling_governor": "schedutil",
        "scaling_setspeed": UNSUPPORTED,
        "scaling_cur_freq": freqs[0],
        "scaling_min_freq": freqs[0],
        "scaling_max_freq": freqs[-1],
        "cpuinfo_min_freq": freqs[0],
        "cpuinfo_max_freq": freqs[-1],
    }.items():
        put(folder / name, text)


class Clock:
    """A policy's kernel: it runs at what it is told while ``userspace`` governs it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._steered = False

    def tick(self) -> None:
        """Look at what was written; speed before governor, as who writes both begins with that."""
        speed, now = self._read("scaling_setspeed"), self._read("scaling_cur_freq")
        was_steered, self._steered = self._steered, self._read("scaling_governor") == "userspace"
        if self._steered and was_steered:
            if not speed.isdecimal():
                put(self._folder / "scaling_setspeed", now)
            elif speed != now:
                put(self._folder / "scaling_cur_freq", speed)
        elif not self._steered and speed != UNSUPPORTED:
            put(self._folder / "scaling_setspeed", UNSUPPORTED)

    def _read(self, name: str) -> str:
        return (self._folder / name).read_text().strip()


def heat(root: Path, wanted_c: float) -> None:
    """One step towards a temperature, for all zones."""
    for file in root.glob("sys/class/thermal/thermal_zone*/temp"):
        now_c = int(file.read_text()) / 1000
        step_c = max(-STEP_C, min(STEP_C, wanted_c - now_c))
        put(file, str(round((now_c + step_c) * 1000)))


def come_and_go(root: Path) -> None:
    """This machine's processes are the board's."""
    there = {entry.name for entry in Path("/proc").iterdir() if entry.name.isdecimal()}
    known = {entry.name for entry in (root / "proc").iterdir() if entry.name.isdecimal()}
    for pid in there - known:
        (root / "proc" / pid).symlink_to(f"/proc/{pid}")
    for pid in known - there:
        (root / "proc" / pid).unlink()


def pass_time(root: Path, board: Board) -> None:
    """All cores idle: what runs on them is on other cores in truth."""
    ticks = round(time.monotonic() * TICKS_PER_S)
    idle = [f"cpu{core} 0 0 0 {ticks} 0 0 0 0 0 0" for core in range(board.core_count)]
    put(root / "proc/stat", "\n".join([f"cpu 0 0 0 {ticks * len(idle)} 0 0 0 0 0 0", *idle]))


def run(root: Path, board: Board) -> None:
    """Be the kernel until Ctrl-C."""
    make(root, board)
    clocks = [Clock(path) for path in root.glob("sys/devices/system/cpu/cpufreq/policy*")]
    for turn in itertools.count():
        for clock in clocks:
            clock.tick()
        if turn % SLOW == 0:
            with contextlib.suppress(ValueError):  # the file is being written
                heat(root, float((root / "temperature_c").read_text()))
            come_and_go(root)
            pass_time(root, board)
        time.sleep(PERIOD_S)


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        run(Path(sys.argv[1]), load_board(*sys.argv[2:] or ["hikey970"]))
