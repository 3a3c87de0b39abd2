"""Faults of a living machine: each ends with every knob given back or the fault answered, and said.

The daemon is a real process; what fails is real too, on a fake root: a process that is killed or
stopped, a journal that does not fit on the disk, a sensor that lies. `docs/daemon.md` lists all
faults with their reactions, and where a test for each is.
"""

import itertools
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from platforms.linux.knobs.journal import JOURNAL_NAME
from rm.policies.shipped_files import shipped
from tests.rm.daemon.running_daemon import LivingApplications, RunningDaemon

CPUFREQ = "/sys/devices/system/cpu/cpufreq"
GOVERNOR = f"{CPUFREQ}/policy4/scaling_governor"
QUICK = "[safety]\nwell_for_s = 0.5\nstale_after_s = 0.5\nrival_within_s = 1.0\n"
"""Doubts that come and go fast, so that a test need not wait."""


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[RunningDaemon]:
    """A daemon that is not started yet, with one application's process on its root."""
    with RunningDaemon(tmp_path, sections=QUICK) as made:
        made.root.add_process(100)
        made.before = made.root.snapshot()
        yield made


def _start(daemon: RunningDaemon) -> None:
    daemon.start()
    daemon.wait_until(lambda: daemon.root.read(GOVERNOR) == "userspace", "the governor")


def _hands_off(daemon: RunningDaemon, why: str) -> None:
    """Wait until the kernel has everything back, for this reason."""
    daemon.wait_until(lambda: daemon.status().state == "hands-off", "hands-off")
    assert why in (daemon.status().reason or "")
    assert {} == daemon.changes()
    assert "all knobs are given back" in daemon.log


def _back_to_normal(daemon: RunningDaemon) -> None:
    daemon.wait_until(lambda: daemon.status().state == "normal", "normal again")
    daemon.wait_until(lambda: daemon.root.read(GOVERNOR) == "userspace", "the governor again")
    assert 0 == daemon.end()
    assert {} == daemon.changes()


# --- the daemon itself fails --------------------------------------------------------------------


def test_after_kill_9_restore_undoes_everything(daemon: RunningDaemon) -> None:
    """The undo is on the disk before the first write."""
    _start(daemon)
    with LivingApplications(daemon, [100], target=30.0):
        daemon.wait_until(
            lambda: "/ilgov-affinity/100" in daemon.root.snapshot(), "a placed application"
        )
        daemon.end(signal.SIGKILL)
    assert daemon.changes()
    restored = daemon.command("restore")
    assert (0, {}) == (restored.returncode, daemon.changes())
    assert 0 == daemon.command("restore").returncode


def test_after_kill_9_the_next_start_undoes_everything_first(daemon: RunningDaemon) -> None:
    """So that what it takes for the old values are the true ones."""
    _start(daemon)
    daemon.end(signal.SIGKILL)
    _start(daemon)
    assert "an earlier run ended without restoring" in daemon.log
    assert 0 == daemon.end()
    assert {} == daemon.changes()


def test_a_daemon_that_is_stopped_feeds_no_watchdog_and_its_manager_restores(
    daemon: RunningDaemon,
) -> None:
    """SIGSTOP, as a hang: systemd kills it and runs ``ilgov restore`` (ExecStopPost)."""
    _start(daemon)
    assert daemon.process is not None
    daemon.process.send_signal(signal.SIGSTOP)
    time.sleep(0.2)  # let a fed watchdog show, if there were one
    daemon.end(signal.SIGKILL)
    assert daemon.changes()
    assert 0 == daemon.command("restore").returncode
    assert {} == daemon.changes()


# --- the disk -----------------------------------------------------------------------------------


def test_without_room_for_the_journal_nothing_is_written(tmp_path: Path) -> None:
    """What cannot be undone is not done; the daemon goes on watching."""
    with RunningDaemon(tmp_path, sections=QUICK, most_file_bytes=300) as daemon:
        daemon.start()
        daemon.wait_until(lambda: daemon.status().state == "hands-off", "hands-off")
        assert JOURNAL_NAME in (daemon.status().reason or "")
        assert {} == daemon.changes()
        assert 0 == daemon.end()


# --- sensors ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("temp_c", "why"),
    [(None, "sensor cls0"), (-73.7, "sensor cls0"), (140.0, "sensor cls0")],
    ids=["unreadable", "below anything", "above anything"],
)
def test_a_sensor_that_gives_nothing_or_nonsense_ends_steering_until_it_is_well(
    daemon: RunningDaemon, temp_c: float | None, why: str
) -> None:
    """Blind steering is the dangerous state."""
    _start(daemon)
    daemon.root.set_temp("cls0", temp_c)
    _hands_off(daemon, why)
    daemon.root.set_temp("cls0", 46.0)
    _back_to_normal(daemon)


def test_a_stuck_sensor_ends_steering(tmp_path: Path) -> None:
    """It shows one value although the load must have heated the board."""
    sections = QUICK + "stuck_for_s = 1.0\nstuck_after_k = 1.0\n"
    pids = list(range(100, 108))
    settings = 'policy = "gts-performance"'
    with RunningDaemon(tmp_path, settings=settings, sections=sections) as daemon:
        for pid in pids:
            daemon.root.add_process(pid)
        daemon.before = daemon.root.snapshot()
        _start(daemon)
        with LivingApplications(daemon, pids, target=30.0):
            daemon.wait_until(lambda: daemon.status().state == "hands-off", "hands-off")
            assert "cls0" in (daemon.status().reason or "")
        assert 0 == daemon.end()
        assert {} == daemon.changes()


# --- knobs --------------------------------------------------------------------------------------


def test_a_refused_clock_ends_steering(tmp_path: Path) -> None:
    """What cannot be written is not relied upon; it is tried again later."""
    with RunningDaemon(tmp_path, settings='actuator = "cap"', sections=QUICK) as daemon:
        with daemon.root.refusing(f"{CPUFREQ}/policy4/scaling_max_freq"):
            daemon.start()
            daemon.wait_until(lambda: daemon.status().state == "hands-off", "hands-off")
            assert "policy4/scaling_max_freq must" in (daemon.status().reason or "")
            assert {} == daemon.changes()
        daemon.wait_until(lambda: daemon.status().state == "normal", "normal again")
        assert 0 == daemon.end()
        assert {} == daemon.changes()


def test_a_clock_that_the_kernel_clamps_is_no_rival(daemon: RunningDaemon) -> None:
    """Its own thermal protection may always go lower; what was asked for holds when it lets go."""
    _start(daemon)
    with LivingApplications(daemon, [100], target=300.0):
        daemon.wait_until(
            lambda: max(c.asked_hz or 0 for c in daemon.status().clusters) > 1.2e9, "a high clock"
        )
        daemon.root.cap(0, 1_018_000)
        daemon.root.cap(4, 1_018_000)
        daemon.wait_until(lambda: daemon.status().counts.clamped > 20, "a second of clamping")
        assert "normal" == daemon.status().state
        daemon.root.cap(0, None)
        daemon.root.cap(4, None)
    assert 0 == daemon.end()
    assert {} == daemon.changes()


def test_somebody_who_writes_the_same_knob_again_and_again_ends_steering(
    daemon: RunningDaemon,
) -> None:
    """Two governors that fight are worse than one that gives in, and says why."""
    _start(daemon)
    freqs = itertools.cycle(("1210000", "1498000"))

    def write_and_look() -> bool:
        if daemon.root.read(GOVERNOR) == "userspace":
            daemon.root.write(f"{CPUFREQ}/policy4/scaling_setspeed", next(freqs))
        return daemon.status().state == "hands-off"

    daemon.wait_until(write_and_look, "hands-off")
    assert "another program writes it" in (daemon.status().reason or "")
    _back_to_normal(daemon)


# --- cores, processes ---------------------------------------------------------------------------


def test_an_unplugged_core_is_replaced_by_its_neighbour_and_taken_again(tmp_path: Path) -> None:
    """Hotplug is an event, not a fault."""
    with RunningDaemon(tmp_path, settings='policy = "little-first"') as daemon:
        daemon.root.add_process(100)
        daemon.before = daemon.root.snapshot()
        _start(daemon)
        with LivingApplications(daemon, [100], target=30.0) as applications:
            daemon.wait_until(
                lambda: "0" == daemon.root.snapshot().get("/ilgov-affinity/100"),
                "an application on core 0",
            )
            daemon.root.unplug(0)
            daemon.wait_until(lambda: applications.core_of(100) == 1, "core 1")
            assert "core 0 is offline, core 1 taken instead" in daemon.log
            daemon.root.plug(0)
            daemon.wait_until(lambda: applications.core_of(100) == 0, "core 0 again")
            assert "normal" == daemon.status().state
        assert 0 == daemon.end()
        assert {} == daemon.changes()


def test_a_cluster_that_is_unplugged_as_a_whole_is_left_out(daemon: RunningDaemon) -> None:
    """Its clock has no files then; the others are steered on."""
    _start(daemon)
    for core in (4, 5, 6, 7):
        daemon.root.unplug(core)
    daemon.wait_until(
        lambda: [c.online for c in daemon.status().cores] == [True] * 4 + [False] * 4, "it is seen"
    )
    time.sleep(0.3)  # some rounds without it
    for core in (4, 5, 6, 7):
        daemon.root.plug(core)
    daemon.wait_until(lambda: all(c.online for c in daemon.status().cores), "it is back")
    assert 0 == daemon.end()
    assert {} == daemon.changes()


def test_an_application_that_ends_is_forgotten_and_its_number_may_be_given_again(
    daemon: RunningDaemon,
) -> None:
    """Who gets the number is another process, and is left alone."""
    _start(daemon)
    with LivingApplications(daemon, [100], target=30.0) as applications:
        daemon.wait_until(lambda: bool(daemon.status().applications), "the application")
        applications.leave(100)
        daemon.root.add_process(100, name="other", start_ticks=7_000_000)
        daemon.wait_until(lambda: not daemon.status().applications, "that it is forgotten")
    assert "it has ended" in daemon.log
    assert "/ilgov-affinity/100" not in daemon.root.snapshot()
    assert 0 == daemon.end()


def test_two_hundred_applications_are_governed(tmp_path: Path) -> None:
    """More than any board runs; rounds may get longer, none fails."""
    pids = list(range(100, 300))
    with RunningDaemon(tmp_path, settings='policy = "little-first"') as daemon:
        for pid in pids:
            daemon.root.add_process(pid)
        daemon.before = daemon.root.snapshot()
        _start(daemon)
        with LivingApplications(daemon, pids, target=0.5, period_s=0.5):
            daemon.wait_until(lambda: len(daemon.status().applications) == 200, "200 applications")
            rounds = daemon.status().loop.rounds
            daemon.wait_until(lambda: daemon.status().loop.rounds > rounds + 20, "rounds with them")
        assert 0 == daemon.end()
        assert {} == daemon.changes()


# --- policies and their networks ----------------------------------------------------------------


def test_a_policy_file_that_became_garbage_is_refused_at_a_reload(
    daemon: RunningDaemon, tmp_path: Path
) -> None:
    """The network that runs is in memory and goes on; the next start says what is wrong."""
    source = shipped("ilgov-hikey970.onnx")
    assert source is not None
    policy = daemon.root.path / "etc/policy.onnx"
    policy.parent.mkdir(exist_ok=True)
    policy.write_bytes(source.read_bytes())
    daemon.config.write_text('board = "hikey970"\npolicy_file = "/etc/policy.onnx"\n')
    _start(daemon)
    policy.write_bytes(b"garbage" * 100)
    assert daemon.process is not None
    daemon.process.send_signal(signal.SIGHUP)
    daemon.wait_for_log("reload refused")
    assert "normal" == daemon.status().state
    assert 0 == daemon.end()
    daemon.launch()
    assert 2 == daemon.ended()
    assert "Traceback" not in daemon.log
    assert {} == daemon.changes()


def test_a_reload_to_a_policy_without_a_network_ends_degraded_and_one_with_it_begins_it(
    tmp_path: Path,
) -> None:
    """The back end that is looked at is that of the policy that decides."""
    settings = 'backend = "tests.npu_runtime.faulty_backend:crash"'
    with RunningDaemon(tmp_path, settings=settings, sections=QUICK) as daemon:
        daemon.root.add_process(100)
        daemon.before = daemon.root.snapshot()
        _start(daemon)
        assert daemon.process is not None
        with LivingApplications(daemon, [100], target=30.0):
            daemon.wait_for_log("normal -> degraded")
            with_network = daemon.config.read_text()
            daemon.config.write_text(f'policy = "little-first"\n{with_network}')
            daemon.process.send_signal(signal.SIGHUP)
            daemon.wait_for_log("degraded -> normal")
            daemon.config.write_text(with_network)
            daemon.process.send_signal(signal.SIGHUP)
            daemon.wait_until(lambda: "degraded" == daemon.status().state, "degraded again")
        assert 0 == daemon.end()
        assert {} == daemon.changes()


@pytest.mark.parametrize(
    ("fault", "counted"),
    [
        ("hang", lambda backend: backend.late),
        ("crash", lambda backend: backend.crashed),
        ("zeros", lambda backend: backend.wrong),
    ],
)
def test_a_back_end_that_fails_is_covered_by_the_cpu(
    tmp_path: Path, fault: str, counted: Callable[[object], int]
) -> None:
    """The governor goes on as `degraded`, and misses nothing."""
    settings = f'backend = "tests.npu_runtime.faulty_backend:{fault}"'
    with RunningDaemon(tmp_path, settings=settings, sections=QUICK) as daemon:
        daemon.root.add_process(100)
        daemon.before = daemon.root.snapshot()
        _start(daemon)
        with LivingApplications(daemon, [100], target=30.0):
            daemon.wait_until(lambda: counted(daemon.status().backend) > 0, f"the {fault}")
            daemon.wait_for_log("-> degraded")
            rounds = daemon.status().loop.rounds
            daemon.wait_until(lambda: daemon.status().loop.rounds > rounds + 10, "more rounds")
        assert 0 == daemon.end()
        assert {} == daemon.changes()
