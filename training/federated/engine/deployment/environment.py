"""The environment of Flower's programs."""

import os
import sys
from pathlib import Path

from training.federated.engine.flower.quiet import quiet_environment

_POLL_TASKS_S = "0.1"
"""A SuperExec looks for work a second apart, if nothing else is said."""


def flower_environment(home: Path) -> dict[str, str]:
    """Quiet, with Flower's programs found, and work found without delay."""
    environment = quiet_environment(home.resolve())
    environment["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{environment['PATH']}"
    environment["FLWR_SUPEREXEC_TASK_POLL_INTERVAL"] = _POLL_TASKS_S
    return environment
