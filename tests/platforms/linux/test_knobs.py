"""Tests of the only writer."""

from pathlib import Path

import pytest

from platforms.linux.errors import JournalUnusable, WriteRefused
from platforms.linux.knobs.knobs import KnobWriter
from platforms.linux.knobs.system_calls import calls_for
from tests.platforms.linux.fake_root import FakeRoot
from tests.platforms.linux.writing import (
    BIG,
    LITTLE,
    journal_path,
    key_of,
    open_journal,
    open_writer,
)

GOVERNOR = f"{BIG}/scaling_governor"


@pytest.fixture
def root(tmp_path: Path) -> FakeRoot:
    """A HiKey 970 with a process of two threads."""
    root = FakeRoot(tmp_path)
    root.add_process(100, threads=2)
    return root


def test_a_write_is_read_back(root: FakeRoot) -> None:
    """What it returns is what the file says, not what was asked."""
    assert "performance" == open_writer(root).write(GOVERNOR, "performance")
    assert "performance" == root.read(GOVERNOR)


def test_the_old_value_is_on_disk_before_the_new_one_is_written(
    root: FakeRoot, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Seen at the moment when the disk is waited for, the knob is untouched."""
    writer, seen = open_writer(root), []
    monkeypatch.setattr(
        "os.fdatasync",
        lambda _: seen.append((root.read(GOVERNOR), "schedutil" in journal_path(root).read_text())),
    )
    writer.write(GOVERNOR, "performance")
    assert [("schedutil", True)] == seen


def test_the_disk_is_waited_for_once_per_knob(
    root: FakeRoot, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not once per write."""
    writer, waits = open_writer(root), []
    monkeypatch.setattr("os.fdatasync", waits.append)
    for value in ("performance", "powersave", "ondemand"):
        writer.write(GOVERNOR, value)
    assert 1 == len(waits)
    assert "schedutil" == writer.old(GOVERNOR)
    assert None is writer.old(f"{LITTLE}/scaling_governor")


def test_longer_and_shorter_values_replace_each_other(root: FakeRoot) -> None:
    """Nothing of the old one stays behind."""
    writer = open_writer(root)
    for value in ("userspace", "performance", "ondemand", "conservative", "powersave"):
        assert value == writer.write(GOVERNOR, value)
        assert value == root.read(GOVERNOR)


def test_an_empty_value_is_written_as_a_line(root: FakeRoot) -> None:
    """As a cpuset's cores are taken back."""
    root.add_process(200, cgroup="/system.slice/video.service")
    cores = "/sys/fs/cgroup/system.slice/video.service/cpuset.cpus"
    before, writer = root.snapshot(), open_writer(root)
    writer.write(cores, "4-7")
    assert "4-7" == root.read(cores)
    assert () == writer.restore_all().problems
    assert before == root.snapshot()


def test_what_the_kernel_refuses_is_told(root: FakeRoot) -> None:
    """Path, value and reason; the knob is as it was."""
    writer = open_writer(root)
    with (
        root.refusing(GOVERNOR),
        pytest.raises(WriteRefused, match=r"scaling_governor must .*\(got: Operation not perm"),
    ):
        writer.write(GOVERNOR, "performance")
    assert "schedutil" == root.read(GOVERNOR)
    assert "performance" == writer.write(GOVERNOR, "performance")


def test_a_knob_that_is_not_there_is_told(root: FakeRoot) -> None:
    """By a number as well, for who can do without it."""
    with pytest.raises(WriteRefused, match="policy9/scaling_governor must be readable") as caught:
        open_writer(root).write("/sys/devices/system/cpu/cpufreq/policy9/scaling_governor", "x")
    assert 2 == caught.value.errno


def test_a_knob_that_was_replaced_is_opened_anew(root: FakeRoot) -> None:
    """As when a driver is loaded again; the descriptor that is kept leads to the old one."""
    writer = open_writer(root)
    writer.write(GOVERNOR, "performance")
    writer.close()
    path = root.path / GOVERNOR.lstrip("/")
    path.unlink()
    path.write_text("schedutil\n")
    assert "powersave" == writer.write(GOVERNOR, "powersave")


@pytest.mark.parametrize(
    "path",
    ["/etc/passwd", "/sys/../etc/passwd", "/proc/sys/kernel/pid_max", "/sys/..", "/sys/class/", ""],
)
def test_nothing_but_sys_is_written(root: FakeRoot, path: str) -> None:
    """Whatever stands in a journal."""
    before = root.snapshot(under=("sys", "proc", "etc"))
    with pytest.raises(WriteRefused):
        open_writer(root).write(path, "x")
    assert before == root.snapshot(under=("sys", "proc", "etc"))


def test_a_link_out_of_the_root_is_not_followed(root: FakeRoot, tmp_path: Path) -> None:
    """Neither as a file nor as a folder."""
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "scaling_governor").write_text("mine")
    folder = root.path / "sys/devices/system/cpu"
    (folder / "governor").symlink_to(outside / "scaling_governor")
    (folder / "policy").symlink_to(outside)
    writer = open_writer(root)
    for path in ("governor", "policy/scaling_governor"):
        with pytest.raises(WriteRefused):
            writer.write(f"/sys/devices/system/cpu/{path}", "x")
    assert "mine" == (outside / "scaling_governor").read_text()


def test_links_within_sys_are_followed(root: FakeRoot) -> None:
    """The kernel is full of them."""
    writer = open_writer(root)
    assert "ondemand" == writer.write(
        "/sys/devices/system/cpu/cpu5/cpufreq/scaling_governor", "ondemand"
    )
    assert "ondemand" == root.read(GOVERNOR)


def test_a_knob_with_two_names_is_one(root: FakeRoot) -> None:
    """By its second name its old value would be ilgov's own."""
    before, writer = root.snapshot(), open_writer(root)
    writer.write(GOVERNOR, "performance")
    writer.write("/sys/devices/system/cpu/cpu5/cpufreq/scaling_governor", "powersave")
    assert "schedutil" == writer.old("/sys/devices/system/cpu/cpu6/cpufreq/scaling_governor")
    assert () == writer.restore_all().problems
    assert before == root.snapshot()


def test_many_knobs_are_remembered_with_one_wait(
    root: FakeRoot, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before a group of them is written."""
    writer, waits = open_writer(root), []
    monkeypatch.setattr("os.fdatasync", waits.append)
    names = ("scaling_governor", "scaling_min_freq", "scaling_max_freq")
    writer.remember([f"{policy}/{name}" for policy in (LITTLE, BIG) for name in names])
    writer.write(GOVERNOR, "performance")
    assert 1 == len(waits)


def test_a_dry_run_writes_nothing_and_tells_what_it_would(root: FakeRoot) -> None:
    """Not even a journal; the list does not grow for ever."""
    before = root.snapshot()
    writer = KnobWriter(root.path, None, calls_for(root.path), dry_run=True)
    assert "performance" == writer.write(GOVERNOR, "performance")
    writer.remember([GOVERNOR])
    assert 2 == writer.place(key_of(root, 100), [100, 101], [5]).moved
    assert [(GOVERNOR, "performance"), ("process 100", "5")] == list(writer.would_write)
    for _ in range(5000):
        writer.write(GOVERNOR, "performance")
    assert 1000 == len(writer.would_write)
    assert 5002 == writer.would_write_count
    assert 0 == writer.restore_all().restored
    assert before == root.snapshot()


def test_without_a_journal_only_a_dry_run_is_possible(root: FakeRoot) -> None:
    """There is no way to write without an undo."""
    with pytest.raises(ValueError, match="journal must be given"):
        KnobWriter(root.path, None, calls_for(root.path))


def test_a_journal_that_is_closed_stops_all_writes(root: FakeRoot) -> None:
    """Even where it was forgotten that it is."""
    journal = open_journal(root)
    writer = KnobWriter(root.path, journal, calls_for(root.path))
    journal.close()
    with pytest.raises(JournalUnusable):
        writer.write(GOVERNOR, "performance")
    assert "schedutil" == root.read(GOVERNOR)
