"""Tests of which applications are managed."""

import logging

import pytest

from platforms.linux.managed import ProcessKey, Target
from platforms.linux.processes.processes import ProcessInfo
from rm.daemon.applications.applications import Applications, Refused
from rm.daemon.configuration.settings import ApplicationRule
from tests.rm.daemon.fake_table import FakeTable, process

BEATS = Target(30.0, "heartbeats/s")
RULE = ApplicationRule(
    name="video", executable="/usr/bin/mpv", target=24.0, target_unit="heartbeats/s", priority=3
)


def player(pid: int, **changes: object) -> ProcessInfo:
    """A process that fits `RULE`."""
    return process(pid, executable="/usr/bin/mpv", **changes)  # type: ignore[arg-type]


def scanned(applications: Applications, table: FakeTable, now_s: float = 0.0) -> list[int]:
    """The pids that are managed after a scan."""
    applications.update(table.scan(), now_s)
    return [managed.key.pid for managed in applications.managed()]


def test_processes_that_fit_a_rule_are_managed_and_others_left_alone() -> None:
    """Unmanaged processes are background load."""
    table = FakeTable(player(7), process(8))
    applications = Applications((RULE,), table)
    assert [7] == scanned(applications, table)
    managed = applications.managed()[0]
    assert ("video", Target(24.0, "heartbeats/s"), 3, "configuration") == (
        managed.name,
        managed.target,
        managed.priority,
        managed.source,
    )
    assert managed.heartbeats is None


def test_what_is_managed_is_the_same_tuple_until_something_changes() -> None:
    """It is asked for twenty times a second."""
    table = FakeTable(player(7))
    applications = Applications((RULE,), table)
    scanned(applications, table)
    first = applications.managed()
    scanned(applications, table)
    assert first is applications.managed()


def test_an_application_that_exits_is_dropped_at_the_next_scan() -> None:
    """Its grant ends, a client's too."""
    table = FakeTable(player(7), process(8))
    applications = Applications((RULE,), table)
    applications.register(table.running[8], uid=1000, target=BEATS)
    assert [8, 7] == scanned(applications, table)
    del table.running[7], table.running[8]
    assert [] == scanned(applications, table)


def test_a_process_that_the_scan_has_not_seen_yet_is_kept_while_it_lives() -> None:
    """In a storm of new processes a scan reads only so many."""
    table = FakeTable(process(8))
    applications = Applications((), table)
    applications.register(table.running[8], uid=1000, target=BEATS)
    applications.update((), 0.0)
    assert 1 == len(applications.managed())


def test_a_reused_number_is_another_application() -> None:
    """Ids are given once and never again."""
    table = FakeTable(player(7))
    applications = Applications((RULE,), table)
    scanned(applications, table)
    first = applications.managed()[0]
    table.running[7] = player(7, start_ticks=999)
    scanned(applications, table)
    second = applications.managed()[0]
    assert ProcessKey(7, 999) == second.key
    assert first.id < second.id


def test_the_first_of_two_rules_that_fit_counts() -> None:
    """One process is one application."""
    other = ApplicationRule(name="all", user="1000", target=1.0, target_unit="instructions/s")
    table = FakeTable(player(7))
    applications = Applications((RULE, other), table)
    scanned(applications, table)
    assert ["video"] == [managed.name for managed in applications.managed()]


def test_descendants_belong_to_the_application_and_are_none_of_their_own() -> None:
    """A server's workers run the same program; their load would count twice."""
    table = FakeTable(player(7), player(8), player(9), process(5))
    table.parents = {7: 5, 8: 7, 9: 8, 5: 1, 1: 0}
    applications = Applications((RULE,), table)
    assert [7] == scanned(applications, table)
    del table.running[7]
    table.parents = {8: 1, 9: 8, 5: 1, 1: 0}
    assert [8] == scanned(applications, table)


def test_a_process_that_becomes_another_program_is_looked_at_again() -> None:
    """A shell forks first and becomes the program afterwards."""
    table = FakeTable(process(7, executable="/bin/sh"))
    applications = Applications((RULE,), table)
    assert [] == scanned(applications, table)
    table.running[7] = player(7)
    assert [7] == scanned(applications, table)
    table.running[7] = process(7, executable="/bin/sh")
    assert [] == scanned(applications, table)


def test_what_a_client_says_goes_before_a_rule_and_the_rule_comes_back() -> None:
    """The id stays: to those who place it, it is the same application."""
    table = FakeTable(player(7))
    applications = Applications((RULE,), table)
    scanned(applications, table)
    number = applications.managed()[0].id
    grant = applications.register(table.running[7], uid=1000, target=BEATS, name="mine")
    scanned(applications, table)
    managed = applications.managed()[0]
    assert (number, "mine", BEATS, "client") == (
        managed.id,
        managed.name,
        managed.target,
        managed.source,
    )
    applications.end(grant)
    assert () == applications.managed()
    scanned(applications, table)
    assert "configuration" == applications.managed()[0].source


def test_a_client_without_a_target_gets_the_rules() -> None:
    """The owner sets the targets, the application sends the heartbeats."""
    table = FakeTable(player(7), process(8))
    applications = Applications((RULE,), table)
    grant = applications.register(table.running[7], uid=1000, target=None)
    assert ("video", Target(24.0, "heartbeats/s"), 3) == (grant.name, grant.target, grant.priority)
    with pytest.raises(Refused, match="target must be given, as no rule of the configuration"):
        applications.register(table.running[8], uid=1000, target=None)


def test_heartbeats_are_counted_on_while_the_grant_holds() -> None:
    """Those of a grant that has ended are passed over."""
    table = FakeTable(process(7))
    applications = Applications((), table)
    grant = applications.register(table.running[7], uid=1000, target=BEATS)
    beats = applications.managed()[0].heartbeats
    assert beats is not None
    applications.beat(grant, 3)
    applications.beat(grant, 2)
    assert 5 == beats.count
    applications.register(table.running[7], uid=1000, target=Target(60.0, "heartbeats/s"))
    beats = applications.managed()[0].heartbeats
    assert beats is not None
    assert 5 == beats.count
    applications.beat(grant, 9)
    assert 5 == beats.count


def test_heartbeats_beside_a_target_in_instructions_are_seen_from_the_first_on() -> None:
    """None stands for an application that sends none."""
    table = FakeTable(process(7))
    applications = Applications((), table)
    grant = applications.register(table.running[7], uid=1000, target=Target(1e9, "instructions/s"))
    assert applications.managed()[0].heartbeats is None
    applications.beat(grant, 2)
    beats = applications.managed()[0].heartbeats
    assert beats is not None
    assert 2 == beats.count


def test_other_rules_hold_from_the_next_scan_on_without_a_gap() -> None:
    """Who is named by the old and the new ones keeps its id, clients are not touched."""
    table = FakeTable(player(7), process(8), process(9, uid=0))
    applications = Applications((RULE,), table)
    applications.register(table.running[8], uid=1000, target=BEATS)
    scanned(applications, table)
    before = {managed.key.pid: managed.id for managed in applications.managed()}
    faster = ApplicationRule(
        name="film", executable="/usr/bin/mpv", target=60.0, target_unit="heartbeats/s"
    )
    applications.set_rules((faster,))
    assert {7, 8} == {managed.key.pid for managed in applications.managed()}
    scanned(applications, table)
    after = {managed.key.pid: managed for managed in applications.managed()}
    assert before == {pid: managed.id for pid, managed in after.items()}
    assert ("film", 60.0) == (after[7].name, after[7].target.value)
    applications.set_rules(())
    assert [8] == scanned(applications, table)


def test_no_more_than_256_are_managed_and_it_is_said_once_a_minute(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A rule that fits everything must not bring the daemon down."""
    table = FakeTable(*(player(pid) for pid in range(1, 301)), process(999))
    applications = Applications((RULE,), table)
    with caplog.at_level(logging.WARNING):
        for now_s in (0.0, 1.0, 59.0, 61.0):
            assert 256 == len(scanned(applications, table, now_s))
    assert 2 == len([r for r in caplog.records if "narrower rules help" in r.message])
    with pytest.raises(Refused, match="applications must be at most 256"):
        applications.register(table.running[999], uid=0, target=BEATS)


def test_a_user_cannot_take_all_the_room() -> None:
    """Root can."""
    table = FakeTable(*(process(pid) for pid in range(1, 101)))
    applications = Applications((), table)
    for pid in range(1, 65):
        applications.register(table.running[pid], uid=1000, target=BEATS)
    applications.register(table.running[1], uid=1000, target=BEATS)
    with pytest.raises(Refused, match="applications of a user must be at most 64"):
        applications.register(table.running[65], uid=1000, target=BEATS)
    applications.register(table.running[65], uid=0, target=BEATS)


def test_what_root_has_registered_another_user_cannot_register() -> None:
    """Its own process or not: root said what it needs."""
    table = FakeTable(process(7))
    applications = Applications((), table)
    applications.register(table.running[7], uid=0, target=BEATS)
    with pytest.raises(Refused, match="must not be registered by another user already"):
        applications.register(table.running[7], uid=1000, target=BEATS)


def test_names_are_made_printable() -> None:
    """They go to logs and terminals, and processes call themselves as they like."""
    table = FakeTable(process(7, name="a\x1b[2J\nb"))
    applications = Applications((), table)
    grant = applications.register(table.running[7], uid=1000, target=BEATS)
    assert "a?[2J?b" == grant.name


def test_parents_in_a_circle_end_the_search() -> None:
    """The table is not read at one instant: numbers may have been given anew meanwhile."""
    table = FakeTable(player(7))
    table.parents = {7: 8, 8: 9, 9: 8}
    assert [7] == scanned(Applications((RULE,), table), table)


def test_clients_that_come_and_go_do_not_flood_the_log(caplog: pytest.LogCaptureFixture) -> None:
    """What is more than a few lines a second is for debugging."""
    table = FakeTable(process(7))
    applications = Applications((), table)
    with caplog.at_level(logging.INFO):
        for _ in range(2000):
            applications.end(applications.register(table.running[7], uid=1000, target=BEATS))
        assert 600 == len(caplog.records)
        applications.update(table.scan(), 10.0)
        applications.register(table.running[7], uid=1000, target=BEATS)
        assert 601 == len(caplog.records)
