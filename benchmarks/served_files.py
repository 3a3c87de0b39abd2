"""Files that the kernel makes up as they are read, in place of a fake root's plain ones.

A plain file's content is copied from a page of memory; of one in sysfs the kernel asks whoever
knows the value and writes it down anew, which takes longer. A machine without cpufreq has no such
file for a frequency. But a control group's ``pids.max`` is served by the same file system code
(kernfs) and holds any whole number up to some four million: frequencies in kHz and temperatures in
thousandths of a degree fit. What cpufreq itself would do for a read comes on top.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_GROUPS = (Path("/sys/fs/cgroup/pids"), Path("/sys/fs/cgroup"))
"""Where the controller is: by itself (version 1), or with the others (version 2)."""

_READ_IN_ROUNDS = (
    "sys/devices/system/cpu/cpufreq/policy*/scaling_*_freq",
    "sys/devices/virtual/thermal/thermal_zone*/temp",
)
"""The numbers that a DVFS round reads in sysfs; beside them it reads some words, left plain."""


@contextmanager
def served_by_kernel(root: Path) -> Iterator[int]:
    """Let the kernel serve the numbers of a `FakeRoot`; how many it does.

    0 where this process may not make control groups: then they stay plain.
    """
    made: list[Path] = []
    try:
        with suppress(OSError):
            for file in [file for pattern in _READ_IN_ROUNDS for file in root.glob(pattern)]:
                served = _number_file(made, file.read_text().strip())
                file.unlink()
                file.symlink_to(served)
        yield len(made)
    finally:
        for group in reversed(made):
            with suppress(OSError):
                group.rmdir()


def _number_file(made: list[Path], number: str) -> Path:
    """A file of the kernel's with this content, in a group that is added to `made`."""
    for groups in _GROUPS:
        group = groups / f"ilgov-benchmark-{os.getpid()}-{len(made)}"
        with suppress(OSError):
            group.mkdir()
            file = group / "pids.max"
            if file.exists():
                made.append(group)
                file.write_text(number)
                return file
            group.rmdir()
    raise PermissionError("no control group can be made here that has pids.max")
