"""The parties of a real run as processes, and what their logs say."""

import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil

from platforms.board_file import load_board
from platforms.training_work import load_training
from rm.daemon.status import Status
from rm.planner.capability import modelled_capability
from rm.status_reader import NoAnswer, NoDaemon, read_status
from training.federated.engine.deployment.environment import flower_environment
from training.federated.engine.deployment.processes import Program
from training.federated.profile.capability_file import write_capability

ROOT = Path(__file__).parents[4]
PATIENCE_S = 150.0
LIMIT_C = 70.0
CONFIG = """board = "hikey970"

[training]
enforcement = "{enforcement}"
temp_limit_c = {limit_c}

[log]
decisions = "/var/log/ilgov/decisions.jsonl"
"""


class Parties:
    """The practice board, the daemon, the foreground; all started processes are in `programs`."""

    def __init__(self, folder: Path, programs: list[Program], *, enforcement: str) -> None:
        """A practice board that runs; nothing governs it yet.

        The capability has no curve: with one the smallest batch would always be the best, and
        grants should change batches as well.
        """
        self.folder, self.programs = folder, programs
        self.board = folder / "board"
        self.socket = self.board / "run/ilgov/socket"
        self.decisions_path = self.board / "var/log/ilgov/decisions.jsonl"
        self.environment = {**os.environ, **flower_environment(folder / "flower")}
        self.environment["PYTHONPATH"] = str(ROOT)
        self.config = folder / "ilgov.toml"
        self.config.write_text(CONFIG.format(enforcement=enforcement, limit_c=LIMIT_C))
        self.capability = folder / "capability.json"
        training = load_training("tiny-4")
        works = [work for work in training.works if work.knobs["depth"] == 4]
        board = load_board("hikey970")
        write_capability(self.capability, modelled_capability(board, works, None))
        self.start("practice-board", str(ROOT / "examples/practice_board.py"), str(self.board))
        self.wait_for((self.board / "proc/stat").exists, "the practice board")

    # --- processes ------------------------------------------------------------------------------

    def start(self, name: str, *words: str) -> Program:
        """Start Python with these words."""
        line = (sys.executable, *words)
        program = Program(name, line, self.environment, self.folder / f"{name}.log")
        self.programs.append(program)
        return program

    def start_daemon(self, name: str = "daemon") -> Program:
        """The real daemon on the practice board; returns once it answers."""
        words = ("-m", "rm.main", "run", "--config", str(self.config), "--root", str(self.board))
        program = self.start(name, *words)
        self.wait_for(lambda: self.status().loop.rounds > 0, "the daemon's first round")
        return program

    def start_foreground(self, name: str, target: float) -> Program:
        """A process with heartbeats."""
        module = "tests.training.federated.governed_run.foreground"
        return self.start(name, "-m", module, str(self.socket), name, str(target))

    def kill(self, program: Program) -> None:
        """Kill -9 of it and of all that it has started; nobody misses it."""
        program.kill()
        self.programs.remove(program)

    def trainer(self) -> psutil.Process | None:
        """The process that trains: the job's, as the daemon says."""
        for job in self.status().training or ():
            if psutil.pid_exists(job.pid):
                return psutil.Process(job.pid)
        return None

    # --- what can be seen -----------------------------------------------------------------------

    def status(self) -> Status:
        """What the daemon says."""
        return read_status(self.socket)

    def heat(self, temp_c: float) -> None:
        """Let the sensor go there, by 10 degrees a second at most."""
        (self.board / "temperature_c").write_text(f"{temp_c}\n")

    def temp_c(self) -> float:
        """What the sensor reads."""
        path = self.board / "sys/class/thermal/thermal_zone0/temp"
        return int(path.read_text()) / 1000

    def decisions(self) -> list[dict[str, Any]]:
        """The daemon's log of decisions."""
        return lines_of(self.decisions_path)

    def events(self) -> list[dict[str, Any]]:
        """What the training tells of itself, in order."""
        found = self.folder / "governed/board-01/events.jsonl"
        return lines_of(found)

    def wait_for(self, holds: Callable[[], bool], what: str, within_s: float = PATIENCE_S) -> None:
        """Wait until something holds; fails with all logs if it does not."""
        end_s = time.monotonic() + within_s
        while not self._holds(holds):
            assert time.monotonic() < end_s, f"waited in vain for {what}\n{self.logs()}"
            time.sleep(0.05)

    def wait_for_event(self, name: str, after: int, what: str) -> dict[str, Any]:
        """The first event of a name behind the first `after` of all."""
        self.wait_for(lambda: any(e["event"] == name for e in self.events()[after:]), what)
        return next(e for e in self.events()[after:] if e["event"] == name)

    def logs(self) -> str:
        """The end of every log."""
        texts = [f"--- {p.name}\n{p.last_lines()}" for p in self.programs]
        return "\n".join([*texts, "--- events", *map(str, self.events()[-15:])])

    def _holds(self, holds: Callable[[], bool]) -> bool:
        try:
            return holds()
        except (NoAnswer, NoDaemon, psutil.NoSuchProcess):
            return False


def lines_of(path: Path) -> list[dict[str, Any]]:
    """Whole lines of JSON."""
    if not path.exists():
        return []
    return [json.loads(line) for line in path.read_bytes().split(b"\n")[:-1]]
