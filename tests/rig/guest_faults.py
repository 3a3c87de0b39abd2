"""What goes wrong while the daemon steers, on a real kernel: each ends with the knobs given back.

One plant and two managed programs all the time; the daemon is started anew where a check has ended
it. Every check says how long the reaction took, in the guest's seconds.
"""

import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from rm.daemon.status import ApplicationStatus, Status
from tests.rig.checklist import SceneChecklist
from tests.rig.governed import (
    SOCKET,
    Daemon,
    broken,
    daemon,
    plug,
    restore,
    unplug,
    write,
    write_configuration,
)
from tests.rig.knobs import Snapshot, differences, snapshot
from tests.rig.world import (
    OUT,
    Application,
    Waited,
    application,
    plant,
    process,
    wait_until,
)

WATCHED = "big-thermal"
HEARTBEAT_INSTRUCTIONS = 2e7
BURST = 3
POLICY = Path("/sys/devices/system/cpu/cpufreq/policy4")
LOWEST_KHZ = 408_000
STOP_S = 0.2
"""The knobs are back so soon after SIGTERM."""

CROWD = 120
"""Threads whose cores of before take more than a page of the journal."""

DECISIONS = OUT / "faults.decisions.jsonl"

_SHORT_PATIENCE = """
[safety]
stale_after_s = 1.0
stuck_for_s = 3.0
well_for_s = 1.0
rival_within_s = 3.0
"""


@dataclass
class Scene:
    """What all checks share. `before` is how the knobs were before any daemon."""

    programs: list[Application]
    configuration: Path
    before: Snapshot = field(default_factory=dict)
    governor: Daemon | None = None
    _running: ExitStack = field(default_factory=ExitStack)

    @property
    def pids(self) -> list[int]:
        """The programs' processes."""
        return [program.process.pid for program in self.programs]

    def not_as_before(self) -> dict[str, object]:
        """Every knob that is not as it was before any daemon."""
        return dict(differences(self.before, snapshot(self.pids)))

    def steered(self) -> Daemon:
        """The daemon, in its normal state with both programs managed."""
        if self.governor is None or self.governor.process.poll() is not None:
            self._running.close()
            self.governor = self._running.enter_context(daemon("faults", self.configuration))
        count = len(self.programs)
        self.governor.wait_until(
            lambda s: s.state == "normal" and len(s.applications) >= count,
            "a normal state with both programs",
            patience_s=60.0,
        )
        wait_until(lambda: bool(self.not_as_before()), "knobs that are turned")
        return self.governor

    def close(self) -> None:
        """End the daemon."""
        self._running.close()


FAULTS: SceneChecklist[Scene] = SceneChecklist()


def _until_given_back(scene: Scene) -> float:
    try:
        return wait_until(lambda: not scene.not_as_before(), "knobs as before")
    except Waited as error:
        raise Waited(f"{error}, not as before are {scene.not_as_before()}") from None


@FAULTS.add
def a_failing_sensor_gives_the_knobs_back(scene: Scene) -> object:
    """Reading it gives EIO; when it is well again the daemon takes over again."""
    governor = scene.steered()
    with broken(WATCHED, "failing"):
        hands_off_s = governor.wait_for_state("hands-off")
        given_back_s = _until_given_back(scene)
        reason = governor.status().reason or ""
    assert WATCHED in reason, reason
    back_s = governor.wait_for_state("normal")
    return {
        "hands_off_s": hands_off_s,
        "given_back_s": given_back_s,
        "back_s": back_s,
        "reason": reason,
    }


@FAULTS.add
def a_program_on_a_core_that_goes_is_placed_elsewhere(scene: Scene) -> object:
    """And the daemon keeps steering; the core may come back."""
    governor = scene.steered()
    core = _managed(governor, scene.programs[1]).cores[0]
    unplug(core)
    try:
        moved_s = governor.wait_until(
            lambda s: all(core not in app.cores for app in s.applications),
            "the program to leave the core",
        )
        state = governor.status().state
    finally:
        plug(core)
    time.sleep(1.0)
    assert "normal" == state == governor.status().state
    return {"core": core, "moved_s": moved_s}


@FAULTS.add
def a_program_that_ends_is_forgotten(scene: Scene) -> object:
    """The others stay."""
    governor = scene.steered()
    with _program("brief", "automotive_bitcount", 10.0) as brief:
        pid = brief.process.pid
        governor.wait_until(
            lambda s: any(app.pid == pid for app in s.applications), "its registration"
        )
        brief.process.kill()
        forgotten_s = governor.wait_until(
            lambda s: all(app.pid != pid for app in s.applications), "it to be forgotten"
        )
    assert len(scene.programs) == len(governor.status().applications)
    return {"forgotten_s": forgotten_s}


@FAULTS.add
def a_stuck_sensor_gives_the_knobs_back(scene: Scene) -> object:
    """It shows the same while more programs heat the board than any description could hide."""
    governor = scene.steered()
    with broken(WATCHED, "stuck"), ExitStack() as stack:
        for number in range(BURST):
            stack.enter_context(_program(f"burst{number}", "automotive_bitcount", 160.0))
        hands_off_s = governor.wait_for_state("hands-off", patience_s=40.0)
        reason = governor.status().reason or ""
        given_back_s = _until_given_back(scene)
    assert WATCHED in reason, reason
    governor.wait_for_state("normal", patience_s=40.0)
    return {"hands_off_s": hands_off_s, "given_back_s": given_back_s, "reason": reason}


@FAULTS.add
def another_writer_is_left_the_field(scene: Scene) -> object:
    """Somebody sets a clock again and again; when it is over the daemon takes over again."""
    governor = scene.steered()

    def hands_off_in_spite_of(status: Status) -> bool:
        if status.state != "hands-off":
            write(POLICY / "scaling_setspeed", LOWEST_KHZ)
        return status.state == "hands-off"

    hands_off_s = governor.wait_until(hands_off_in_spite_of, "hands-off")
    reason = governor.status().reason
    given_back_s = _until_given_back(scene)
    back_s = governor.wait_for_state("normal", patience_s=40.0)
    return {
        "hands_off_s": hands_off_s,
        "given_back_s": given_back_s,
        "back_s": back_s,
        "reason": reason,
    }


@FAULTS.add
def a_reload_under_load_takes_over_without_a_gap(scene: Scene) -> object:
    """SIGHUP: another policy steers on, the knobs are never given back, and nobody is forgotten."""
    governor = scene.steered()
    before = governor.status()
    governors = set()

    def steers_by(policy: str) -> bool:
        governors.add((POLICY / "scaling_governor").read_text().strip())
        return governor.says(lambda s: s.policy == policy)

    write_configuration(f'policy = "little-first"\n{_SHORT_PATIENCE}', decisions=DECISIONS)
    governor.process.send_signal(signal.SIGHUP)
    taken_over_s = wait_until(lambda: steers_by("little-first"), "the new policy", look_s=0.01)
    time.sleep(1.0)
    after = governor.status()
    assert "normal" == after.state
    assert before.counts.hands_off == after.counts.hands_off
    assert {app.id for app in before.applications} == {app.id for app in after.applications}
    assert {"userspace"} == governors
    missed = after.loop.missed_rounds - before.loop.missed_rounds
    write_configuration(_SHORT_PATIENCE, decisions=DECISIONS)
    governor.process.send_signal(signal.SIGHUP)
    back_s = wait_until(lambda: steers_by("ilgov"), "the policy before", look_s=0.01)
    return {"taken_over_s": taken_over_s, "back_s": back_s, "missed_rounds": missed}


@FAULTS.add
def a_reload_of_a_wrong_file_changes_nothing(scene: Scene) -> object:
    """It is refused in the log, and the daemon steers on."""
    governor = scene.steered()
    good = scene.configuration.read_text()
    scene.configuration.write_text(good + "\n[safety]\nstuck_for_s = -1\n")
    try:
        governor.process.send_signal(signal.SIGHUP)
        refused_s = wait_until(lambda: "reload refused" in governor.text(), "a line in the log")
        status = governor.status()
    finally:
        scene.configuration.write_text(good)
    assert ("normal", "ilgov") == (status.state, status.policy)
    assert scene.not_as_before(), "it must have gone on steering"
    return {"refused_s": refused_s}


@FAULTS.add
def sigterm_gives_the_knobs_back(scene: Scene) -> object:
    """Before the process ends; who looks here takes from the daemon's time as well."""
    governor = scene.steered()
    start_s = time.monotonic()
    governor.process.terminate()
    given_back_s = wait_until(lambda: not scene.not_as_before(), "knobs as before", look_s=0.005)
    code, stop_s = governor.ended(), time.monotonic() - start_s
    assert {} == scene.not_as_before()
    assert 0 == code
    assert given_back_s < STOP_S
    return {"given_back_s": given_back_s, "stop_s": stop_s}


@FAULTS.add
def after_kill_9_restore_gives_the_knobs_back(scene: Scene) -> object:
    """The journal tells how they were."""
    scene.steered().kill()
    left = scene.not_as_before()
    assert left, "the daemon must have turned knobs"
    start_s = time.monotonic()
    code, said = restore()
    assert {} == scene.not_as_before(), said
    assert 0 == code, said
    return {"left": sorted(left), "restore_s": time.monotonic() - start_s, "said": said}


@FAULTS.add
def after_kill_9_the_next_start_knows_how_the_knobs_were(scene: Scene) -> object:
    """So what it gives back in the end is what was before the one that was killed."""
    scene.steered().kill()
    assert scene.not_as_before(), "the daemon must have turned knobs"
    code, _ = scene.steered().stop()
    assert {} == scene.not_as_before()
    return {"exit_code": code}


@FAULTS.add
def a_full_disk_gives_the_knobs_back_until_there_is_room(scene: Scene) -> object:
    """What a program of many threads has to be put back to does not fit: it is not moved."""
    scene.close()
    with _tiny_disk() as folder:
        write_configuration(f'state_dir = "{folder}"\n{_SHORT_PATIENCE}', decisions=DECISIONS)
        try:
            governor = scene.steered()
            filler = folder / "filler"
            _fill(filler)
            with _crowd() as pid:
                cores = _cores_of(pid)
                hands_off_s = governor.wait_for_state("hands-off", patience_s=40.0)
                reason = governor.status().reason or ""
                given_back_s = _until_given_back(scene)
                assert cores == _cores_of(pid), "a thread of the crowd was moved"
                filler.unlink()
                back_s = governor.wait_until(
                    lambda s: s.state == "normal" and cores != _cores_of(pid),
                    "the crowd on cores of its own",
                    patience_s=60.0,
                )
                code, _ = governor.stop()
                assert cores == _cores_of(pid)
        finally:
            scene.close()
            write_configuration(_SHORT_PATIENCE, decisions=DECISIONS)
    assert "undo.jsonl" in reason, reason
    assert "No space left on device" in governor.text()
    assert (0, {}) == (code, scene.not_as_before())
    return {
        "hands_off_s": hands_off_s,
        "given_back_s": given_back_s,
        "back_s": back_s,
        "reason": reason,
    }


def _cores_of(pid: int) -> Snapshot:
    """Where each thread of a process may run."""
    return {key: cores for key, cores in snapshot([pid]).items() if key.startswith("affinity")}


@contextmanager
def _tiny_disk() -> Iterator[Path]:
    """A file system of two pages: one that the journal begins, and one more."""
    folder = Path("/run/ilgov-tiny")
    folder.mkdir(mode=0o700)
    words = ["mount", "-t", "tmpfs", "-o", "size=8k,mode=700", "tmpfs", str(folder)]
    subprocess.run(words, check=True)
    try:
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=True)
        folder.rmdir()


def _fill(path: Path) -> None:
    """Write until the disk is full."""
    with suppress(OSError), path.open("wb", buffering=0) as file:
        while True:
            file.write(b"x")


@contextmanager
def _crowd() -> Iterator[int]:
    """A program of many threads that is registered; its process."""
    words = ["--socket", SOCKET, "--threads", CROWD]
    with process("tests.rig.crowd", *words) as child:
        tasks = Path(f"/proc/{child.pid}/task")
        wait_until(lambda: len(list(tasks.iterdir())) > CROWD, "the crowd's threads")
        yield child.pid


def _managed(governor: Daemon, program: Application) -> ApplicationStatus:
    apps = governor.status().applications
    return next(app for app in apps if app.pid == program.process.pid)


@contextmanager
def _program(name: str, profile: str, target: float) -> Iterator[Application]:
    with application(
        name,
        profile,
        target=target,
        instructions_per_heartbeat=HEARTBEAT_INSTRUCTIONS,
        socket=str(SOCKET),
    ) as program:
        yield program


def main(report: Path) -> int:
    """All checks, one after the other."""
    configuration = write_configuration(_SHORT_PATIENCE, decisions=DECISIONS)
    with (
        plant("faults", cooling="heatsink"),
        _program("counting", "automotive_bitcount", 40.0) as first,
        _program("typesetting", "office_ghostscript", 60.0) as second,
    ):
        scene = Scene([first, second], configuration)
        wait_until(lambda: first.runs and second.runs, "the programs")
        scene.before = snapshot(scene.pids)
        try:
            return int(any(FAULTS.run(scene, report).values()))
        finally:
            scene.close()


if __name__ == "__main__":
    sys.exit(main(OUT / "guest_faults.json"))
