"""The guest's side of a scenario with the daemon: start it, ask it, end it, break its sensors."""

import os
import select
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from rm.daemon.status import Status
from rm.status_reader import NoAnswer, NoDaemon, read_status
from tests.rig.places import RIG
from tests.rig.plant import FAULTS
from tests.rig.world import BOARD, OUT, end, wait_until

SETTINGS = Path("/etc/ilgov")
STATE = Path("/var/lib/ilgov")
SOCKET = Path("/run/ilgov/socket")
START_PATIENCE_S = 60.0

_POLICY = RIG / "policy" / "ilgov-rig44.onnx"


def write_configuration(text: str = "", *, decisions: Path | None = None) -> Path:
    """A configuration file that names the rig's board and policy; `text` holds more sections."""
    for folder in (SETTINGS, STATE, SOCKET.parent):
        folder.mkdir(mode=0o755, parents=True, exist_ok=True)
    board = _copied(BOARD, SETTINGS / "board.toml")
    policy = _copied(_POLICY, SETTINGS / "policy.onnx")
    log = f'[log]\ndecisions = "{decisions}"\n' if decisions else ""
    file = SETTINGS / "ilgov.toml"
    file.write_text(f'board = "{board}"\npolicy_file = "{policy}"\n{text}\n{log}')
    return file


def _copied(source: Path, target: Path) -> Path:
    """A copy that only root may write, whatever the checkout's modes are."""
    shutil.copyfile(source, target)
    target.chmod(0o644)
    return target


@dataclass(frozen=True)
class Daemon:
    """A running daemon."""

    process: subprocess.Popen[bytes]
    log: Path
    started_s: float

    def status(self) -> Status:
        """What it says of itself."""
        return read_status(SOCKET)

    def says(self, condition: Callable[[Status], bool]) -> bool:
        """Whether its status fulfils a condition; False where it does not answer.

        AssertionError with its last words where it has ended.
        """
        assert self.process.poll() is None, f"the daemon ended: {self.text()[-2000:]}"
        try:
            return condition(self.status())
        except (NoDaemon, NoAnswer):
            return False

    def wait_until(
        self, condition: Callable[[Status], bool], what: str, *, patience_s: float = 20.0
    ) -> float:
        """Seconds until its status fulfils a condition."""
        return wait_until(lambda: self.says(condition), what, patience_s=patience_s, look_s=0.02)

    def wait_for_state(self, state: str, *, patience_s: float = 20.0) -> float:
        """Seconds until it is in a state."""
        return self.wait_until(lambda s: s.state == state, f"{state}", patience_s=patience_s)

    def stop(self) -> tuple[int, float]:
        """SIGTERM; its exit code, and how long it took to end, in seconds."""
        before_s = time.monotonic()
        self.process.terminate()
        return self.ended(), time.monotonic() - before_s

    def ended(self) -> int:
        """Wait for its end, and return then: `Popen.wait` looks only every 50 ms. The exit code."""
        descriptor = os.pidfd_open(self.process.pid)
        try:
            select.select([descriptor], [], [], 20.0)
        finally:
            os.close(descriptor)
        return self.process.wait(0.1)

    def kill(self) -> None:
        """SIGKILL: no time to restore anything."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def text(self) -> str:
        """Its log so far."""
        return self.log.read_text(errors="replace")


@contextmanager
def daemon(name: str, configuration: Path, *options: str) -> Iterator[Daemon]:
    """``ilgov run``, started and answering; nothing of it is left when the block ends."""
    log = OUT / f"{name}.daemon.log"
    before_s = time.monotonic()
    with log.open("ab") as output:
        child = subprocess.Popen(
            ["ilgov", "run", "--config", str(configuration), *options],
            stdout=output,
            stderr=output,
        )
        started = Daemon(child, log, before_s)
        try:
            started.wait_until(lambda _: True, "an answer", patience_s=START_PATIENCE_S)
            yield started
        finally:
            end(child)


def restore() -> tuple[int, str]:
    """``ilgov restore``: its exit code and what it said."""
    ended = subprocess.run(["ilgov", "restore"], capture_output=True, text=True, check=False)
    return ended.returncode, ended.stdout + ended.stderr


@contextmanager
def broken(sensor: str, how: str) -> Iterator[None]:
    """A sensor that is broken while the block runs; see `plant`."""
    FAULTS.mkdir(parents=True, exist_ok=True)
    part = FAULTS.parent / "fault"
    part.write_text(how)
    part.rename(FAULTS / sensor)
    try:
        yield
    finally:
        (FAULTS / sensor).unlink()


def unplug(core: int) -> None:
    """Take a core offline."""
    write(Path(f"/sys/devices/system/cpu/cpu{core}/online"), 0)


def plug(core: int) -> None:
    """Bring it back."""
    write(Path(f"/sys/devices/system/cpu/cpu{core}/online"), 1)


def write(path: Path, value: object) -> None:
    """Write as the kernel wants it: all at once, nothing created."""
    descriptor = os.open(path, os.O_WRONLY)
    try:
        os.write(descriptor, str(value).encode())
    finally:
        os.close(descriptor)
