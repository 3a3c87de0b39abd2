"""Tests of ``ilgov run``, the real daemon on a fake root: it steers, and leaves no trace."""

import json
import signal
import socket
import stat
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from rm.main import main
from rm.policies.registry import policy_names
from tests.rm.daemon.running_daemon import LivingApplications, RunningDaemon

SETSPEED = "/sys/devices/system/cpu/cpufreq/policy4/scaling_setspeed"
GOVERNOR = "/sys/devices/system/cpu/cpufreq/policy4/scaling_governor"


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[RunningDaemon]:
    """A daemon that is not started yet."""
    with RunningDaemon(tmp_path, sections='[log]\ndecisions = "/log.jsonl"') as made:
        yield made


def _decisions(daemon: RunningDaemon) -> list[dict[str, object]]:
    lines = (daemon.root.path / "log.jsonl").read_text().splitlines()
    return [json.loads(line) for line in lines]


# --- a run that goes well -----------------------------------------------------------------------


def test_a_stopped_daemon_leaves_every_knob_as_it_was(daemon: RunningDaemon) -> None:
    """Clocks and masks, whatever it did to them."""
    daemon.root.add_process(100)
    daemon.start()
    with LivingApplications(daemon, [100], target=30.0) as applications:
        daemon.wait_until(lambda: daemon.status().counts.opp_changes > 0, "a decision")
        daemon.wait_until(lambda: daemon.root.read(GOVERNOR) == "userspace", "the governor")
        assert applications.core_of(100) in range(8)
        assert 0 == daemon.end()
    assert {} == daemon.changes()
    assert not (daemon.root.path / "var/lib/ilgov/undo.jsonl").exists()


def test_a_daemon_between_two_rounds_ends_at_once(tmp_path: Path) -> None:
    """However long its periods are, nobody waits for the next round to get the knobs back."""
    settings = "dvfs_period_s = 10.0\nmigration_period_s = 10.0"
    with RunningDaemon(tmp_path, settings=settings) as daemon:
        daemon.launch()
        daemon.wait_until(lambda: daemon.status().loop.rounds == 0, "an answer before a round")
        start_s = time.monotonic()
        assert 0 == daemon.end()
        assert 5.0 > time.monotonic() - start_s


def test_applications_meet_their_targets_and_the_decisions_are_logged(tmp_path: Path) -> None:
    """Each line says what was seen, chosen and applied, and how long it took."""
    settings, sections = 'policy = "little-first"', '[log]\ndecisions = "/log.jsonl"'
    with RunningDaemon(tmp_path, settings=settings, sections=sections) as daemon:
        for pid in (100, 101):
            daemon.root.add_process(pid)
        daemon.start()
        with LivingApplications(daemon, [100, 101], target=90.0) as applications:
            daemon.wait_until(
                lambda: min(applications.core_of(pid) for pid in (100, 101)) >= 4, "both on big"
            )
            daemon.wait_until(
                lambda: [True, True] == [app.met for app in daemon.status().applications],
                "both targets",
            )
        assert 0 == daemon.end()
        line = next(line for line in _decisions(daemon) if line["migrations"])
        assert line["moved"]
        assert {"temp_c", "freq_hz", "choice_hz", "gain", "limited_by", "loop_s"} <= line.keys()


def test_where_not_all_targets_can_be_met_the_less_important_give_way(tmp_path: Path) -> None:
    """Ten programs want most of a big core each, of which there are four.

    What comes of it is in `tests.rm.test_priorities`: this root's programs are too uneven for that.
    """
    pids, important = list(range(100, 110)), set(range(104, 108))
    with RunningDaemon(tmp_path) as daemon:
        for pid in pids:
            daemon.root.add_process(pid)
        daemon.before = daemon.root.snapshot()
        daemon.start()

        def gives_way() -> bool:
            apps = daemon.status().applications
            return {app.pid for app in apps if app.counted < 1.0} == set(pids) - important

        with LivingApplications(daemon, pids, target=150.0, important=important):
            daemon.wait_until(gives_way, "the less important to give way")
            assert {150.0} == {app.target for app in daemon.status().applications}
        assert "for the sake of more important applications" in daemon.log
        assert 0 == daemon.end()
        assert {} == daemon.changes()


def test_a_dry_run_decides_and_writes_nothing(tmp_path: Path) -> None:
    """Not a knob, not a journal: for those who want to see first."""
    with RunningDaemon(tmp_path, arguments=["--dry-run"]) as daemon:
        daemon.root.add_process(100)
        before = daemon.root.snapshot()
        daemon.start()
        with LivingApplications(daemon, [100], target=30.0):
            daemon.wait_until(lambda: daemon.status().loop.rounds > 20, "twenty rounds")
            daemon.before = before
            assert {} == daemon.changes()
        assert 0 == daemon.end()
        assert not (daemon.root.path / "var/lib/ilgov").exists()


def test_with_caps_the_governor_stays_and_only_limits_are_written(tmp_path: Path) -> None:
    """The kernel's energy-aware scheduling needs schedutil to stay."""
    with RunningDaemon(tmp_path, settings='actuator = "cap"') as daemon:
        governor = daemon.root.read(GOVERNOR)
        daemon.start()
        daemon.wait_until(
            lambda: daemon.root.read(SETSPEED.replace("setspeed", "max_freq")) == "682000",
            "the lowest cap on an idle cluster",
        )
        assert governor == daemon.root.read(GOVERNOR)
        assert 0 == daemon.end()
        assert {} == daemon.changes()


def test_an_application_with_a_group_to_itself_is_placed_by_its_cpuset(tmp_path: Path) -> None:
    """And gets it back as it was."""
    with RunningDaemon(tmp_path, settings='placement = "cpuset"') as daemon:
        daemon.root.add_process(100, cgroup="/system.slice/video.service")
        daemon.before = daemon.root.snapshot()
        knob = "/sys/fs/cgroup/system.slice/video.service/cpuset.cpus"
        before = daemon.root.read(knob)
        daemon.start()
        with LivingApplications(daemon, [100], target=30.0):
            daemon.wait_until(lambda: daemon.root.read(knob) != before, "the cpuset")
            assert 0 == daemon.end()
        assert before == daemon.root.read(knob)


# --- reload -------------------------------------------------------------------------------------


def test_a_reload_takes_over_new_rules_without_a_gap(daemon: RunningDaemon) -> None:
    """The same process goes on; not a knob is given back meanwhile."""
    daemon.root.add_process(100, cmdline=("video", "--loop"))
    daemon.start()
    rule = '[[applications]]\nname = "v"\ncommand_line = "video"\ntarget = 1.0\n'
    daemon.config.write_text(f'board = "hikey970"\n{rule}target_unit = "heartbeats/s"\n')
    assert daemon.process is not None
    daemon.process.send_signal(signal.SIGHUP)
    daemon.wait_until(lambda: "v" in [a.name for a in daemon.status().applications], "the rule")
    assert "userspace" == daemon.root.read(GOVERNOR)
    assert 0 == daemon.end()


def test_a_reload_of_a_wrong_file_changes_nothing_and_says_why(daemon: RunningDaemon) -> None:
    """Every problem of it, in the log."""
    daemon.start()
    daemon.config.write_text('board = "hikey970"\ndvfs_period_s = "fast"\nnonsense = 1\n')
    assert daemon.process is not None
    daemon.process.send_signal(signal.SIGHUP)
    daemon.wait_for_log("reload refused")
    assert "dvfs_period_s must" in daemon.log
    assert "nonsense" in daemon.log
    assert "normal" == daemon.status().state
    assert 0 == daemon.end()


# --- what keeps it from starting ----------------------------------------------------------------


def test_a_rival_keeps_it_from_starting_and_is_named(daemon: RunningDaemon) -> None:
    """Two that turn the same knobs are worse than none."""
    daemon.root.add_process(200, name="tuned", cmdline=("/usr/bin/python3", "/usr/sbin/tuned"))
    daemon.before = daemon.root.snapshot()
    daemon.launch()
    assert 3 == daemon.ended()
    assert "tuned (pid 200" in daemon.log
    assert {} == daemon.changes()


def test_a_second_daemon_is_refused_while_one_runs(daemon: RunningDaemon) -> None:
    """The first one goes on."""
    daemon.start()
    second = daemon.command("run", "--config", str(daemon.config))
    assert 2 == second.returncode
    assert "Traceback" not in second.stderr
    assert "normal" == daemon.status().state
    assert 0 == daemon.end()


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ('policy = "nosuch"', "policy must be one of"),
        ('policy_file = "/etc/policy.onnx"', "policy.onnx"),
        ('backend = "nosuch"', "backend must be one of"),
    ],
)
def test_a_mistake_in_the_configuration_ends_it_before_anything_is_written(
    tmp_path: Path, settings: str, told: str
) -> None:
    """In one sentence, with exit code 2, which systemd does not restart."""
    with RunningDaemon(tmp_path, settings=settings) as daemon:
        daemon.launch()
        assert 2 == daemon.ended()
        assert told in daemon.log
        assert "Traceback" not in daemon.log
        assert {} == daemon.changes()


def test_a_folder_that_is_no_root_is_a_mistake(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Said before the configuration is asked for."""
    assert 2 == main(["run", "--root", str(tmp_path / "nothing")])
    assert "--root must be the root of a Linux system" in capsys.readouterr().err


def test_the_help_lists_the_policies(capsys: pytest.CaptureFixture[str]) -> None:
    """As the configuration's manual says."""
    assert 0 == main(["run", "--help"])
    said = capsys.readouterr().out.split()
    assert set(policy_names()) <= {word.strip(",") for word in said}


def test_metrics_are_served_below_the_root(tmp_path: Path) -> None:
    """As everything is that another root has a place for."""
    sections = '[metrics]\nlisten = "unix:/run/ilgov/metrics"'
    with RunningDaemon(tmp_path, sections=sections) as daemon:
        daemon.start()
        assert (daemon.root.path / "run/ilgov/metrics").is_socket()
        assert 0 == daemon.end()
        assert not (daemon.root.path / "run/ilgov/metrics").exists()


def test_a_start_that_fails_leaves_nothing_behind(tmp_path: Path) -> None:
    """No socket that nobody serves, and no journal that would look like a crash."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        sections = f'[metrics]\nlisten = "localhost:{taken.getsockname()[1]}"'
        with RunningDaemon(tmp_path, sections=sections) as daemon:
            daemon.launch()
            assert 2 == daemon.ended()
            assert "metrics.listen must be a place that is free" in daemon.log
            assert not daemon.socket.exists()
            assert not (daemon.root.path / "var/lib/ilgov/undo.jsonl").exists()
            assert {} == daemon.changes()


def test_lines_that_the_decision_log_loses_are_counted_in_the_status(daemon: RunningDaemon) -> None:
    """The log itself says so only once."""
    (daemon.root.path / "log.jsonl").symlink_to("/dev/full")
    daemon.root.add_process(100)
    daemon.start()
    with LivingApplications(daemon, [100], target=30.0):
        daemon.wait_until(lambda: daemon.status().counts.log_lines_lost > 1, "two lost lines")
    assert 0 == daemon.end()
    assert 1 == daemon.log.count("its lines are lost")


def test_another_machine_than_the_board_is_refused(tmp_path: Path) -> None:
    """A policy for other clocks must not steer these."""
    with RunningDaemon(tmp_path) as daemon:
        daemon.config.write_text('board = "rk3588"\n')
        daemon.launch()
        assert 2 == daemon.ended()
        assert "see 'ilgov board probe'" in daemon.log


# --- the socket ---------------------------------------------------------------------------------


def test_everybody_may_connect_and_nobody_but_root_may_read_the_journal(
    daemon: RunningDaemon,
) -> None:
    """Who a peer is decides what it may do; the journal decides what is written as root."""
    daemon.start()
    assert 0o666 == stat.S_IMODE(daemon.socket.stat().st_mode)
    journal = daemon.root.path / "var/lib/ilgov/undo.jsonl"
    assert 0o600 == stat.S_IMODE(journal.stat().st_mode)
    assert 0 == daemon.end()
    assert not daemon.socket.exists()
