"""The guest's side of a scenario: the plant and applications as processes, and waiting for them."""

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.rig.application import RUNNING
from tests.rig.places import RIG

BOARD = RIG / "boards" / "rig44.toml"
OUT = Path("/out")


class Waited(Exception):
    """A condition did not come true in its time."""


def wait_until(
    condition: Callable[[], bool], what: str, *, patience_s: float = 20.0, look_s: float = 0.05
) -> float:
    """Seconds until the condition held; Waited with `what` after `patience_s`."""
    start_s = time.monotonic()
    while not condition():
        if time.monotonic() - start_s > patience_s:
            raise Waited(f"waited {patience_s} s in vain for {what}")
        time.sleep(look_s)
    return time.monotonic() - start_s


@contextmanager
def process(
    module: str, *words: object, log: Path | None = None
) -> Iterator[subprocess.Popen[bytes]]:
    """A Python module of the rig as a process; SIGTERM at the block's end."""
    output = (log or OUT / f"{module.rpartition('.')[2]}.log").open("ab")
    child = subprocess.Popen(
        [sys.executable, "-m", module, *map(str, words)], stdout=output, stderr=output
    )
    try:
        yield child
    finally:
        end(child)
        output.close()


def end(child: subprocess.Popen[bytes]) -> int:
    """Ask a process to end, insist after ten seconds; its exit code."""
    if child.poll() is None:
        child.terminate()
    try:
        return child.wait(10.0)
    except subprocess.TimeoutExpired:
        child.kill()
        return child.wait()


@dataclass(frozen=True)
class Plant:
    """A running plant and its log."""

    log: Path

    def lines(self, *, since_s: float = 0.0) -> list[dict[str, Any]]:
        """Its steps from a monotonic time on."""
        whole = [line for line in self.log.read_text().split("\n")[:-1] if line]
        found = [json.loads(line) for line in whole]
        return [line for line in found if line["time_s"] >= since_s]

    def hottest_c(self, *, since_s: float) -> float:
        """The mean over the steps of the hottest node's temperature."""
        temps = [float(line["hottest_c"]) for line in self.lines(since_s=since_s)]
        return sum(temps) / len(temps)

    def mean_clocks_mhz(self, *, since_s: float) -> list[float]:
        """The mean over the steps of every cluster's clock."""
        lines = self.lines(since_s=since_s)
        clusters = zip(*[line["freqs_mhz"] for line in lines], strict=True)
        return [sum(clocks) / len(lines) for clocks in clusters]


@contextmanager
def plant(
    name: str, *, cooling: str, air_c: float | None = None, start_temp_c: float | None = None
) -> Iterator[Plant]:
    """The closed loop, running; None: the cooling setup's air, and a board as warm as that."""
    log = OUT / f"{name}.plant.jsonl"
    air = [] if air_c is None else ["--air-c", air_c]
    start = [] if start_temp_c is None else ["--start-temp-c", start_temp_c]
    words = ["--board", BOARD, "--cooling", cooling, "--log", log, *air, *start]
    with process("tests.rig.plant", *words) as child:
        running = Plant(log)
        wait_until(lambda: log.exists() and bool(running.lines()), "the plant")
        assert child.poll() is None, "the plant ended; see plant.log"
        yield running


@dataclass(frozen=True)
class Application:
    """A running application."""

    name: str
    process: subprocess.Popen[bytes]
    report: Path

    @property
    def runs(self) -> bool:
        """Whether it has begun its work, and not ended."""
        return (RUNNING / str(self.process.pid)).exists() and self.process.poll() is None

    def stop(self) -> dict[str, Any]:
        """End it; its report."""
        end(self.process)
        found: dict[str, Any] = json.loads(self.report.read_text())
        return found


@contextmanager
def application(
    name: str,
    profile: str,
    *,
    target: float,
    instructions_per_heartbeat: float,
    socket: str | None = None,
    threads: int = 1,
) -> Iterator[Application]:
    """An application, running; `target` in heartbeats/s."""
    report = OUT / f"{name}.application.json"
    report.unlink(missing_ok=True)
    words: Sequence[object] = [
        *("--board", BOARD, "--name", name, "--profile", profile),
        *("--instructions-per-heartbeat", instructions_per_heartbeat),
        *("--target", target, "--threads", threads, "--report", report),
        *(("--socket", socket) if socket else ()),
    ]
    with process("tests.rig.application", *words) as child:
        yield Application(name, child, report)


def rate_of(report: dict[str, Any], *, since_s: float, until_s: float) -> float:
    """Heartbeats/s of an application's report between two monotonic times."""
    notes = [(at_s, n) for at_s, n in report["heartbeats"] if since_s <= at_s < until_s]
    if len(notes) < 2:
        return 0.0
    return float(sum(n for _, n in notes[:-1]) / (notes[-1][0] - notes[0][0]))
