"""A snapshot of everything that a governor may change, to compare before with after."""

import os
from collections.abc import Iterable
from pathlib import Path

_POLICIES = Path("/sys/devices/system/cpu/cpufreq")
_MOVING = {"scaling_cur_freq", "cpuinfo_cur_freq", "cpuinfo_avg_freq", "affected_cpus"}
"""What changes by itself."""

Snapshot = dict[str, str]


def snapshot(pids: Iterable[int] = ()) -> Snapshot:
    """The cpufreq settings, the cores that are online, and where these processes may run."""
    files = filter(_counts, sorted(_POLICIES.glob("policy*/*")))
    found = {str(path): _read(path) for path in files}
    found["online"] = _read(Path("/sys/devices/system/cpu/online"))
    for pid in pids:
        for task in sorted(Path(f"/proc/{pid}/task").glob("*")):
            cores = os.sched_getaffinity(int(task.name))
            found[f"affinity of {task.name} of {pid}"] = str(sorted(cores))
        found[f"cgroup of {pid}"] = _read(Path(f"/proc/{pid}/cgroup"))
    return found


def differences(before: Snapshot, after: Snapshot) -> dict[str, tuple[str | None, str | None]]:
    """What is not as before, with both values.

    >>> differences({"a": "1", "b": "2"}, {"a": "1", "b": "3"})
    {'b': ('2', '3')}
    """
    keys = sorted(before.keys() | after.keys())
    pairs = {key: (before.get(key), after.get(key)) for key in keys}
    return {key: pair for key, pair in pairs.items() if pair[0] != pair[1]}


def _counts(path: Path) -> bool:
    return path.is_file() and path.name not in _MOVING


def _read(path: Path) -> str:
    try:
        return path.read_text().strip()
    except OSError as error:
        return f"error: {error.strerror}"
