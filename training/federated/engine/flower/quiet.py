"""Keeps Flower and Ray from calling home, and everybody to one thread."""

import os
import sys
from collections.abc import Mapping
from pathlib import Path

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

ONE_THREAD: Mapping[str, str] = {
    "OMP_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
}
"""Sums over several threads depend on how many there are: engines would differ in last bits."""


def quiet_environment(flower_home: Path) -> dict[str, str]:
    """The environment of a process of Flower's; its own files go to `flower_home`."""
    return {**os.environ, **QUIET, **ONE_THREAD, "FLWR_HOME": str(flower_home)}


def be_quiet(flower_home: Path) -> None:
    """The same for this process and its children; must come before Flower is imported."""
    os.environ.update(quiet_environment(flower_home))


def use_one_thread() -> None:
    """Holds this process and its children to one thread for sums, whatever is loaded already."""
    os.environ.update(ONE_THREAD)
    from threadpoolctl import threadpool_limits

    threadpool_limits(limits=1)
    if "torch" in sys.modules:
        sys.modules["torch"].set_num_threads(1)
