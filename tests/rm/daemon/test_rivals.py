"""Who turns the same knobs: known by name, program, script or unit, and only when it is root's."""

import os
from pathlib import Path

import pytest

from platforms.linux.processes.processes import ProcessTable
from rm.daemon.rivals import KNOWN, Kind, find_rivals, sentences
from tests.platforms.linux.fake_root import FakeRoot
from tests.rm.daemon.fake_table import FakeTable, process


def names_of(
    name: str = "worker",
    *,
    executable: str = "",
    command_line: str = "",
    uid: int = 0,
    unit: str = "",
) -> list[str]:
    """The rivals' names where the only process is this one."""
    info = process(
        50, name=name, executable=executable, command_line=command_line, uid=uid, unit=unit
    )
    return [rival.name for rival in find_rivals(FakeTable(info))]


@pytest.mark.parametrize(
    ("expected", "name", "executable", "command_line"),
    [
        ("tuned", "tuned", "/usr/bin/python3.11", "/usr/bin/python3 -Es /usr/sbin/tuned -l"),
        ("thermald", "thermald", "/usr/sbin/thermald", "/usr/sbin/thermald --systemd"),
        (
            "power-profiles-daemon",
            "power-profiles-",
            "/usr/libexec/power-profiles-daemon",
            "/usr/libexec/power-profiles-daemon",
        ),
        (
            "auto-cpufreq",
            "auto-cpufreq",
            "/usr/lib/auto-cpufreq/bin/python3",
            "python3 /usr/local/bin/auto-cpufreq --daemon",
        ),
        ("TLP", "tlp", "/usr/bin/bash", "/bin/sh /usr/sbin/tlp init start"),
        ("throttled", "python3", "/usr/bin/python3", "python3 /usr/lib/throttled/throttled.py"),
        (
            "system76-scheduler",
            "system76-schedu",
            "/usr/bin/system76-scheduler",
            "system76-scheduler",
        ),
        ("a sched_ext scheduler", "scx_lavd", "/usr/bin/scx_lavd", "/usr/bin/scx_lavd --autopower"),
        ("cpufreqd", "cpufreqd", "/usr/sbin/cpufreqd", "/usr/sbin/cpufreqd"),
        ("uperf", "uperf", "/data/adb/modules/uperf/bin/uperf", "uperf -o log uperf.json"),
        (
            "another ilgov",
            "ilgov",
            "/usr/bin/python3.13",
            "/usr/bin/python3 /usr/local/bin/ilgov run",
        ),
        ("another ilgov", "python3", "/usr/bin/python3.13", "python3 -m rm.main run --config x"),
    ],
)
def test_a_rival_is_known(expected: str, name: str, executable: str, command_line: str) -> None:
    """As its process looks on a real machine; process names end after 15 characters."""
    found = names_of(name=name, executable=executable, command_line=command_line)
    assert [expected] == found


@pytest.mark.parametrize("kind", [kind for kind in KNOWN if kind.units], ids=lambda kind: kind.name)
def test_a_rival_is_known_by_its_unit(kind: Kind) -> None:
    """Whatever its program is called."""
    for unit in kind.units:
        assert [kind.name] == names_of(name="helper", unit=unit)


@pytest.mark.parametrize(
    "command_line",
    [
        "vim /etc/tuned/tuned-main.conf",
        "grep -r thermald /usr/sbin/thermald",
        "sudo ilgov run",
        "/usr/bin/python3 /usr/local/bin/ilgov run --dry-run",
        "/usr/bin/python3 /usr/local/bin/ilgov run --root /mnt/board",
        "/usr/bin/python3 /usr/local/bin/ilgov status",
        "/usr/bin/python3 /usr/local/bin/train run",
        "",
    ],
)
def test_who_only_mentions_a_rival_is_none(command_line: str) -> None:
    """An editor, a search, ourselves trying."""
    assert [] == names_of(name="python3", executable="/usr/bin/python3", command_line=command_line)


def test_only_root_can_be_a_rival() -> None:
    """The knobs are root's: nobody else keeps the daemon from starting by a process's name."""
    assert [] == names_of(name="tuned", uid=1000)
    assert [] == names_of(name="tuned", uid=-1)


def test_this_process_is_no_rival() -> None:
    """By its number, which a test or another root may set."""
    line = "/usr/bin/python3 /usr/bin/ilgov run"
    own, other = (process(pid, name="ilgov", command_line=line, uid=0) for pid in (os.getpid(), 78))
    assert () == find_rivals(FakeTable(own))
    assert () == find_rivals(FakeTable(other), own_pid=78)
    assert 1 == len(find_rivals(FakeTable(other), own_pid=77))


def test_a_program_with_several_processes_is_told_once() -> None:
    """Its first one is named."""
    table = FakeTable(process(5, name="tuned", uid=0), process(6, name="tuned", uid=0))
    (rival,) = find_rivals(table)
    assert 5 == rival.pid


def test_a_rival_says_what_it_does_and_how_to_be_rid_of_it() -> None:
    """The daemon refuses with these words."""
    by_unit = FakeTable(process(812, name="tuned", uid=0, unit="tuned.service"))
    assert (
        "tuned (pid 812, tuned.service) sets cpufreq governors and limits, affinities; "
        "stop it: systemctl disable --now tuned.service"
    ) == sentences(find_rivals(by_unit))
    by_hand = FakeTable(process(9, name="scx_rusty", uid=0, unit="session-2.scope"))
    assert sentences(find_rivals(by_hand)).endswith("stop it: kill 9")


def test_rivals_are_found_among_real_looking_processes(tmp_path: Path) -> None:
    """Through the table that the daemon uses."""
    root = FakeRoot(tmp_path)
    root.add_process(200, name="bash", cmdline=("bash",))
    words = ("/usr/bin/python3", "-Es", "/usr/sbin/tuned", "-l", "-P")
    root.add_process(201, name="tuned", cmdline=words, cgroup="/system.slice/tuned.service")
    (rival,) = find_rivals(ProcessTable(root.path))
    assert ("tuned", 201, "tuned.service") == (rival.name, rival.pid, rival.unit)
