"""``ilgov trace record --on linux`` on the guest's kernel: programs, clocks, heat, and the undo.

Rates mean nothing here (the emulator counts the whole machine's instructions); cores, clocks,
temperatures and what is left behind do. The guest has no Parquet library, as small boards have
none: rows are read from the log.
"""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from tests.rig.checklist import Checklist
from tests.rig.governed import STATE, restore
from tests.rig.knobs import Snapshot, differences, snapshot
from tests.rig.places import RIG
from tests.rig.world import BOARD, OUT, Plant, plant, wait_until
from traces.linux.run_log import read_log

CHECKS = Checklist()

FOLDER = Path("/run/recording")
PROFILES = {"counting": "automotive_bitcount", "typesetting": "office_ghostscript"}
HOTTER_K = 1.5
"""What the highest clocks must add to the temperature at the lowest, in kelvins, by one program on
a big core: less than in a steady state, since nobody waits for that here."""

_PLAN = (
    *("--scenarios", "1", "--max-background", "1", "--held-out-share", "0", "--seed", "4"),
    *("--opps", "2", "--cooling", "heatsink"),
    *("--load-s", "10", "--settle-s", "1.5", "--window-s", "1"),
)


def write_programs() -> Path:
    """Two programs that are as busy as on a board."""
    FOLDER.mkdir(exist_ok=True)
    tables = []
    for name, profile in PROFILES.items():
        words = [
            *(sys.executable, "-m", "tests.rig.application", "--board", str(BOARD)),
            *("--name", name, "--profile", profile, "--instructions-per-heartbeat", "2e7"),
            *("--report", str(FOLDER / f"{name}.json")),
        ]
        tables.append(
            f'[[programs]]\nname = "{name}"\nargv = {words}\ncwd = "{RIG.parents[1]}"\n'
            f'env = {{ PYTHONPATH = "{os.environ.get("PYTHONPATH", "")}" }}\n'.replace("'", '"')
        )
    path = FOLDER / "programs.toml"
    path.write_text("\n".join(tables))
    return path


def command(out: str) -> list[str]:
    """The command line of a recording: of all corners where it is to be whole."""
    design = "corners" if out == "whole" else "latin:2"
    return [
        *("ilgov", "trace", "record", "--on", "linux", "--board", str(BOARD)),
        *("--programs", str(write_programs()), "--out", str(FOLDER / out), *_PLAN),
        *("--design", design),
    ]


def started(out: str) -> subprocess.Popen[bytes]:
    """A recording that has begun."""
    log = (OUT / "record.log").open("ab")
    return subprocess.Popen(command(out), stdout=log, stderr=log)


def rows(out: str) -> dict[int, dict[str, Any]]:
    """The runs that are kept so far."""
    found = list(FOLDER.glob(f"{out}.runs-*.jsonl"))
    return read_log(found[0])[1] if found and found[0].stat().st_size else {}


def programs_running() -> list[int]:
    """The processes of the recording's programs."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            words = (folder / "cmdline").read_bytes()
        except OSError:
            continue
        if b"tests.rig.application" in words:
            found.append(int(folder.name))
    return found


def check_given_back(before: Snapshot) -> None:
    """Every knob as it was, no program left, nothing to undo."""
    wait_until(lambda: not programs_running(), "the programs' end", patience_s=5.0)
    assert {} == differences(before, snapshot())
    assert not list(STATE.glob("*.jsonl"))


def interrupted(number: signal.Signals, out: str) -> tuple[int, Snapshot, list[int]]:
    """End a recording after two runs: its exit code, the knobs after that, the runs kept."""
    child = started(out)
    wait_until(lambda: len(rows(out)) >= 2, "two runs", patience_s=60.0)
    child.send_signal(number)
    code = child.wait(20.0)
    return code, snapshot(), sorted(rows(out))


@CHECKS.add
def a_recording_visits_every_free_core_at_every_corner() -> object:
    """The kernel held every clock that was asked for, or the row would say throttled."""
    before = snapshot()
    ended = subprocess.run(command("whole"), capture_output=True, text=True, check=False)
    assert 0 == ended.returncode, ended.stdout + ended.stderr
    assert "this machine cannot write Parquet: copy the file" in ended.stdout, ended.stdout
    found = list(rows("whole").values())
    visited = [(row["application_core"], tuple(row["opp_index"])) for row in found]
    taken = set(found[0]["background_cores"])
    corners = {(i, j) for _, (i, j) in visited}
    assert 4 == len(corners), corners
    assert {(c, o) for c in range(8) if c not in taken for o in corners} == set(visited)
    assert not any(row["throttled"] for row in found), found
    check_given_back(before)
    return f"{len(found)} runs; {ended.stdout.splitlines()[1]}"


@CHECKS.add
def a_program_keeps_its_core_busy_and_fast_clocks_are_hotter() -> object:
    """By the kernel's own count of busy time, and through the plant."""
    found = list(rows("whole").values())
    for row in found:
        for core in (row["application_core"], *row["background_cores"]):
            assert row["core_utilisation"][core] > 0.9, row
    on_big = [row for row in found if row["application_core"] >= 4]
    sums = {sum(row["opp_index"]) for row in on_big}
    temps = {
        extreme: [row["temp_c"] for row in on_big if sum(row["opp_index"]) == extreme]
        for extreme in (min(sums), max(sums))
    }
    low, high = (sum(some) / len(some) for some in temps.values())
    assert high - low >= HOTTER_K, temps
    return f"{low:.1f} C at the lowest clocks, {high:.1f} C at the highest"


@CHECKS.add
def after_ctrl_c_every_knob_is_as_before() -> object:
    """And what was recorded is kept."""
    before = snapshot()
    code, _, kept = interrupted(signal.SIGINT, "ctrl_c")
    assert 130 == code, code
    check_given_back(before)
    return f"kept {kept}"


@CHECKS.add
def after_kill_9_restore_puts_every_knob_back_and_no_program_is_left() -> object:
    """The journal is on disk, and the guard of the programs has seen the recorder's end."""
    before = snapshot()
    code, after, kept = interrupted(signal.SIGKILL, "killed")
    assert -signal.SIGKILL == code, code
    assert differences(before, after), "nothing was left to restore"
    said = restore()
    assert 0 == said[0], said
    check_given_back(before)
    return f"kept {kept}; {said[1].strip()}"


@CHECKS.add
def a_killed_recording_goes_on_with_what_is_there() -> object:
    """The same command makes the other runs only."""
    kept = rows("killed")
    ended = subprocess.run(command("killed"), capture_output=True, text=True, check=False)
    assert 0 == ended.returncode, ended.stdout + ended.stderr
    found = rows("killed")
    assert {number: found[number] for number in kept} == kept
    assert 2 * len(found) == len(rows("whole"))
    return f"{len(kept)} kept, {len(found)} in all"


def main(report: Path) -> None:
    """All checks, under one plant."""
    STATE.mkdir(mode=0o755, parents=True, exist_ok=True)
    with plant("record", cooling="heatsink") as heat:
        settled(heat)
        CHECKS.run(report)


def settled(heat: Plant) -> None:
    """Let the idle board be looked at once."""
    time.sleep(1.0)
    assert heat.lines()


if __name__ == "__main__":
    main(OUT / "guest_record.json")
