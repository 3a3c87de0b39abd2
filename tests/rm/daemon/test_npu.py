"""Tests of what runs the daemon's network: without onnxruntime, and with an NPU found by auto.

Real daemons on a fake root; the NPU is the stub behind hiai's socket and C program.
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from rm.daemon.status import BackendStatus
from rm.doctor.described import examine_policy
from rm.status_text import status_text
from tests.npu_runtime.hiai.stub_npu import StubNpu, programs, with_artifact
from tests.platforms.linux.fake_root import FakeRoot
from tests.rm.daemon.running_daemon import ROOT, LivingApplications, RunningDaemon
from tests.rm.doctor.examined import findings, write_configuration


def backend(daemon: RunningDaemon) -> BackendStatus:
    """What the status says of the back end."""
    found = daemon.status().backend
    assert found is not None
    return found


def test_the_daemon_works_without_onnxruntime(tmp_path: Path) -> None:
    """From the command to decisions that its network took part in, with numpy alone."""
    hidden = tmp_path / "hidden"
    hidden.mkdir()
    (hidden / "onnxruntime.py").write_text("raise ImportError('not on this board')\n")
    environment = {"PYTHONPATH": f"{hidden}{os.pathsep}{ROOT}"}
    tried = subprocess.run(
        [sys.executable, "-c", "import onnxruntime"],
        env=os.environ | environment,
        stderr=subprocess.DEVNULL,
        check=False,
    )
    assert tried.returncode == 1
    arguments = ["--dry-run"]
    with RunningDaemon(tmp_path, arguments=arguments, environment=environment) as daemon:
        daemon.root.add_process(100)
        daemon.before = daemon.root.snapshot()
        daemon.start()
        with LivingApplications(daemon, [100], target=30.0):
            daemon.wait_until(lambda: backend(daemon).answers > 0, "an answer of the network")
        assert ("numpy", "cpu") == (backend(daemon).name, backend(daemon).device)
        assert "\n          auto: numpy, the fastest on the CPU" in status_text(daemon.status())
        assert 0 == daemon.end()
        assert {} == daemon.changes()


def test_an_npu_that_is_found_is_on_trial_then_answers_and_is_covered(tmp_path: Path) -> None:
    """Nobody named it. When its server ends, the CPU answers, and the state says so."""
    root = FakeRoot(tmp_path / "root")
    folder = root.path / "etc" / "ilgov"
    folder.mkdir(parents=True, exist_ok=True)
    policy = with_artifact(folder)
    settings = f'policy = "topil"\npolicy_file = "/etc/ilgov/{policy.path.name}"'
    server = StubNpu(programs(tmp_path), tmp_path)
    with server, RunningDaemon(tmp_path, settings=settings, root=root) as daemon:
        daemon.root.add_process(100)
        daemon.before = daemon.root.snapshot()
        daemon.start()
        daemon.wait_until(lambda: backend(daemon).device.startswith("npu (HiAI"), "the NPU")
        assert "its scores are within" in backend(daemon).why
        with LivingApplications(daemon, [100], target=30.0):
            answers = backend(daemon).answers
            daemon.wait_until(lambda: backend(daemon).answers > answers, "an answer of the NPU")
            server.stop()
            daemon.wait_for_log("-> degraded")
        assert "on trial, numpy on cpu answers" in backend(daemon).why
        assert 0 == daemon.end()
        assert {} == daemon.changes()


@pytest.mark.parametrize(
    ("fault", "verdict"), [("sound", "ok"), ("refuses", "degraded")], ids=["sound", "no device"]
)
def test_the_doctor_says_what_runs_the_network_and_why(
    tmp_path: Path, fault: str, verdict: str
) -> None:
    """It waits a moment for a process to start; what fails there is a finding."""
    root = FakeRoot(tmp_path)
    (finding,) = findings(examine_policy, root)
    assert "on numpy, cpu (auto: numpy, the fastest" in finding.found
    name = f"tests.npu_runtime.faulty_backend:{fault}"
    write_configuration(root, f'board = "hikey970"\nbackend = "{name}"\n')
    (finding,) = findings(examine_policy, root)
    assert verdict == finding.verdict
    assert ("OSError: no NPU on this machine" in finding.means) == (verdict == "degraded")
