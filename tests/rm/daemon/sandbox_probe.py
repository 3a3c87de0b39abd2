"""What a process in the unit's sandbox can do: run as the service, it prints its findings as JSON.

python -m tests.rm.daemon.sandbox_probe USER       USER's process is who it tries to manage
"""

import ctypes
import importlib
import json
import mmap
import os
import pwd
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

SOFTWARE_TASK_CLOCK = (1, 1)
_PERF_EVENT_OPEN = {"x86_64": 298, "aarch64": 241}
_SIZE = 112
_DISABLED_AND_NO_KERNEL = 0b1100001


def process_of(user: str) -> int:
    """A process of that user."""
    uid = pwd.getpwnam(user).pw_uid
    return next(
        int(path.name)
        for path in Path("/proc").iterdir()
        if path.name.isdecimal() and path.stat().st_uid == uid
    )


def count(pid: int) -> int:
    """Open a software counter of that process, as the daemon opens those of the processor."""
    kind, config = SOFTWARE_TASK_CLOCK
    attributes = bytearray(_SIZE)
    attributes[0:4] = kind.to_bytes(4, "little")
    attributes[4:8] = _SIZE.to_bytes(4, "little")
    attributes[8:16] = config.to_bytes(8, "little")
    attributes[40:48] = _DISABLED_AND_NO_KERNEL.to_bytes(8, "little")
    libc = ctypes.CDLL(None, use_errno=True)
    block = (ctypes.c_char * _SIZE).from_buffer(attributes)
    opened = libc.syscall(_PERF_EVENT_OPEN[os.uname().machine], block, pid, -1, -1, 0)
    if opened < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return int(opened)


def mount() -> None:
    """Mount something."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.mount(b"none", b"/mnt", b"tmpfs", 0, None) != 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


def executable_memory() -> None:
    """Memory that can be written and run."""
    mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)


def found(act: Callable[[], object]) -> str:
    """What came of it."""
    try:
        act()
    except Exception as error:  # noqa: BLE001 - every reason is a finding
        return f"{type(error).__name__}: {error}"
    return "ok"


def open_for_writing(path: str) -> None:
    """Open a file or a folder as one does to write; nothing is written."""
    if not os.access(path, os.W_OK, effective_ids=True):
        raise PermissionError(path)


def main(user: str) -> None:
    """Try everything."""
    pid = process_of(user)
    tries: dict[str, Callable[[], object]] = {
        "place": lambda: os.sched_setaffinity(pid, {0}),
        "executable": lambda: Path(f"/proc/{pid}/exe").readlink(),
        "count": lambda: count(pid),
        "read stat": lambda: Path("/proc/stat").read_text(),
        "journal": lambda: Path("/var/lib/ilgov/undo.jsonl").write_text(""),
        "socket": lambda: socket.socket(socket.AF_UNIX).bind("/run/ilgov/socket"),
        "decisions": lambda: Path("/var/log/ilgov/decisions.jsonl").write_text(""),
        "libraries": lambda: [importlib.import_module(n) for n in ("numpy", "onnxruntime")],
        "child": lambda: subprocess.run([sys.executable, "-c", ""], check=True),
        "write cpufreq": lambda: open_for_writing("/sys/devices/system/cpu/cpufreq"),
        "write cpuset": lambda: open_for_writing("/sys/fs/cgroup/user.slice"),
        "write other cgroups": lambda: open_for_writing("/sys/fs/cgroup/init.scope"),
        "write /sys": lambda: open_for_writing("/sys/kernel"),
        "write /proc/irq": lambda: open_for_writing("/proc/irq/default_smp_affinity"),
        "write /etc": lambda: open_for_writing("/etc"),
        "write /usr": lambda: open_for_writing("/usr"),
        "network": lambda: socket.socket(socket.AF_INET),
        "device": lambda: os.open("/dev/mem", os.O_RDONLY),
        "mount": mount,
        "become somebody": lambda: os.setuid(65534),
        "executable memory": executable_memory,
    }
    print(json.dumps({name: found(act) for name, act in tries.items()}))  # noqa: T201 - its answer


if __name__ == "__main__":
    main(sys.argv[1])
