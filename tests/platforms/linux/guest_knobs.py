"""Knobs on a real kernel: turned as root, killed at random moments, unplugged, restored.

    python -m tests.rig run -- python3 -m tests.platforms.linux.guest_knobs

Prints a line for each check; the exit code is 1 if one failed.
"""

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from platforms.linux.clocks.actuators import Actuator, Cap, SetSpeed
from platforms.linux.clocks.frequency_domain import find_domains
from platforms.linux.errors import WriteRefused
from platforms.linux.knobs.journal import JOURNAL_NAME, Journal, read_boot_id
from platforms.linux.knobs.knobs import KnobWriter
from platforms.linux.knobs.process_start import read_life, threads_of
from platforms.linux.knobs.restore import restore
from platforms.linux.knobs.system_calls import KernelCalls
from platforms.linux.managed import ProcessKey

ROOT = Path("/")
JOURNAL = Path("/run/ilgov-test") / JOURNAL_NAME
CPU = Path("/sys/devices/system/cpu")
MOVING = {"scaling_cur_freq", "cpuinfo_cur_freq", "cpuinfo_avg_freq", "affected_cpus"}
KILLS = 12
THREADS = """
import threading, time
for _ in range(3):
    threading.Thread(target=time.sleep, args=(1e6,), daemon=True).start()
time.sleep(1e6)
"""
failures: list[str] = []


def check(what: str, good: bool, seen: object = "") -> None:
    """Print the outcome of a check and note a failure."""
    sys.stdout.write(f"{'ok  ' if good else 'BAD '} {what}  {seen}\n")
    sys.stdout.flush()
    if not good:
        failures.append(what)


def text_of(path: Path) -> str:
    """What a file says, or why not."""
    try:
        return path.read_text().strip()
    except OSError as error:
        return f"error: {error.strerror}"


def snapshot(pids: list[int]) -> dict[str, str]:
    """All settings of cpufreq, and the cores of all threads of these processes."""
    files = [path for path in sorted(CPU.glob("cpufreq/policy*/*")) if path.is_file()]
    found = {str(path): text_of(path) for path in files if path.name not in MOVING}
    for pid in pids:
        for tid in threads_of(ROOT, pid):
            found[f"thread {tid}"] = str(sorted(os.sched_getaffinity(tid)))
    return found


def differences(before: dict[str, str], after: dict[str, str]) -> dict[str, object]:
    """What is not the same."""
    both = before.keys() | after.keys()
    return {k: (before.get(k), after.get(k)) for k in both if before.get(k) != after.get(k)}


def settled(before: dict[str, str], pids: list[int]) -> dict[str, object]:
    """What still differs when the kernel has had half a second to apply its limits."""
    for _ in range(50):
        different = differences(before, snapshot(pids))
        if not different:
            break
        time.sleep(0.01)
    return different


@contextmanager
def applications(count: int) -> Iterator[list[int]]:
    """Processes of four threads each; one thread's cores are chosen by the user."""
    started = [subprocess.Popen([sys.executable, "-c", THREADS]) for _ in range(count)]
    pids = [process.pid for process in started]
    try:
        while any(len(threads_of(ROOT, pid)) < 4 for pid in pids):
            time.sleep(0.05)
        os.sched_setaffinity(threads_of(ROOT, pids[0])[1], {2, 3})
        yield pids
    finally:
        for process in started:
            process.kill()
            process.wait()


def open_writer() -> KnobWriter:
    """The writer on this machine."""
    return KnobWriter(ROOT, Journal.open(JOURNAL, boot_id=read_boot_id(ROOT)), KernelCalls())


def steer_for_ever(pids: list[int], dice: random.Random) -> None:
    """What a daemon does, at random."""
    writer = open_writer()
    domains = find_domains(ROOT)
    actuators: list[Actuator] = [dice.choice([SetSpeed, Cap])(domain) for domain in domains]
    cores = sorted(os.sched_getaffinity(0))
    for actuator in actuators:
        actuator.take(writer)
    while True:
        actuator = dice.choice(actuators)
        actuator.set(writer, dice.choice(actuator.domain.freqs_hz))
        pid = dice.choice(pids)
        life = read_life(ROOT, pid)
        assert life is not None
        key = ProcessKey(pid, life.start_ticks)
        writer.place(key, threads_of(ROOT, pid), dice.sample(cores, dice.randint(1, 3)))


def check_kills(pids: list[int]) -> None:
    """Killed at random moments, then restored."""
    for seed in range(KILLS):
        dice, before = random.Random(seed), snapshot(pids)
        child = os.fork()
        if child == 0:
            steer_for_ever(pids, dice)
        time.sleep(dice.uniform(0.0, 0.5))
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        changed = len(differences(before, snapshot(pids)))
        begun = time.monotonic()
        report = restore(ROOT, JOURNAL, KernelCalls())
        took_ms = 1e3 * (time.monotonic() - begun)
        left = settled(before, pids)
        seen = f"{changed} differed, {report.restored} restored in {took_ms:.0f} ms"
        check(f"kill {seed}", not left and not report.problems, left or report.problems or seen)


def check_hotplug(pids: list[int]) -> None:
    """Restored while a cluster is unplugged, and once more when it is back."""
    before, writer = snapshot(pids), open_writer()
    big = find_domains(ROOT)[-1]
    speed = SetSpeed(big)
    speed.take(writer)
    speed.set(writer, big.freqs_hz[1])
    for core in big.cores:
        (CPU / f"cpu{core}/online").write_text("0")
    check("a write without cores is refused", refused(lambda: speed.set(writer, big.freqs_hz[0])))
    report = writer.restore_all()
    check("what cannot be restored is told", bool(report.problems), report.problems)
    for core in big.cores:
        (CPU / f"cpu{core}/online").write_text("1")
    report = writer.restore_all()
    left = settled(before, pids)
    check("and restored when it is back", not report.problems and not left, left)
    close(writer)


def refused(act: object) -> str:
    """Why the kernel refused, empty if it did not."""
    try:
        act()  # type: ignore[operator]
    except WriteRefused as error:
        return str(error)
    return ""


def close(writer: KnobWriter) -> None:
    """End a writer whose work is undone."""
    assert writer._journal is not None
    writer._journal.close()
    writer.close()


def check_user_limits(pids: list[int]) -> None:
    """Limits and a speed of the user's own come back."""
    big, folder = find_domains(ROOT)[-1], ROOT / find_domains(ROOT)[-1].path.lstrip("/")
    (folder / "scaling_max_freq").write_text(str(big.freqs_hz[-2] // 1000))
    (folder / "scaling_min_freq").write_text(str(big.freqs_hz[1] // 1000))
    time.sleep(0.05)
    for make in (SetSpeed, Cap):
        before, writer = snapshot(pids), open_writer()
        actuator: Actuator = make(big)
        actuator.take(writer)
        for freq_hz in (big.freqs_hz[0], big.freqs_hz[-1], big.freqs_hz[2]):
            now = actuator.set(writer, freq_hz)
            time.sleep(0.05)
            check(f"{make.__name__} {freq_hz} holds", actuator.holds(big.read()), (now, big.read()))
        report = writer.restore_all()
        left = settled(before, pids)
        check(f"{make.__name__}: the user's own limits", not report.problems and not left, left)
        close(writer)


def check_times() -> None:
    """What a write with its read-back costs, against the bare calls."""
    writer, big = open_writer(), find_domains(ROOT)[-1]
    speed = SetSpeed(big)
    speed.take(writer)
    descriptor = os.open(f"{big.path}/scaling_setspeed", os.O_RDWR)
    rounds, freqs = 500, [str(freq // 1000).encode() for freq in big.freqs_hz[:2]]
    begun = time.monotonic()
    for number in range(rounds):
        os.pwrite(descriptor, freqs[number % 2], 0)
        os.pread(descriptor, 4096, 0)
    bare_s = (time.monotonic() - begun) / rounds
    begun = time.monotonic()
    for number in range(rounds):
        speed.set(writer, big.freqs_hz[number % 2])
    ours_s = (time.monotonic() - begun) / rounds
    seen = f"{1e6 * ours_s:.0f} us against {1e6 * bare_s:.0f} us, {ours_s / bare_s:.2f} times"
    check("a write costs at most three times the bare calls", ours_s < 3 * bare_s, seen)
    os.close(descriptor)
    check("restored", not writer.restore_all().problems)
    close(writer)


def main() -> int:
    """Run all checks."""
    with applications(4) as pids:
        check_kills(pids)
        check_hotplug(pids)
        check_user_limits(pids)
    check_times()
    sys.stdout.write("ALL OK\n" if not failures else f"FAILED: {failures}\n")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
