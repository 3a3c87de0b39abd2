"""Tests of taking apart what is in ``/proc/PID``."""

import os
from pathlib import Path

import pytest

from platforms.linux.processes.process_files import (
    Beginning,
    core_in,
    parse_cgroup,
    parse_stat,
    parse_uid,
    read_stat,
    runs_since,
    start_text,
    unified_cgroup,
    unit_of,
)

AFTER_NAME = b" S 7 1 1 0 -1 0 0 0 0 0 11 22 0 0 20 0 4 0 98765 1 1 1" + b" 0" * 13 + b" 3 0\n"


@pytest.mark.parametrize("name", ["a b", "a) R 1 (", "))", "(", "", "tmux: server (1)"])
def test_a_name_may_hold_spaces_and_parentheses(name: str) -> None:
    """A program chooses its name; one that looks like fields must not move the others."""
    stat = parse_stat(b"42 (" + name.encode() + b")" + AFTER_NAME)
    assert (name, 7, 33, 4, 98765) == (
        stat.name,
        stat.parent,
        stat.cpu_ticks,
        stat.threads,
        stat.start_ticks,
    )


def test_a_name_that_is_no_text_is_shown_with_replacements() -> None:
    """Any bytes may be set by prctl."""
    assert "a\ufffdb" == parse_stat(b"42 (a\xffb)" + AFTER_NAME).name


@pytest.mark.parametrize("line", [b"", b"42", b"42 (a)", b"42 (a) S 1 2", b"no parentheses at all"])
def test_a_line_that_is_none_is_an_error_with_its_content(line: bytes) -> None:
    """A file that ends early was read while its process ended."""
    with pytest.raises(ValueError, match="39 fields or more"):
        parse_stat(line)


def test_the_kernel_s_own_file_agrees_with_what_python_knows() -> None:
    """The positions of the fields are right on this kernel."""
    stat = read_stat("/proc/self/stat")
    assert stat is not None
    assert (os.getppid(), False) == (stat.parent, stat.is_dead)
    assert stat.core in range(os.cpu_count() or 1)


def test_a_process_whose_first_thread_has_ended_is_not_dead() -> None:
    """The first thread is then a zombie, and the others run on."""
    zombie = AFTER_NAME.replace(b" S ", b" Z ", 1)
    assert not parse_stat(b"42 (a)" + zombie).is_dead
    assert parse_stat(b"42 (a)" + zombie.replace(b" 20 0 4 ", b" 20 0 1 ")).is_dead


def test_a_beginning_is_that_of_lines_with_the_same_name_and_parent() -> None:
    """Whatever else has changed; but not of a dead process's."""
    line = b"42 (a) b)" + AFTER_NAME
    beginning = Beginning.of(line)
    for same in (line, line.replace(b" S ", b" R ", 1), line.replace(b" 11 22 ", b" 12 23 ")):
        assert beginning.is_that_of_a_living(same)
    for other in (
        line.replace(b" S ", b" Z ", 1),
        line.replace(b" S 7 ", b" S 71 ", 1),
        line.replace(b"b)", b"c)", 1),
        line.replace(b"b)", b"b) S 7 1 )", 1),
        line.replace(b"42", b"4", 1),
        line[:9],
        b"",
    ):
        assert not beginning.is_that_of_a_living(other)


def test_a_start_and_a_core_are_found_as_in_the_whole_line() -> None:
    """Out of the kernel's own file."""
    line = Path("/proc/self/stat").read_bytes()
    stat = parse_stat(line)
    start = start_text(stat.start_ticks)
    assert (True, stat.core) == (runs_since(line, start), core_in(line, start))
    assert not runs_since(line, start_text(stat.start_ticks + 1))


@pytest.mark.parametrize(
    ("runs", "state", "threads"),
    [(False, b"Z", b"1"), (False, b"X", b"0"), (True, b"Z", b"4"), (True, b"S", b"1")],
)
def test_a_process_runs_as_long_as_one_of_its_threads(
    runs: bool, state: bytes, threads: bytes
) -> None:
    """Its first one may end before the others."""
    line = b"42 (a)" + AFTER_NAME.replace(b" S ", b" %s " % state, 1)
    line = line.replace(b" 20 0 4 ", b" 20 0 %s " % threads)
    assert (runs, 3) == (runs_since(line, b" 98765 "), core_in(line, b" 98765 "))


@pytest.mark.parametrize(("name", "group"), [("a", b"98765"), (") S 98765 ", b"1"), ("", b"98765")])
def test_another_number_that_is_the_start_s_is_not_taken_for_it(name: str, group: bytes) -> None:
    """A process's group or its memory may be any number, and its name may hold one."""
    line = b"42 (" + name.encode() + b")" + AFTER_NAME.replace(b" 7 1 ", b" 7 %s " % group, 1)
    assert (True, 3) == (runs_since(line, b" 98765 "), core_in(line, b" 98765 "))
    other = line.replace(b" 98765 1 1 1", b" 98764 98765 1 1")
    assert (False, 3) == (runs_since(other, b" 98765 "), core_in(other, b" 98765 "))


@pytest.mark.parametrize("length", [0, 2, 6, 30])
def test_a_line_that_ends_early_is_no_running_process_s(length: int) -> None:
    """It was read while the process ended."""
    line = (b"42 (a)" + AFTER_NAME)[:length]
    assert (False, None) == (runs_since(line, b" 98765 "), core_in(line, b" 98765 "))
    assert core_in((b"42 (a)" + AFTER_NAME)[:-8], b" 98765 ") is None
    assert not runs_since(b"42 (a) S 98765 1", b" 98765 ")
    assert not runs_since(b"42 (a) Z 98765 1", b" 98765 ")


def test_what_cannot_be_read_is_none(tmp_path: Path) -> None:
    """Most often the process has just ended."""
    (tmp_path / "rubbish").write_bytes(b"x")
    assert (None, None) == (read_stat(str(tmp_path / "no")), read_stat(str(tmp_path / "rubbish")))


def test_a_status_without_a_user_gives_none() -> None:
    """Root must never be the answer by accident."""
    assert (None, None) == (parse_uid(b""), parse_uid(b"Name:\tx\nUid:\n"))


def test_version_2_control_groups_are_told_from_version_1() -> None:
    """Only they can be used for placing; the unit is known from either."""
    old = b"2:cpu:/x\n1:name=systemd:/system.slice/a.service\n"
    assert (None, "/system.slice/a.service") == (unified_cgroup(old), parse_cgroup(old))
    assert "/b" == unified_cgroup(old + b"0::/b\n")


@pytest.mark.parametrize(
    ("unit", "cgroup"),
    [
        ("ssh.service", "/system.slice/ssh.service"),
        ("ssh.service", "/system.slice/ssh.service/inner"),
        ("docker-1.scope", "/system.slice/docker-1.scope"),
        ("", "/"),
        ("", ""),
    ],
)
def test_the_unit_is_the_innermost_that_the_control_group_lies_in(unit: str, cgroup: str) -> None:
    """Programs may divide their own group further."""
    assert unit == unit_of(cgroup)
