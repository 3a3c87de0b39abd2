"""Tests of the unit under a real systemd: its sandbox, its watchdog, what follows each end.

The daemon is the real one, on a fake root; systemd is the real one, in namespaces of its own.
"""

import json
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from rm.unit_command import unit_text
from tests.platforms.linux.fake_root import FakeKernel, FakeRoot
from tests.rm.daemon.own_systemd import OwnSystemd

ROOT = Path(__file__).parents[3]
UNIT = "ilgov.service"
GOVERNOR = "/sys/devices/system/cpu/cpufreq/policy4/scaling_governor"
WATCHDOG_S = 2.0

_OTHER = """[Unit]
DefaultDependencies=no
[Service]
User=nobody
ExecStart=/bin/sleep infinity
"""


def _drop_in(*lines: str) -> str:
    """How the test differs from the unit: no other units, and this checkout can be seen."""
    seen = {sys.base_prefix, sys.prefix, str(ROOT)}
    return "\n".join(
        [
            "[Unit]",
            "DefaultDependencies=no",
            "[Service]",
            f"Environment=PYTHONPATH={ROOT} PYTHONDONTWRITEBYTECODE=1",
            "ProtectHome=tmpfs",
            *(f"BindReadOnlyPaths={path}" for path in sorted(seen)),
            *lines,
            "",
        ]
    )


def _command(words: str) -> str:
    return f"{sys.executable} -m rm.main {words}"


class Service:
    """The unit with the real daemon on a fake root."""

    def __init__(self, folder: Path, *, configuration: str = 'board = "hikey970"\n') -> None:
        """The fake root is a board with all knobs as a user has left them."""
        self.root = FakeRoot(folder / "root")
        self.before = self.root.snapshot()
        (self.root.path / "ilgov.toml").write_text(configuration)
        self.output = folder / "output"
        self.systemd = OwnSystemd(folder / "systemd")
        self.systemd.add_unit(UNIT, unit_text(Path("/bin/true"), Path("/etc/ilgov/ilgov.toml")))
        run = "run --root /run/ilgov-root --config /run/ilgov-root/ilgov.toml"
        self.systemd.add_unit(
            f"{UNIT}.d/test.conf",
            _drop_in(
                f"BindPaths={self.root.path}:/run/ilgov-root",
                f"StandardOutput=append:{self.output}",
                f"StandardError=append:{self.output}",
                f"WatchdogSec={WATCHDOG_S}",
                "RestartSec=0.2",
                f"ExecStart=\nExecStart={_command(run)}",
                "ExecStopPost=",
                "ExecStopPost=/bin/sh -c 'echo result: $SERVICE_RESULT by $EXIT_STATUS'",
                f"ExecStopPost={_command('restore --root /run/ilgov-root')}",
            ),
        )

    def changes(self) -> set[str]:
        """The knobs that are not as before."""
        now = self.root.snapshot()
        found = {
            path
            for path in self.before.keys() | now.keys()
            if self.before.get(path) != now.get(path)
        }
        return {path for path in found if not path.endswith(("cur_freq", "cgroup.procs"))}

    def start(self) -> None:
        """Start it; returns when it is governing."""
        started = self.systemd.ctl("start", UNIT)
        assert 0 == started.returncode, started.stderr + self.output.read_text()
        self.systemd.wait_until(lambda: self.root.read(GOVERNOR) == "userspace", "governing")

    def wait_for_restart(self, number: int) -> None:
        """Return when it governs again after so many restarts."""
        self.systemd.wait_until(lambda: self.property("NRestarts") == str(number), "a restart")
        self.systemd.wait_until(lambda: self.property("ActiveState") == "active", "active")
        self.systemd.wait_until(lambda: self.root.read(GOVERNOR) == "userspace", "governing")

    def property(self, name: str) -> str:
        """What systemd knows of it."""
        return self.systemd.property(UNIT, name)


@contextmanager
def booted(service: Service) -> Iterator[Service]:
    """With systemd and the fake kernel running."""
    with FakeKernel(service.root), service.systemd:
        yield service


def test_it_is_started_when_it_governs_and_leaves_every_knob_as_it_was(tmp_path: Path) -> None:
    """``Type=notify`` and the status line; then a stop."""
    with booted(Service(tmp_path)) as service:
        service.start()
        assert "active" == service.property("ActiveState")
        assert "normal: ilgov on hikey970" == service.property("StatusText")
        assert service.changes()
        stopped = service.systemd.ctl("stop", UNIT)
        assert 0 == stopped.returncode, stopped.stderr
        assert "success" == service.property("Result")
    assert set() == service.changes()


def test_a_crash_is_undone_and_it_starts_again(tmp_path: Path) -> None:
    """SIGKILL: ``ilgov restore`` runs before the next start, by systemd."""
    with booted(Service(tmp_path)) as service:
        service.start()
        service.systemd.ctl("kill", "--signal=SIGKILL", "--kill-who=main", UNIT)
        service.wait_for_restart(1)
        assert "result: signal by KILL" in service.output.read_text()
        assert "restored: " in service.output.read_text()
        service.systemd.ctl("stop", UNIT)
    assert set() == service.changes()


def test_a_daemon_that_hangs_is_ended_by_the_watchdog(tmp_path: Path) -> None:
    """SIGSTOP: no complete round, no sign of life."""
    with booted(Service(tmp_path)) as service:
        service.start()
        hung_s = time.monotonic()
        service.systemd.ctl("kill", "--signal=SIGSTOP", "--kill-who=main", UNIT)
        service.systemd.wait_until(lambda: "restored: " in service.output.read_text(), "an end")
        assert time.monotonic() - hung_s < WATCHDOG_S + 30.0  # a busy machine starts Python slowly
        assert "result: watchdog by ABRT" in service.output.read_text()
        service.wait_for_restart(1)
        service.systemd.ctl("stop", UNIT)
    assert set() == service.changes()


def test_a_reload_is_a_reload(tmp_path: Path) -> None:
    """The same process afterwards; the new target holds."""
    with booted(Service(tmp_path)) as service:
        service.start()
        pid = service.property("MainPID")
        assert 0 == service.systemd.ctl("reload", UNIT).returncode
        service.systemd.wait_until(
            lambda: "reload" in service.output.read_text(), "the reload in the log"
        )
        assert (pid, "active") == (service.property("MainPID"), service.property("ActiveState"))


def test_a_mistake_in_the_configuration_is_not_tried_again(tmp_path: Path) -> None:
    """Exit code 2: a restart every two seconds would mend nothing."""
    with booted(Service(tmp_path, configuration="board = 7\n")) as service:
        assert 0 != service.systemd.ctl("start", UNIT).returncode
        time.sleep(1.0)
        assert ("failed", "0") == (service.property("ActiveState"), service.property("NRestarts"))
        assert "board must" in service.output.read_text()
    assert set() == service.changes()


MAY = [
    "place",
    "executable",
    "count",
    "read stat",
    "journal",
    "socket",
    "decisions",
    "libraries",
    "child",
    "write cpufreq",
    "write cpuset",
]
MAY_NOT = [
    "write other cgroups",
    "write /sys",
    "write /proc/irq",
    "write /etc",
    "write /usr",
    "network",
    "device",
    "mount",
    "become somebody",
    "executable memory",
]


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What a process in the unit's sandbox has found, by what it tried."""
    folder = tmp_path_factory.mktemp("sandbox")
    systemd = OwnSystemd(folder / "systemd")
    systemd.add_unit("other.service", _OTHER)
    systemd.add_unit(UNIT, unit_text(Path("/bin/true"), Path("/etc/ilgov/ilgov.toml")))
    probe = f"{sys.executable} -m tests.rm.daemon.sandbox_probe nobody"
    systemd.add_unit(
        f"{UNIT}.d/test.conf",
        _drop_in(
            "Type=oneshot",
            "Restart=no",
            f"StandardOutput=append:{folder / 'found'}",
            f"StandardError=append:{folder / 'errors'}",
            f"ExecStart=\nExecStart={probe}",
            "ExecStopPost=",
        ),
    )
    with systemd:
        assert 0 == systemd.ctl("start", "other.service").returncode
        started = systemd.ctl("start", UNIT)
        errors = (folder / "errors").read_text() if (folder / "errors").exists() else ""
        assert 0 == started.returncode, started.stderr + errors
    found: dict[str, str] = json.loads((folder / "found").read_text())
    return found


@pytest.mark.parametrize("what", MAY)
def test_the_sandbox_lets_it_do_its_work(sandbox: dict[str, str], what: str) -> None:
    """On processes of another user, on its own files, on the knobs."""
    if what == "write cpufreq" and not Path("/sys/devices/system/cpu/cpufreq").exists():
        pytest.skip("this machine has no cpufreq")
    assert "ok" == sandbox[what]


@pytest.mark.parametrize("what", MAY_NOT)
def test_the_sandbox_lets_it_do_nothing_else(sandbox: dict[str, str], what: str) -> None:
    """Should it be taken over, this is all that is to be had."""
    assert "ok" != sandbox[what]


def test_everything_that_was_tried_is_judged(sandbox: dict[str, str]) -> None:
    """No finding is overlooked."""
    assert {*MAY, *MAY_NOT} == sandbox.keys()
