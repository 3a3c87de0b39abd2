"""Tests of the cores that control groups leave, and of groups that can be used for placing."""

from pathlib import Path

import pytest

from platforms.linux.processes.cpusets import Cpusets
from tests.platforms.linux.fake_root import FakeRoot

GROUP = "/user.slice/game.scope"
FOLDER = f"/sys/fs/cgroup{GROUP}"


@pytest.fixture
def root(tmp_path: Path) -> FakeRoot:
    """A board with an application of two processes in a group of its own."""
    fake = FakeRoot(tmp_path / "root")
    fake.add_process(100, cgroup=GROUP)
    fake.add_process(101, ppid=100, cgroup=GROUP)
    return fake


def test_the_effective_cores_are_the_group_s(root: FakeRoot) -> None:
    """They may shrink at any time."""
    cpusets = Cpusets(root.path)
    assert frozenset(range(8)) == cpusets.effective_cores(100)
    root.write(f"{FOLDER}/cpuset.cpus.effective", "0-1,5")
    assert {0, 1, 5} == cpusets.effective_cores(100)


def test_a_group_without_a_cpuset_has_its_parent_s(root: FakeRoot) -> None:
    """The controller is not switched on everywhere."""
    (root.path / f"{FOLDER}/cpuset.cpus.effective".lstrip("/")).unlink()
    root.write("/sys/fs/cgroup/user.slice/cpuset.cpus.effective", "0-3")
    assert {0, 1, 2, 3} == Cpusets(root.path).effective_cores(100)


@pytest.mark.parametrize("text", ["1:name=systemd:/x\n", "0::/../outside\n", ""])
def test_where_no_group_says_it_nothing_is_known(root: FakeRoot, text: str) -> None:
    """Version 1, another namespace, or a process that has just ended."""
    (root.path / "proc/100/cgroup").write_text(text)
    cpusets = Cpusets(root.path)
    assert (None, None) == (cpusets.effective_cores(100), cpusets.own_knob([100]))
    assert cpusets.effective_cores(999) is None


def test_a_group_that_holds_the_application_alone_can_place_it(root: FakeRoot) -> None:
    """All its processes, and nobody else's."""
    cpusets = Cpusets(root.path)
    assert f"{FOLDER}/cpuset.cpus" == cpusets.own_knob([100, 101])
    assert cpusets.own_knob([100]) is None


def test_a_group_with_others_in_it_cannot(root: FakeRoot) -> None:
    """They would be moved as well."""
    root.add_process(200, cgroup=GROUP)
    assert Cpusets(root.path).own_knob([100, 101]) is None


def test_a_group_with_groups_in_it_cannot(root: FakeRoot) -> None:
    """Who is in them would be moved as well."""
    root.add_process(200, cgroup=f"{GROUP}/inner")
    assert Cpusets(root.path).own_knob([100, 101]) is None


def test_processes_in_different_groups_have_no_common_knob(root: FakeRoot) -> None:
    """Each could be placed for itself only."""
    root.add_process(102, ppid=100, cgroup="/user.slice/other.scope")
    assert Cpusets(root.path).own_knob([100, 102]) is None


def test_the_root_group_is_everybody_s(root: FakeRoot) -> None:
    """On a machine without systemd all are in it."""
    root.add_process(300, cgroup="/")
    root.write("/sys/fs/cgroup/cgroup.procs", "300")
    assert Cpusets(root.path).own_knob([300]) is None


def test_a_group_without_the_controller_cannot_place(root: FakeRoot) -> None:
    """There is no file to write to."""
    (root.path / f"{FOLDER}/cpuset.cpus".lstrip("/")).unlink()
    assert Cpusets(root.path).own_knob([100, 101]) is None
