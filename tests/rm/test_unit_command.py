"""Tests of ``ilgov unit``: systemd takes the unit, it is tight, and it runs what it should."""

import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from rm import unit_command
from rm.daemon import rivals
from rm.unit_command import unit_text
from tests.conftest import Ended

Ilgov = Callable[..., Ended]

EXECUTABLE = Path("/usr/bin/true")
CONFIG = Path("/etc/ilgov/ilgov.toml")
NPU = Path("/dev/hiai")
VARIANTS: dict[str, dict[str, Any]] = {
    "plain": {},
    "NPU": {"devices": [NPU]},
    "localhost": {"localhost": True},
    "both": {"devices": [NPU, Path("/dev/ion")], "localhost": True},
}
HIGHEST_EXPOSURE = {"plain": 1.5, "NPU": 1.7, "localhost": 2.3, "both": 2.4}
"""Of 10, by systemd 252; the open rest is what the unit's comments name."""


def analyze(*words: object) -> subprocess.CompletedProcess[str]:
    """What ``systemd-analyze`` says."""
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd-analyze is not installed (Debian's package systemd)")
    command = ["systemd-analyze", *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def written(folder: Path, variant: str) -> Path:
    """The unit as a file."""
    path = folder / "ilgov.service"
    path.write_text(unit_text(EXECUTABLE, CONFIG, **VARIANTS[variant]))
    return path


def settings(text: str, key: str) -> list[str]:
    """The values of all lines that assign a key."""
    return re.findall(rf"^{key}=(.*)$", text, re.MULTILINE)


@pytest.mark.parametrize("variant", VARIANTS)
def test_systemd_understands_every_line(tmp_path: Path, variant: str) -> None:
    """Unknown keys and wrong values would be passed over with a warning."""
    ended = analyze("verify", "--man=no", written(tmp_path, variant))
    assert (0, "", "") == (ended.returncode, ended.stdout, ended.stderr)


@pytest.mark.parametrize("variant", VARIANTS)
def test_the_sandbox_is_tight(tmp_path: Path, variant: str) -> None:
    """By systemd's own measure; an NPU's device and localhost cost a little."""
    threshold = round(10 * HIGHEST_EXPOSURE[variant])
    ended = analyze(
        "security", "--offline=true", f"--threshold={threshold}", written(tmp_path, variant)
    )
    assert 0 == ended.returncode, "".join(ended.stdout.splitlines(keepends=True)[-1:])


def test_each_capability_has_its_reason() -> None:
    """In the unit, where who reads it looks for it."""
    text = unit_text(EXECUTABLE, CONFIG)
    (capabilities,) = settings(text, "CapabilityBoundingSet")
    for name in capabilities.split():
        assert re.search(rf"^# {name}  +\S", text, re.MULTILINE), name


def test_every_rival_with_a_unit_is_stopped_when_it_starts() -> None:
    """And has ended before it takes the knobs."""
    text = unit_text(EXECUTABLE, CONFIG)
    units = {unit for kind in rivals.KNOWN for unit in kind.units}
    conflicting = set(" ".join(settings(text, "Conflicts")).split())
    assert set() == units - conflicting
    assert set() == conflicting - set(" ".join(settings(text, "After")).split())


def test_it_restores_after_every_end_and_is_not_restarted_on_a_mistake() -> None:
    """A crash, a kill, the watchdog: the knobs are put back by a process of its own."""
    text = unit_text(Path("/usr/local/lib/ilgov/bin/ilgov"), Path("/etc/own.toml"))
    command = "/usr/local/lib/ilgov/bin/ilgov"
    assert [f"{command} run --config /etc/own.toml"] == settings(text, "ExecStart")
    assert [f"{command} restore"] == settings(text, "ExecStopPost")
    assert ["notify"] == settings(text, "Type")
    assert ["5"] == settings(text, "WatchdogSec")
    assert ["2 3"] == settings(text, "RestartPreventExitStatus")


def test_only_what_is_asked_for_opens_the_sandbox() -> None:
    """A device for the NPU, localhost for the metrics."""
    plain = unit_text(EXECUTABLE, CONFIG)
    assert ["yes"] == settings(plain, "PrivateDevices")
    assert ["AF_UNIX"] == settings(plain, "RestrictAddressFamilies")
    opened = unit_text(EXECUTABLE, CONFIG, devices=[NPU], localhost=True)
    assert [] == settings(opened, "PrivateDevices")
    assert [f"{NPU} rw"] == settings(opened, "DeviceAllow")
    assert ["any"] == settings(opened, "IPAddressDeny")
    assert ["localhost"] == settings(opened, "IPAddressAllow")


def test_the_command_prints_the_unit_and_nothing_else(ilgov: Ilgov) -> None:
    """It goes through a pipe into a file."""
    code, stdout, stderr = ilgov("unit", "--executable", EXECUTABLE)
    assert (0, "") == (code, stderr)
    assert unit_text(EXECUTABLE, CONFIG) == stdout
    assert stdout.endswith("WantedBy=multi-user.target\n")


def test_what_root_should_not_run_is_refused(
    ilgov: Ilgov, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A command that others can exchange, or that the sandbox hides; all of it at once."""
    script = tmp_path / "ilgov"
    script.write_text("#!/usr/bin/env python3\n")
    script.chmod(0o777)
    monkeypatch.setattr(unit_command, "_HIDDEN", (str(tmp_path),))
    code, stdout, stderr = ilgov("unit", "--executable", script)
    assert (2, "") == (code, stdout)
    assert f"not below {tmp_path} (got {script})" in stderr
    assert f"{script} can be written by others" in stderr


def test_the_interpreter_counts_as_well(
    ilgov: Ilgov, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A command in a safe place may be run by a Python in somebody's home."""
    home = tmp_path / "home"
    home.mkdir()
    (home / "python").touch(mode=0o777)
    script = tmp_path / "ilgov"
    script.write_text(f"#!{home}/python\n")
    monkeypatch.setattr(unit_command, "_HIDDEN", (str(home),))
    code, _, stderr = ilgov("unit", "--executable", script)
    assert 2 == code
    assert f"the interpreter of {script} must lie where the unit's sandbox sees it" in stderr


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (("--executable", "/nowhere/ilgov"), "--executable must be a file (got /nowhere/ilgov)"),
        (("--config", "ilgov.toml"), "--config must be an absolute path"),
        (("--config", "/etc/a b.toml"), "--config must be an absolute path of letters, digits"),
        (("--config", "/etc/%h.toml"), "--config must be an absolute path of letters, digits"),
        (("--device", "/sys/x"), "--device must be a file below /dev (got /sys/x)"),
        (("--device", "/dev/x\nUser=0"), "--device must be an absolute path of letters"),
    ],
)
def test_a_path_that_does_not_fit_is_named(
    ilgov: Ilgov, words: tuple[str, ...], problem: str
) -> None:
    """Nothing in it may mean anything in a unit."""
    code, stdout, stderr = ilgov("unit", "--executable", EXECUTABLE, *words)
    assert (2, "") == (code, stdout)
    assert problem in stderr
