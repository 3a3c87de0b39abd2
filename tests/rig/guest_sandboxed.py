"""The real unit's sandbox lets a training job be confined, and put back: under a real systemd.

The unit runs this module instead of the daemon; the job is a service of another user's.

    python3 -m tests.rig.guest_sandboxed             the check
    python3 -m tests.rig.guest_sandboxed PID FILE    within the sandbox
"""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

from platforms.linux.confinement.confinement import Confinement
from platforms.linux.knobs.journal import JOURNAL_NAME, Journal, read_boot_id
from platforms.linux.knobs.knobs import KnobWriter
from platforms.linux.knobs.process_start import read_all_lives
from platforms.linux.knobs.system_calls import KernelCalls
from platforms.linux.managed import ProcessKey
from platforms.platform import TrainingGrant
from tests.rig.checklist import Checklist
from tests.rig.governed import STATE
from tests.rig.guest_service import systemctl
from tests.rig.world import OUT

UNITS = Path("/etc/systemd/system")
GROUP = Path("/sys/fs/cgroup/ilgov/job-1")
KNOBS = ("cpuset.cpus", "cpu.max", "memory.high", "cgroup.freeze")
JOB = "[Service]\nUser=65534\nExecStart=/bin/sleep 1000\n"
REPLACED = ("Type", "ExecStart", "ExecReload", "ExecStopPost", "WatchdogSec", "Restart")

CHECKS = Checklist()


@CHECKS.add
def in_its_sandbox_a_job_of_another_users_is_confined_and_put_back() -> object:
    """Cores, time, memory and freezing: all by its group, which is gone in the end."""
    (UNITS / "train.service").write_text(JOB)
    words = ["ilgov", "unit", "--executable", "/usr/bin/ilgov", "--config", "/etc/ilgov/ilgov.toml"]
    unit = subprocess.run(words, stdout=subprocess.PIPE, text=True, check=True).stdout
    systemctl("daemon-reload")
    systemctl("start", "train")
    pid = int(systemctl("show", "--value", "-p", "MainPID", "train"))
    before = Path(f"/proc/{pid}/cgroup").read_text(), os.sched_getaffinity(pid)
    file = STATE / "sandboxed.json"
    path = "PYTHONPATH=/out/metadata:/repo:/site PYTHONPYCACHEPREFIX=/compiled"
    command = f"/usr/bin/env {path} python3 -m tests.rig.guest_sandboxed {pid} {file}"
    kept = [line for line in unit.splitlines() if not _is_replaced(line)]
    place = kept.index("[Service]") + 1
    kept[place:place] = ["Type=oneshot", "WorkingDirectory=/repo", f"ExecStart={command}"]
    (UNITS / "ilgov-sandboxed.service").write_text("\n".join(kept) + "\n")
    systemctl("daemon-reload")
    systemctl("start", "ilgov-sandboxed")
    found = json.loads(file.read_text())
    assert [] == found["problems"], found
    assert ["2-3", "50000 100000", "134217728", "1"] == found["knobs"]
    assert "0::/ilgov/job-1" == found["group"]
    assert [] == found["not_restored"], found
    assert before == (Path(f"/proc/{pid}/cgroup").read_text(), os.sched_getaffinity(pid))
    assert not GROUP.exists()
    return found


def _is_replaced(line: str) -> bool:
    return re.match(rf"({'|'.join(REPLACED)})=", line) is not None


def confine(pid: int, file: Path) -> None:
    """Within the sandbox: confine, limit and freeze a process, note it, and put it back."""
    journal = Journal.open(STATE / JOURNAL_NAME, boot_id=read_boot_id(Path("/")))
    calls = KernelCalls()
    writer = KnobWriter(Path("/"), journal, calls)
    confinement = Confinement(Path("/"), writer, calls)
    key = ProcessKey(pid, read_all_lives(Path("/"))[pid].start_ticks)
    grant = TrainingGrant(1, 0, (2, 3), cpu_max=0.25)
    problems = confinement.confine(1, key, grant, 128 << 20)
    problems += confinement.pause(1)
    knobs = [(GROUP / name).read_text().strip() if GROUP.exists() else "" for name in KNOBS]
    group = Path(f"/proc/{pid}/cgroup").read_text().strip()
    not_restored = writer.restore_all().problems
    journal.remove()
    found = {"problems": problems, "knobs": knobs, "group": group, "not_restored": not_restored}
    file.write_text(json.dumps(found))


if __name__ == "__main__":
    if len(sys.argv) == 3:
        confine(int(sys.argv[1]), Path(sys.argv[2]))
    else:
        sys.exit(any(CHECKS.run(OUT / "guest_sandboxed.json").values()))
