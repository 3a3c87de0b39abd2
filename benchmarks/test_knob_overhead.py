"""What reading and turning knobs costs, above the system calls that it is made of.

On a fake root the calls go to plain files in memory, the cheapest there are: on a board the
kernel's part is larger, and the ratio smaller. The second way shows that on the machine's own
sysfs, with a knob that is given the value that it has.
"""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from benchmarks.fastest import fastest_s
from platforms.linux.clocks.actuators import SetSpeed
from platforms.linux.clocks.frequency_domain import FrequencyDomain, find_domains
from platforms.linux.knobs.journal import JOURNAL_NAME, Journal, read_boot_id
from platforms.linux.knobs.knobs import KnobWriter
from platforms.linux.knobs.process_start import read_life, threads_of
from platforms.linux.knobs.system_calls import KernelCalls, calls_for
from platforms.linux.managed import ProcessKey
from tests.platforms.linux.fake_root import FakeRoot

MOST_TIMES_THE_SYSTEM_CALLS = 3.0
ROOT = Path("/")
HARMLESS_KNOB = "/sys/kernel/mm/ksm/sleep_millisecs"
FREQS_HZ = (1_018_000_000, 1_210_000_000)


@pytest.fixture
def root(tmp_path: Path) -> FakeRoot:
    """A HiKey 970."""
    return FakeRoot(tmp_path)


@pytest.fixture
def domains(root: FakeRoot) -> tuple[FrequencyDomain, ...]:
    """Its two clocks."""
    return find_domains(root.path)


@pytest.fixture
def writer(root: FakeRoot, tmp_path: Path) -> Iterator[KnobWriter]:
    """A writer on it."""
    journal = Journal.open(tmp_path / JOURNAL_NAME, boot_id=read_boot_id(root.path), strict=False)
    yield KnobWriter(root.path, journal, calls_for(root.path))
    journal.close()


def ratio_of(run: Callable[[], object], bare: Callable[[], object]) -> float:
    """How many times as long, by the least of some runs' times: others only add to them."""
    return min(fastest_s(run) / fastest_s(bare) for _ in range(3))


def report(benchmark: BenchmarkFixture, what: str, ratio: float) -> None:
    """Print the result, keep it with the others, and judge it."""
    benchmark.extra_info["times_the_system_calls"] = round(ratio, 2)
    us = 1e6 * benchmark.stats.stats.min
    print(f"\n{what}: {us:.1f} us, {ratio:.2f} times the bare system calls")
    assert ratio <= MOST_TIMES_THE_SYSTEM_CALLS


def alternating(run: Callable[[int], object]) -> Callable[[], object]:
    """Call with one of two frequencies, then with the other: each is a change."""
    state = [0]

    def call() -> object:
        state[0] ^= 1
        return run(FREQS_HZ[state[0]])

    return call


def test_a_dvfs_round_of_two_clusters(
    benchmark: BenchmarkFixture, domains: tuple[FrequencyDomain, ...], writer: KnobWriter
) -> None:
    """Read both clocks and set both to another frequency: write and read back."""
    actuators = [SetSpeed(domain) for domain in domains]
    for actuator in actuators:
        actuator.take(writer)
    names = ("scaling_governor", "scaling_cur_freq", "scaling_min_freq", "scaling_max_freq")
    folders = [writer._root / domain.path.lstrip("/") for domain in domains]
    read = [os.open(folder / name, os.O_RDONLY) for folder in folders for name in names]
    write = [os.open(folder / "scaling_setspeed", os.O_RDWR) for folder in folders]

    def bare(freq_hz: int) -> None:
        value = str(freq_hz // 1000).encode().ljust(14, b"\n")
        for descriptor in read:
            os.pread(descriptor, 4096, 0)
        for descriptor in write:
            os.pwrite(descriptor, value, 0)
            os.pread(descriptor, 4096, 0)

    def round_(freq_hz: int) -> None:
        for actuator in actuators:
            actuator.domain.read()
            actuator.set(writer, freq_hz)

    ratio = ratio_of(alternating(round_), alternating(bare))
    benchmark(alternating(round_))
    for descriptor in (*read, *write):
        os.close(descriptor)
    report(benchmark, "a DVFS round of two clusters", ratio)


def test_a_knob_of_this_machine(benchmark: BenchmarkFixture, tmp_path: Path) -> None:
    """Write and read back on sysfs: the value that is there anyway."""
    if os.geteuid() != 0 or not Path(HARMLESS_KNOB).exists():
        pytest.skip(f"only root can write {HARMLESS_KNOB}, which not every kernel has")
    journal = Journal.open(tmp_path / JOURNAL_NAME, boot_id=read_boot_id(ROOT), strict=False)
    writer = KnobWriter(ROOT, journal, KernelCalls())
    value = Path(HARMLESS_KNOB).read_text().strip()
    descriptor = os.open(HARMLESS_KNOB, os.O_RDWR)

    def bare() -> None:
        os.pwrite(descriptor, value.encode(), 0)
        os.pread(descriptor, 4096, 0)

    def write() -> None:
        assert writer.write(HARMLESS_KNOB, value) == value

    ratio = ratio_of(write, bare)
    benchmark(write)
    os.close(descriptor)
    journal.close()
    report(benchmark, "a knob of this machine", ratio)


def test_a_migration_of_one_thread(benchmark: BenchmarkFixture, tmp_path: Path) -> None:
    """Look whether the process is still the same, then set its thread's cores."""
    journal = Journal.open(tmp_path / JOURNAL_NAME, boot_id=read_boot_id(ROOT), strict=False)
    writer = KnobWriter(ROOT, journal, KernelCalls())
    pid = os.getpid()
    life = read_life(ROOT, pid)
    assert life is not None
    key, cores = ProcessKey(pid, life.start_ticks), os.sched_getaffinity(pid)

    def bare() -> None:
        descriptor = os.open(f"/proc/{pid}/stat", os.O_RDONLY | os.O_CLOEXEC)
        os.read(descriptor, 1024)
        os.close(descriptor)
        os.sched_setaffinity(pid, cores)

    def place() -> None:
        assert writer.place(key, [pid], cores).moved == 1

    ratio = ratio_of(place, bare)
    benchmark(place)
    assert not writer.restore_all().problems
    journal.close()
    report(benchmark, "a migration of one thread", ratio)


def test_nothing_to_change(
    benchmark: BenchmarkFixture, domains: tuple[FrequencyDomain, ...], writer: KnobWriter
) -> None:
    """The frequency that was set last: no system call at all."""
    actuator = SetSpeed(domains[0])
    actuator.take(writer)
    actuator.set(writer, FREQS_HZ[0])
    benchmark(actuator.set, writer, FREQS_HZ[0])
    print(f"\nnothing to change: {1e6 * benchmark.stats.stats.min:.2f} us")


def test_giving_a_process_back(benchmark: BenchmarkFixture, tmp_path: Path) -> None:
    """Once per application that ends or is let go: it walks /proc for descendants."""
    journal = Journal.open(tmp_path / JOURNAL_NAME, boot_id=read_boot_id(ROOT), strict=False)
    writer = KnobWriter(ROOT, journal, KernelCalls())
    life = read_life(ROOT, os.getpid())
    assert life is not None
    key, cores = ProcessKey(os.getpid(), life.start_ticks), os.sched_getaffinity(0)

    def there_and_back() -> None:
        writer.place(key, threads_of(ROOT, key.pid), cores)
        writer.restore_process(key)

    benchmark.pedantic(there_and_back, rounds=20)
    journal.close()
    print(f"\ngiving a process back: {1e3 * benchmark.stats.stats.min:.2f} ms")
