"""The guest's side of a scenario with a training job: what it may do, and what everybody wrote."""

import json
import os
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from platforms.board import Board
from platforms.board_file import load_board
from platforms.training_work import load_training
from rm.daemon.status import Status, TrainingStatus
from rm.planner.capability import modelled_capability
from tests.rig.governed import Daemon, write_configuration
from tests.rig.plant import FAULTS
from tests.rig.world import BOARD, OUT, wait_until
from training.federated.profile.capability_file import write_capability

BATCHES = (4, 8, 16, 32)
ORDERED_PER_S = 70.0
"""A training that has to do so many samples in a second may be slow and small while it is alone,
and has to be fast and large when others take time: the emulated cores do about 80, in all."""

LIMIT_C, HOT_C, COOL_C = 70.0, 74.0, 60.0
PATIENCE_S = 240.0
"""Guest seconds; a step of training takes up to half of one, and imports take ten."""

_RAMP_K, _RAMP_S = 4.0, 0.5
_CONFIG = f"""[training]
enforcement = "cgroup"
temp_limit_c = {LIMIT_C}
grace_s = 30.0
expiry_s = 30.0
"""
_GROUPS = Path("/sys/fs/cgroup/ilgov")


def configuration(decisions: Path) -> Path:
    """The daemon's, with training."""
    return write_configuration(_CONFIG, decisions=decisions)


def write_tables(path: Path) -> None:
    """What the board's models say of a BERT, for the batches.

    The emulated cores are all alike and share one thread of the host; by heartbeats the daemon
    finds out how far they are from that. Without a curve, for with one the smallest batch would
    always be the best.
    """
    training = load_training("tiny-4")
    works = [work for work in training.works if work.knobs["depth"] == 4 and work.batch in BATCHES]
    told = modelled_capability(_with_known_cores(load_board(str(BOARD))), works, None)
    write_capability(path, told)


def _with_known_cores(board: Board) -> Board:
    """The same board with the core types that stand in for those that nobody has measured."""
    clusters = [
        replace(cluster, core_type=cluster.stand_in.core_type, stand_in=None)
        if cluster.stand_in
        else cluster
        for cluster in board.clusters
    ]
    return replace(board, clusters=tuple(clusters))


@dataclass(frozen=True)
class Written:
    """What the training and the daemon have written down so far."""

    events_path: Path
    decisions_path: Path

    def events(self) -> list[dict[str, Any]]:
        """What the training told of itself, in order."""
        return lines_of(self.events_path)

    def decisions(self) -> list[dict[str, Any]]:
        """The daemon's log of decisions."""
        return lines_of(self.decisions_path)

    def wait_for(self, event: str, after: int, *, patience_s: float = PATIENCE_S) -> dict[str, Any]:
        """The first event of a name behind the first `after` of all."""

        def found() -> list[dict[str, Any]]:
            return [e for e in self.events()[after:] if e["event"] == event]

        wait_until(lambda: bool(found()), f"{event!r}", patience_s=patience_s, look_s=0.25)
        return found()[0]

    def wait_for_samples(self, daemon: Daemon, count: int) -> float:
        """Seconds until the daemon has heard of so many more samples."""
        before = job_of(daemon.status()).samples
        return wait_until(
            lambda: daemon.says(lambda s: job_of(s).samples >= before + count),
            f"{count} samples more",
            patience_s=PATIENCE_S,
            look_s=0.25,
        )


def lines_of(path: Path) -> list[dict[str, Any]]:
    """Whole lines of JSON."""
    if not path.exists():
        return []
    return [json.loads(line) for line in path.read_bytes().split(b"\n")[:-1]]


def job_of(status: Status) -> TrainingStatus:
    """The one training job; AssertionError where there is none."""
    assert status.training, "the daemon must know of a training job"
    return status.training[0]


def show_temperature(temp_c: float) -> None:
    """Let both sensors go there from where they are, 8 K a second, and stay."""
    FAULTS.mkdir(parents=True, exist_ok=True)
    shown_c = _shown_c()
    while shown_c != temp_c:
        step_k = max(-_RAMP_K, min(_RAMP_K, temp_c - shown_c))
        shown_c += step_k
        for sensor in load_board(str(BOARD)).sensors:
            part = FAULTS.parent / "shown"
            part.write_text(f"{shown_c}")
            part.rename(FAULTS / sensor.name)
        time.sleep(_RAMP_S)


def _shown_c() -> float:
    with suppress(OSError):
        return float((FAULTS / load_board(str(BOARD)).sensors[0].name).read_text())
    return 0.2 * round(int(Path("/sys/class/thermal/thermal_zone0/temp").read_text()) / 200)


def confined_to(pid: int) -> tuple[str, set[tuple[int, ...]]]:
    """The control group of a process, and the cores that its threads may use, says the kernel."""
    group = Path(f"/proc/{pid}/cgroup").read_text().strip().rpartition(":")[2]
    found = set()
    for task in Path(f"/proc/{pid}/task").iterdir():
        with suppress(ProcessLookupError):
            found.add(tuple(sorted(os.sched_getaffinity(int(task.name)))))
    return group, found


def cpu_s(pid: int) -> float:
    """The CPU time that a process has had, in seconds."""
    return _cpu_s(Path(f"/proc/{pid}/stat"))


def cpu_s_of_threads(pid: int) -> list[float]:
    """That of its threads, the first one first."""
    tasks = sorted(Path(f"/proc/{pid}/task").iterdir(), key=lambda task: int(task.name))
    return [_cpu_s(task / "stat") for task in tasks]


def _cpu_s(stat: Path) -> float:
    fields = stat.read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def groups() -> list[str]:
    """The control groups that the daemon has made and not removed."""
    return sorted(path.name for path in _GROUPS.glob("job-*"))


def heat_until_paused(daemon: Daemon, written: Written) -> dict[str, Any]:
    """The limit takes the cores back; what the training kept before it paused."""
    seen = len(written.events())
    show_temperature(HOT_C)
    kept = written.wait_for("kept", seen)
    wait_until(
        lambda: daemon.says(lambda s: job_of(s).state == "paused"),
        "a paused job",
        patience_s=PATIENCE_S,
    )
    return kept


def check_events(events: Sequence[dict[str, Any]]) -> dict[str, object]:
    """No step is lost or done twice: in no process, over no pause, and not from one to the next."""
    by_process: dict[int, list[dict[str, Any]]] = {}
    for event in events:
        by_process.setdefault(event["pid"], []).append(event)
    pauses = 0
    for of_one in by_process.values():
        steps = [event["steps"] for event in of_one]
        assert sorted(steps) == steps, steps
        kept = None
        for event in of_one:
            if event["event"] in ("kept", "taken up"):
                kept = event["steps"]
            if event["event"] == "goes on":
                assert kept == event["steps"], of_one
                assert event["paused_s"] > 0
                pauses += 1
    return {"processes": len(by_process), "pauses": pauses, "steps": events[-1]["steps"]}


def variety(events: Sequence[dict[str, Any]]) -> tuple[set[int], set[tuple[int, ...]]]:
    """The batches and the sets of cores that one process trained with, the one with most."""
    found: dict[int, tuple[set[int], set[tuple[int, ...]]]] = {}
    for event in events:
        if event["event"] == "grant" and event["number"] > 0:
            batches, cores = found.setdefault(event["pid"], (set(), set()))
            batches.add(int(event["knobs"]["batch"]))
            cores.add(tuple(event["cores"]))
    return max(
        found.values(), key=lambda pair: min(len(pair[0]), len(pair[1])), default=(set(), set())
    )


def check_decisions(decisions: Sequence[dict[str, Any]]) -> dict[str, object]:
    """The daemon's log has grants, pauses, and why; no core is granted that an application has."""
    granted = [d for d in decisions if any(g["cores"] for g in d["grants"])]
    paused = [d for d in decisions if d["grants"] and not any(g["cores"] for g in d["grants"])]
    assert granted
    assert paused
    assert any("degC" in (d["grants_reason"] or "") for d in paused), paused
    return {
        "granted": len(granted),
        "paused": len(paused),
        "reasons": sorted({d["grants_reason"] or "" for d in granted + paused}),
    }


def out(name: str) -> Path:
    """A folder for the host to see."""
    folder = OUT / name
    folder.mkdir(parents=True, exist_ok=True)
    return folder
