"""What tests of the engines share: Flower is quiet, and messages may be made outside of a run."""

from pathlib import Path

import pytest

from training.federated.engine.flower.quiet import QUIET


@pytest.fixture(autouse=True)
def quiet(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No telemetry; Flower's own files within the test's folder."""
    for name, value in {**QUIET, "FLWR_HOME": str(tmp_path / "flower-home")}.items():
        monkeypatch.setenv(name, value)
    from flwr.supercore.task_identity import TaskIdentity

    for name in ("_task_id", "_run_id", "_node_id"):
        monkeypatch.setattr(TaskIdentity, name, 1)
