"""Keeps Flower and Ray from calling home, and their processes to one thread."""

import os
from collections.abc import Mapping
from pathlib import Path

from traces.numeric_threads import ONE_NUMERIC_THREAD

QUIET: Mapping[str, str] = {
    "FLWR_TELEMETRY_ENABLED": "0",
    "FLWR_DISABLE_UPDATE_CHECK": "1",
    "FLWR_DISABLE_RUNTIME_DEPENDENCY_INSTALLATION": "1",
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    "HF_HUB_OFFLINE": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
}
"""No telemetry, no look for updates, and nothing is downloaded or installed while a run goes on."""


def quiet_environment(flower_home: Path) -> dict[str, str]:
    """The environment of a process of Flower's; its own files go to `flower_home`.

    Sums over several threads depend on how many there are: engines would differ in last bits.
    """
    return {**os.environ, **QUIET, **ONE_NUMERIC_THREAD, "FLWR_HOME": str(flower_home)}


def be_quiet(flower_home: Path) -> None:
    """The same for this process and its children; must come before Flower is imported."""
    os.environ.update(quiet_environment(flower_home))
