"""Tests of the fake root: it must show what a real machine shows."""

from pathlib import Path

import pytest

from tests.platforms.linux.fake_root import FakeKernel, FakeRoot

BIG = "/sys/devices/system/cpu/cpufreq/policy4"


@pytest.fixture
def root(tmp_path: Path) -> FakeRoot:
    """A HiKey 970."""
    return FakeRoot(tmp_path)


def test_a_speed_is_followed_under_userspace(root: FakeRoot) -> None:
    """As the kernel does, at once."""
    root.write(f"{BIG}/scaling_governor", "userspace")
    root.write(f"{BIG}/scaling_setspeed", "1364000")
    assert "1364000" == root.read("/sys/devices/system/cpu/cpu5/cpufreq/scaling_cur_freq")


def test_no_speed_is_shown_under_another_governor(root: FakeRoot) -> None:
    """The kernel says so in these words."""
    assert "<unsupported>" == root.read(f"{BIG}/scaling_setspeed")


def test_a_cap_lowers_the_upper_limit_and_gives_it_back(root: FakeRoot) -> None:
    """The limit that the user wrote is kept behind the one that is shown."""
    root.write(f"{BIG}/scaling_max_freq", "2093000")
    root.cap(4, 1018000)
    assert "1018000" == root.read(f"{BIG}/scaling_max_freq")
    root.cap(4, None)
    assert "2093000" == root.read(f"{BIG}/scaling_max_freq")


def test_a_lower_limit_above_the_upper_one_is_not_shown(root: FakeRoot) -> None:
    """The kernel keeps it for later."""
    root.write(f"{BIG}/scaling_max_freq", "1018000")
    root.write(f"{BIG}/scaling_min_freq", "1863000")
    assert "1018000" == root.read(f"{BIG}/scaling_min_freq")


def test_rubbish_is_not_taken_as_a_governor(root: FakeRoot) -> None:
    """The kernel says EINVAL; a file cannot, but the old governor stays."""
    root.write(f"{BIG}/scaling_governor", "nosuch")
    assert "schedutil" == root.read(f"{BIG}/scaling_governor")


def test_a_policy_without_cores_cannot_be_read(root: FakeRoot) -> None:
    """When its last core is unplugged; the files come back with the core, as they were."""
    for core in range(4, 8):
        root.unplug(core)
    assert "" == root.read(f"{BIG}/scaling_cur_freq")
    root.plug(6)
    assert "682000" == root.read(f"{BIG}/scaling_cur_freq")
    assert "6" == root.read(f"{BIG}/affected_cpus")


def test_what_happened_and_was_taken_back_leaves_no_trace(root: FakeRoot) -> None:
    """Snapshots are what tests of restoring rely on."""
    before = root.snapshot()
    root.write(f"{BIG}/scaling_governor", "userspace")
    root.unplug(5)
    root.cap(4, 1018000)
    assert before != root.snapshot()
    root.cap(4, None)
    root.plug(5)
    root.write(f"{BIG}/scaling_governor", "schedutil")
    assert before == root.snapshot()


def test_stat_has_all_fields_and_the_name_as_it_is(root: FakeRoot) -> None:
    """A name may hold spaces and parentheses."""
    root.add_process(100, name="a (b) c")
    stat = root.read("/proc/100/stat")
    assert 52 == len(stat[stat.rindex(")") + 1 :].split()) + 2
    assert stat.startswith("100 (a (b) c) ")


def test_time_goes_to_cores_and_threads(root: FakeRoot) -> None:
    """In clock ticks of 10 ms, and in ns."""
    root.add_process(100, threads=2)
    root.run_for(1.0, busy={4: 0.5}, process_cpu={100: 0.5})
    assert "cpu4 50 0 0 100050 0 0 0 0 0 0" in root.read("/proc/stat").splitlines()
    assert "250000000" == root.read("/proc/100/task/101/schedstat").split()[0]


def test_a_refusing_file_can_be_read_only(root: FakeRoot) -> None:
    """Even by root."""
    with root.refusing(f"{BIG}/scaling_governor"), pytest.raises(PermissionError):
        root.write(f"{BIG}/scaling_governor", "userspace")
    assert "schedutil" == root.read(f"{BIG}/scaling_governor")


def test_the_kernel_runs_by_itself(root: FakeRoot) -> None:
    """For a daemon in a process of its own."""
    path = root.path / f"{BIG.lstrip('/')}/scaling_governor"
    with FakeKernel(root, period_s=0.001) as kernel:
        path.write_text("performance")
        for _ in range(1000):
            if root.read(f"{BIG}/scaling_cur_freq") == "2362000":
                break
            kernel._stop.wait(0.001)
    assert "2362000" == root.read(f"{BIG}/scaling_cur_freq")
