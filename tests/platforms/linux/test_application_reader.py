"""Tests of what the governor is told of its applications, on a fake root with made-up counters."""

import logging
from pathlib import Path

import pytest

from platforms.board_file import load_board
from platforms.decision_check import placement_problems
from platforms.linux.applications.application_reader import (
    LOOKED_AT_PER_RESCAN,
    NEWCOMERS_PER_RESCAN,
    ApplicationReader,
)
from platforms.linux.applications.followed_application import ReadApplication
from platforms.linux.counters.counters import Count, Counters, NoCounters
from platforms.linux.knobs.system_calls import calls_for
from platforms.linux.managed import Heartbeats, ManagedProcess, ProcessKey, RateUnit, Target
from platforms.linux.processes.processes import ProcessTable
from tests.platforms.linux.fake_counters import FakeCounters
from tests.platforms.linux.fake_root import FakeRoot

BOARD = load_board("hikey970")
CLUSTERS = [cluster.cores for cluster in BOARD.clusters]
FREQS_HZ = (1e9, 2e9)
PERIOD_S = 0.05


class FakeClock:
    """Time as a test lets it pass."""

    def __init__(self) -> None:
        self.time_s = 0.0

    def now_s(self) -> float:
        """Seconds."""
        return self.time_s

    def sleep_until(self, time_s: float) -> None:
        """Let it pass."""
        self.time_s = max(self.time_s, time_s)


class Machine:
    """A fake root with a reader on it."""

    def __init__(self, path: Path, counters: Counters) -> None:
        self.root = FakeRoot(path / "root")
        self.clock = FakeClock()
        self.managed: list[ManagedProcess] = []
        self.reader = ApplicationReader(self.root.path, counters, self.clock, clusters=CLUSTERS)
        self.calls = calls_for(self.root.path)

    def start(
        self,
        pid: int,
        *,
        value: float = 1e9,
        unit: RateUnit = "instructions/s",
        heartbeats: Heartbeats | None = None,
        threads: int = 1,
    ) -> ManagedProcess:
        """Start an application and manage it; its id is its pid."""
        self.root.add_process(pid, name="video", threads=threads, start_ticks=5000)
        process = ManagedProcess(
            id=pid,
            name="video",
            key=ProcessKey(pid, 5000),
            target=Target(value, unit),
            heartbeats=heartbeats,
        )
        self.managed.append(process)
        return process

    def rescan(self) -> None:
        """As once in a migration period."""
        self.reader.rescan(self.managed)

    def read(self, window_s: float = PERIOD_S) -> dict[int, ReadApplication]:
        """As once in a DVFS period, after that time."""
        self.clock.time_s += window_s
        found = [app.state() for app in self.reader.read(self.managed, FREQS_HZ, window_s)]
        for app in found:
            assert [] == list(placement_problems(BOARD, app.threads, app.cores))
        return {app.id: app for app in found}

    def run(self, seconds: float, **shares: float) -> None:
        """Let threads run, by ``t100=0.5``, and time pass."""
        for process in self.root.processes.values():
            for thread in process.threads:
                thread.cpu_s += seconds * shares.get(f"t{thread.tid}", 0.0)
            process.update(self.root.path / "proc")
        self.clock.time_s += seconds


@pytest.fixture
def counters() -> FakeCounters:
    """Made-up ones."""
    return FakeCounters()


@pytest.fixture
def machine(tmp_path: Path, counters: FakeCounters) -> Machine:
    """With counters."""
    return Machine(tmp_path, counters)


@pytest.fixture
def bare(tmp_path: Path) -> Machine:
    """Without counters."""
    return Machine(tmp_path, NoCounters("for a test"))


def ran(instructions: float, l2d: float = 0.0) -> Count:
    """A count over one period."""
    return Count(PERIOD_S, PERIOD_S, instructions, 0.0, l2d)


# --- with counters --------------------------------------------------------------------------------


def test_an_application_is_read_with_rate_target_cores_and_threads(
    machine: Machine, counters: FakeCounters
) -> None:
    """Everything that an observation needs of it."""
    machine.start(100, value=2e9)
    machine.rescan()
    counters.counts[100] = ran(4e7, 3e5)
    machine.calls.set_affinity(100, [6])
    assert {
        100: ReadApplication(100, "video", 2e9, 8e8, 6e6, (6,), 1, None, "counters")
    } == machine.read()


def test_a_newcomer_is_read_from_when_it_was_first_looked_at(
    machine: Machine, counters: FakeCounters
) -> None:
    """Its window is shorter than the others'."""
    machine.start(100)
    machine.rescan()
    counters.counts[100] = ran(4e7)
    machine.clock.time_s += 0.02 - PERIOD_S
    assert 2e9 == pytest.approx(machine.read()[100].rate_ips)


def test_newcomers_between_two_rescans_are_met_one_at_a_time(machine: Machine) -> None:
    """Meeting one takes longer than reading many."""
    for pid in (100, 200, 300):
        machine.start(pid)
    assert [1, 2, 3] == [len(machine.read()) for _ in range(3)]


def test_two_reads_at_once_show_the_same_rate(machine: Machine, counters: FakeCounters) -> None:
    """A window of nothing has no rate."""
    machine.start(100)
    machine.rescan()
    counters.counts[100] = ran(4e7)
    machine.read()
    counters.counts[100] = ran(1e3)
    assert 8e8 == machine.read(window_s=0.0)[100].rate_ips


def test_several_busy_threads_have_a_cluster(machine: Machine) -> None:
    """The next rescan sees that they are busy."""
    machine.start(100, threads=4)
    machine.rescan()
    assert 1 == machine.read()[100].threads
    machine.run(0.5, t101=0.8, t102=0.8, t103=0.7)
    machine.rescan()
    assert (3, 4) == (machine.read()[100].threads, len(machine.read()[100].cores))


def test_threads_that_are_put_onto_a_cluster_are_seen_there_at_once(machine: Machine) -> None:
    """The mask is read in every period, so that the next observation shows the last move."""
    machine.start(100, threads=2)
    machine.rescan()
    machine.run(0.5, t100=0.8, t101=0.8)
    machine.rescan()
    for tid in (100, 101):
        machine.calls.set_affinity(tid, [4, 5, 6, 7])
    assert (4, 5, 6, 7) == machine.read()[100].cores


def test_new_threads_and_children_are_part_of_the_application(machine: Machine) -> None:
    """As of the next rescan; those that other applications have started are not."""
    process = machine.start(100)
    machine.rescan()
    machine.root.add_thread(100, 150)
    machine.root.add_process(200, ppid=100, start_ticks=6000)
    machine.root.add_process(300, ppid=100, start_ticks=5000)
    machine.managed.append(
        ManagedProcess(
            id=300, name="own", key=ProcessKey(300, 5000), target=Target(1e9, "instructions/s")
        )
    )
    machine.rescan()
    machine.rescan()
    assert [(ProcessKey(100, 5000), {100, 150}), (ProcessKey(200, 6000), {200})] == [
        (key, set(tids)) for key, tids in machine.reader.threads_of(process)
    ]


def test_a_child_that_trains_is_no_part_of_the_application(machine: Machine) -> None:
    """Its training job places it."""
    process = machine.start(100)
    machine.rescan()
    machine.root.add_process(200, ppid=100, start_ticks=6000)
    machine.reader.others = frozenset({200})
    machine.rescan()
    machine.rescan()
    assert [ProcessKey(100, 5000)] == [key for key, _ in machine.reader.threads_of(process)]


def test_an_application_that_ends_is_left_out_at_once(
    machine: Machine, counters: FakeCounters
) -> None:
    """A rate of zero would send the clock to the top. At the next rescan it is forgotten."""
    process = machine.start(100)
    machine.start(200)
    machine.rescan()
    machine.root.remove_process(100)
    assert [200] == list(machine.read())
    assert () == machine.reader.threads_of(process)
    machine.rescan()
    machine.managed.remove(process)
    machine.rescan()
    assert [200] == [key.pid for key in counters.followed]


def test_an_application_whose_number_is_reused_has_no_threads(machine: Machine) -> None:
    """The newcomer must neither be counted nor moved."""
    process = machine.start(100)
    machine.rescan()
    machine.root.remove_process(100)
    machine.root.add_process(100, name="other", start_ticks=9000)
    machine.rescan()
    assert () == machine.reader.threads_of(process)


def test_lost_counters_are_opened_anew_at_the_next_rescan(
    machine: Machine, counters: FakeCounters
) -> None:
    """Until then the rate before holds."""
    machine.start(100)
    machine.rescan()
    counters.counts[100] = ran(4e7)
    machine.read()
    counters.followed.clear()
    assert 8e8 == machine.read()[100].rate_ips
    machine.rescan()
    assert 2 == counters.times_followed
    assert 8e8 == pytest.approx(machine.read()[100].rate_ips)


def test_a_new_target_holds_from_the_next_read_on(machine: Machine) -> None:
    """A client may register again, the configuration may be read again."""
    process = machine.start(100, value=1e9)
    machine.rescan()
    machine.read()
    machine.managed = [
        ManagedProcess(
            id=process.id,
            name="video",
            key=process.key,
            target=Target(3e9, "instructions/s"),
        )
    ]
    assert 3e9 == machine.read()[100].target_ips


def test_a_process_that_becomes_another_application_is_counted_on(
    machine: Machine, counters: FakeCounters
) -> None:
    """A client registers what a rule has named before: the old id goes, the process stays."""
    process = machine.start(100)
    machine.rescan()
    machine.managed = [
        ManagedProcess(id=101, name="own", key=process.key, target=Target(3e9, "instructions/s"))
    ]
    machine.read()
    machine.rescan()
    assert [process.key] == list(counters.followed)


def test_an_equal_application_is_the_same_one(machine: Machine, counters: FakeCounters) -> None:
    """Who manages applications may make the list anew in every period."""
    machine.start(100)
    machine.rescan()
    for _ in range(3):
        machine.managed = [
            ManagedProcess(id=one.id, name=one.name, key=one.key, target=one.target)
            for one in machine.managed
        ]
        machine.read()
        machine.rescan()
    assert 1 == counters.times_followed


def test_heartbeats_are_measured_in_instructions(machine: Machine, counters: FakeCounters) -> None:
    """Both the rate and the target."""
    beats = Heartbeats()
    machine.start(100, value=30.0, unit="heartbeats/s", heartbeats=beats)
    machine.rescan()
    counters.counts[100] = ran(4e7)
    for _ in range(20):
        beats.count += 1
        app = machine.read()[100]
    assert (8e8, 1.2e9, 20.0) == pytest.approx((app.rate_ips, app.target_ips, app.heartbeats_per_s))
    assert "counters" == app.measured_by


def test_a_table_that_is_shared_is_scanned_by_its_owner(
    tmp_path: Path, counters: FakeCounters
) -> None:
    """Twice in a period would be once too often."""
    root = FakeRoot(tmp_path / "root")
    table = ProcessTable(root.path)
    reader = ApplicationReader(root.path, counters, FakeClock(), clusters=CLUSTERS, table=table)
    root.add_process(100, name="sh", start_ticks=5000)
    table.scan()
    target = Target(1e9, "instructions/s")
    reader.rescan([ManagedProcess(id=1, name="sh", key=ProcessKey(100, 5000), target=target)])
    root.processes[100].name = "game"
    root.processes[100].update(root.path / "proc")
    assert "game" in [info.name for info in table.scan()]


def test_many_applications_take_turns(machine: Machine, counters: FakeCounters) -> None:
    """Two hundred: each is met, each is looked at, none of it in one go."""
    for pid in range(1000, 1200):
        machine.start(pid)
    rounds = 0
    while len(counters.followed) < 200:
        before = len(counters.followed)
        machine.rescan()
        machine.read()
        assert len(counters.followed) <= before + NEWCOMERS_PER_RESCAN + 1
        rounds += 1
    assert rounds <= 200 / NEWCOMERS_PER_RESCAN + 1
    assert 200 == len(machine.read())
    for process in machine.root.processes.values():
        process.threads[0].core = 7
        process.update(machine.root.path / "proc")
    seen = []
    for _ in range(4):
        machine.rescan()
        seen.append(sum(app.cores == (7,) for app in machine.read().values()))
    assert [LOOKED_AT_PER_RESCAN, 2 * LOOKED_AT_PER_RESCAN, 3 * LOOKED_AT_PER_RESCAN, 200] == seen


# --- where counters are missing -------------------------------------------------------------------


def test_what_is_missing_is_said_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """At the start, with the reason and with what it means."""
    with caplog.at_level(logging.INFO):
        Machine(tmp_path, NoCounters("the kernel has none"))
        assert "no counters: the kernel has none; rates come from heartbeats" in caplog.text
        caplog.clear()
        Machine(tmp_path / "second", FakeCounters(counts_l2d=False))
        assert "no event for the L2 cache" in caplog.text
        caplog.clear()
        Machine(tmp_path / "third", FakeCounters())
        assert "" == caplog.text


def test_without_counters_heartbeats_are_the_rate(
    bare: Machine, caplog: pytest.LogCaptureFixture
) -> None:
    """On a constant scale, from the CPU time in the first ones."""
    beats = Heartbeats()
    bare.start(100, value=30.0, unit="heartbeats/s", heartbeats=beats)
    bare.calls.set_affinity(100, [1])
    bare.rescan()
    for _ in range(10):
        beats.count += 1
        assert bare.read()[100].rate_ips is None
    bare.run(0.0, t100=0.0)
    bare.root.processes[100].threads[0].cpu_s = 0.25
    bare.root.processes[100].update(bare.root.path / "proc")
    bare.rescan()
    beats.count += 1
    app = bare.read()[100]
    assert (25e6 * 20, 25e6 * 30) == pytest.approx((app.rate_ips, app.target_ips))
    assert ("heartbeats", pytest.approx(20.0)) == (app.measured_by, app.heartbeats_per_s)
    bare.rescan()
    assert 1 == caplog.text.count("measured by its heartbeats alone")


def test_without_counters_instructions_cannot_be_measured(
    bare: Machine, caplog: pytest.LogCaptureFixture
) -> None:
    """The application is left alone, and that is said once."""
    bare.start(100)
    bare.rescan()
    bare.rescan()
    app = bare.read()[100]
    assert (None, "nothing") == (app.rate_ips, app.measured_by)
    assert 1 == caplog.text.count("cannot be measured and is left alone")


def test_a_target_in_heartbeats_without_heartbeats_cannot_be_measured(
    machine: Machine, caplog: pytest.LogCaptureFixture
) -> None:
    """A rule may name one before the program has registered."""
    machine.start(100, value=30.0, unit="heartbeats/s")
    machine.rescan()
    assert "nothing" == machine.read()[100].measured_by
    assert "it sends none" in caplog.text


def test_an_application_beyond_the_budget_goes_without_until_there_is_room(
    machine: Machine, counters: FakeCounters, caplog: pytest.LogCaptureFixture
) -> None:
    """Others may end."""
    counters.refusal = "too few file descriptors"
    machine.start(100)
    for _ in range(3):
        machine.rescan()
    assert "nothing" == machine.read()[100].measured_by
    assert 1 == caplog.text.count("too few file descriptors")
    counters.refusal = None
    machine.rescan()
    counters.counts[100] = ran(4e7)
    assert ("counters", 8e8) == (machine.read()[100].measured_by, machine.read()[100].rate_ips)


def test_closing_releases_everybody(machine: Machine, counters: FakeCounters) -> None:
    """No descriptor stays open."""
    machine.start(100)
    machine.rescan()
    machine.reader.close()
    assert {} == counters.followed
