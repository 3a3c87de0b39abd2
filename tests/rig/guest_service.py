"""The real unit under a real systemd on the guest's kernel: its sandbox lets it turn the knobs.

What follows a daemon that hangs, and one that is stopped, is measured in the guest's seconds.
"""

import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

from rm.status_reader import NoAnswer, NoDaemon, read_status
from tests.rig.checklist import SceneChecklist
from tests.rig.governed import SOCKET, write_configuration
from tests.rig.knobs import Snapshot, differences, snapshot
from tests.rig.world import OUT, Application, application, plant, wait_until

UNIT = Path("/etc/systemd/system/ilgov.service")
PATIENCE_S = 60.0


@dataclass
class Scene:
    """The programs, and how the knobs were before the service was started."""

    program: Application
    before: Snapshot = field(default_factory=dict)

    def as_before(self) -> bool:
        """Whether every knob is as it was."""
        return not differences(self.before, snapshot([self.program.process.pid]))

    def steered(self) -> bool:
        """Whether the daemon steers: it says so, and knobs are turned."""
        try:
            status = read_status(SOCKET)
        except (NoDaemon, NoAnswer):
            return False
        return status.state == "normal" and bool(status.applications) and not self.as_before()


SERVICE: SceneChecklist[Scene] = SceneChecklist()


def systemctl(*words: str) -> str:
    """What ``systemctl`` says; AssertionError with the service's state where it fails."""
    ended = subprocess.run(["systemctl", *words], capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr + _state()
    return ended.stdout.strip()


def _state() -> str:
    words = ["systemctl", "status", "--no-pager", "--full", "ilgov"]
    return subprocess.run(words, capture_output=True, text=True, check=False).stdout


@SERVICE.add
def in_its_sandbox_it_turns_the_knobs(scene: Scene) -> object:
    """And systemd hears when it is ready."""
    start_s = time.monotonic()
    systemctl("start", "ilgov")
    ready_s = time.monotonic() - start_s
    wait_until(scene.steered, f"knobs that are turned: {_state()}", patience_s=PATIENCE_S)
    return {"ready_s": ready_s, "steered_s": time.monotonic() - start_s}


@SERVICE.add
def one_that_hangs_is_killed_and_the_knobs_are_given_back(scene: Scene) -> object:
    """By the watchdog and `ExecStopPost`; then it is started anew."""
    os.kill(int(systemctl("show", "--value", "-p", "MainPID", "ilgov")), signal.SIGSTOP)
    given_back_s = wait_until(scene.as_before, "knobs as before", patience_s=PATIENCE_S)
    result = systemctl("show", "--value", "-p", "Result", "ilgov")
    again_s = wait_until(scene.steered, "a new start", patience_s=PATIENCE_S)
    restarts = systemctl("show", "--value", "-p", "NRestarts", "ilgov")
    assert "1" == restarts, _state()
    return {"given_back_s": given_back_s, "result": result, "steered_again_s": again_s}


@SERVICE.add
def one_that_is_killed_leaves_the_knobs_as_before(scene: Scene) -> object:
    """SIGKILL gives it no time: `ExecStopPost` restores."""
    os.kill(int(systemctl("show", "--value", "-p", "MainPID", "ilgov")), signal.SIGKILL)
    given_back_s = wait_until(scene.as_before, "knobs as before", patience_s=PATIENCE_S)
    wait_until(scene.steered, "a new start", patience_s=PATIENCE_S)
    return {"given_back_s": given_back_s}


@SERVICE.add
def stopped_it_leaves_the_knobs_as_before(scene: Scene) -> object:
    """``systemctl stop`` returns when all is given back."""
    start_s = time.monotonic()
    systemctl("stop", "ilgov")
    assert scene.as_before()
    return {"stop_s": time.monotonic() - start_s}


def main(report: Path) -> int:
    """All checks, one after the other."""
    configuration = write_configuration()
    words = ["ilgov", "unit", "--executable", "/usr/bin/ilgov", "--config", str(configuration)]
    UNIT.write_text(subprocess.run(words, stdout=subprocess.PIPE, text=True, check=True).stdout)
    systemctl("daemon-reload")
    # In its sandbox the daemon cannot keep what Python compiles, so every start would compile anew.
    subprocess.run([sys.executable, "-c", "import rm.daemon.daemon, rm.run_command"], check=True)
    with (
        plant("service", cooling="heatsink"),
        application(
            "counting",
            "automotive_bitcount",
            target=40.0,
            instructions_per_heartbeat=2e7,
            socket=str(SOCKET),
        ) as program,
    ):
        wait_until(lambda: program.runs, "the program")
        scene = Scene(program, snapshot([program.process.pid]))
        return int(any(SERVICE.run(scene, report).values()))


if __name__ == "__main__":
    sys.exit(main(OUT / "guest_service.json"))
