"""Tests of the daemon's socket: what it answers, and what it does not let itself be drawn into."""

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from rm.daemon.clients.connection import READS_WITHIN_S
from tests.rm.daemon.fake_table import FakeTable, process
from tests.rm.daemon.served import NOBODY, STATUS, Daemon, Peer, as_user, own_process

REGISTER = {"type": "register", "target": 30.0, "unit": "heartbeats/s", "name": "film"}

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can be another user")


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[Daemon]:
    """A daemon for peers that are this process."""
    daemon = Daemon(tmp_path / "socket")
    yield daemon
    daemon.server.close()


@pytest.fixture
def open_daemon() -> Iterator[Daemon]:
    """A daemon whose socket every user can reach."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        daemon = Daemon(Path(folder) / "socket")
        yield daemon
        daemon.server.close()


def test_a_client_registers_beats_asks_and_leaves(daemon: Daemon) -> None:
    """The whole conversation."""
    with daemon.peer() as peer:
        answer = peer.ask(REGISTER)
        assert {"type": "registered", "id": 1, "pid": os.getpid()} == answer
        peer.send({"type": "heartbeat", "count": 3}, {"type": "heartbeat"})
        state = peer.ask({"type": "state"})["application"]
        assert ("film", 30.0, "heartbeats/s", None, "client") == tuple(
            state[key] for key in ("name", "target", "unit", "rate", "source")
        )
        beats = daemon.applications.managed()[0].heartbeats
        assert beats is not None
        assert 4 == beats.count
        assert "unregistered" == peer.ask({"type": "unregister"})["type"]
        assert () == daemon.applications.managed()


def test_the_status_is_the_answer_itself(daemon: Daemon) -> None:
    """As the daemon gives it."""
    with daemon.peer() as peer:
        assert {"schema": 1} == peer.ask({"type": "status"})


def test_a_client_that_hangs_up_is_managed_no_longer(daemon: Daemon) -> None:
    """The holder is gone, and what it held."""
    with daemon.peer() as peer:
        peer.ask(REGISTER)
    daemon.turn_until(lambda: not daemon.applications.managed())


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"hello",
        b"{}",
        b"[]",
        b'{"type":"reboot"}',
        b'{"type":"register","target":-1}',
        b'{"type":"register","target":1e400}',
        b'{"type":"register","target":"30"}',
        b'{"type":"register","target":30,"unit":"frames/s"}',
        b'{"type":"register","target":30,"name":""}',
        b'{"type":"register","target":30,"pid":0}',
        b'{"type":"register","target":30,"more":1}',
        b'{"type":"heartbeat","count":0}',
        b'{"type":"heartbeat","count":1000001}',
        b"\xff\xfe",
        b'{"type":"register","target":30,"name":"\xff"}',
        b'{"type":"register","target":30,"name":"\\ud800"}',
        b"[" * 4096,
        b"x" * 4097,
    ],
)
def test_malformed_input_closes_that_connection_and_nothing_else(
    daemon: Daemon, line: bytes
) -> None:
    """One line says what was wrong."""
    with daemon.peer() as good, daemon.peer() as bad:
        good.ask(REGISTER)
        answer = bad.ask(line)
        assert ("error", True) == (answer["type"], answer["closing"])
        assert answer["error"].startswith("line must")
        assert bad.is_closed()
        assert not good.is_closed()
        assert ["film"] == daemon.names()
        assert "state" == good.ask({"type": "state"})["type"]
    assert 1 == daemon.server.closed_for_cause


def test_a_line_without_an_end_is_cut_off(daemon: Daemon) -> None:
    """What a client can make the daemon keep is 4 KiB."""
    with daemon.peer() as peer:
        peer.socket.send(b"x" * 10_000)
        assert "line must have at most 4096 bytes" == peer.answer()["error"]


def test_a_line_may_come_in_pieces(daemon: Daemon) -> None:
    """Streams know no messages."""
    with daemon.peer() as peer:
        for byte in b'{"type":"status"}\n':
            peer.socket.send(bytes([byte]))
            daemon.turn(0.001)
        assert {"schema": 1} == peer.answer()


@pytest.mark.parametrize(
    ("request_", "problem"),
    [
        ({"type": "state"}, "pid must be that of a process registered here"),
        ({"type": "unregister", "pid": 2}, "pid must be that of a process registered here (got 2)"),
        ({**REGISTER, "pid": 77}, "pid must be that of a running process (got 77)"),
        ({"type": "register"}, "target must be given, as no rule"),
    ],
)
def test_what_cannot_be_granted_is_said_and_the_connection_stays(
    daemon: Daemon, request_: dict[str, Any], problem: str
) -> None:
    """A refusal is no attack."""
    with daemon.peer() as peer:
        answer = peer.ask(request_)
        assert answer["error"].startswith(problem), answer
        assert "closing" not in answer
        assert "registered" == peer.ask(REGISTER)["type"]


def test_a_heartbeat_of_nobody_is_passed_over(daemon: Daemon) -> None:
    """Heartbeats have no answer."""
    with daemon.peer() as peer:
        assert {"schema": 1} == peer.ask(b'{"type":"heartbeat"}\n{"type":"status"}')


def test_root_registers_every_users_processes(daemon: Daemon) -> None:
    """A launcher speaks for what it launches."""
    with daemon.peer() as peer:
        assert 3 == peer.ask({**REGISTER, "pid": 3, "priority": 9})["pid"]


@needs_root
def test_another_user_registers_own_processes_only(open_daemon: Daemon) -> None:
    """The kernel says who it is, whatever it says itself; and others go before it."""
    with as_user(NOBODY), open_daemon.peer() as peer:
        answer = peer.ask({**REGISTER, "pid": 3})
        assert (
            "pid must be that of a process of user 65534 (process 3 is one of user 1000); only "
            "root registers others' processes" == answer["error"]
        )
        assert "user 65534" in peer.ask(REGISTER)["error"]
        answer = peer.ask({**REGISTER, "pid": 2, "priority": 1})
        assert "priority must be at most 0 for who is not root (got 1)" == answer["error"]
        assert "registered" == peer.ask({**REGISTER, "pid": 2})["type"]


class Reused(FakeTable):
    """A number that goes from one process to another's user's between two looks."""

    def is_alive(self, key: object) -> bool:
        """The process that was looked at has ended."""
        return False


def test_a_number_that_is_given_anew_meanwhile_registers_nobody(tmp_path: Path) -> None:
    """The user that was read may be the new process's, the start the old one's."""
    daemon = Daemon(tmp_path / "socket", Reused(process(2)))
    with daemon.peer() as peer:
        answer = peer.ask({**REGISTER, "pid": 2})
        assert "pid must be that of a running process (got 2)" == answer["error"]
    daemon.server.close()


@needs_root
def test_a_user_has_eight_connections_and_root_gets_in_all_the_same(open_daemon: Daemon) -> None:
    """Who takes more is sent away; who was there stays."""
    with as_user(NOBODY):
        peers = [open_daemon.peer() for _ in range(9)]
        assert (
            "connections of a user must be at most 8 (got one more)" == peers[8].answer()["error"]
        )
    assert peers[8].is_closed()
    assert not any(peer.is_closed() for peer in peers[:8])
    with open_daemon.peer() as root:
        assert {"schema": 1} == root.ask({"type": "status"})
    for peer in peers:
        peer.close()


@needs_root
def test_eight_places_are_kept_for_root(open_daemon: Daemon) -> None:
    """However many users come."""
    peers = []
    for uid in range(2000, 2008):
        with as_user(uid):
            peers += [open_daemon.peer() for _ in range(8)]
    refused = []
    open_daemon.turn_until(lambda: open_daemon.server.connections == 64)
    for peer in peers:
        if peer.is_closed():
            refused.append(peer)
    assert 8 == len(refused)
    with open_daemon.peer() as root:
        assert {"schema": 1} == root.ask({"type": "status"})
    for peer in peers:
        peer.close()


def test_there_are_64_connections_at_most(daemon: Daemon) -> None:
    """Root's too; the next one is told."""
    peers = [daemon.peer()]
    for _ in range(63):
        daemon.turn(0.0005)
        peers.append(daemon.peer())
    daemon.turn_until(lambda: daemon.server.connections == 64)
    with daemon.peer() as more:
        assert "connections must be at most 64" in more.answer()["error"]
    peers.pop().close()
    daemon.turn(0.02)
    with daemon.peer() as more:
        assert {"schema": 1} == more.ask({"type": "status"})
    for peer in peers:
        peer.close()


def test_a_client_that_never_reads_is_sent_away(tmp_path: Path) -> None:
    """What waits for it is one answer; after five seconds it goes."""
    daemon = Daemon(tmp_path / "socket", status=lambda: b'"' + b"x" * 300_000 + b'"')
    with daemon.peer() as stuck, daemon.peer() as other:
        stuck.send(*[{"type": "status"}] * 50)
        daemon.turn(0.05)
        assert "registered" == other.ask(REGISTER)["type"]
        daemon.clock.skipped_s = READS_WITHIN_S
        daemon.turn_until(lambda: daemon.server.closed_for_cause == 1)
        assert not other.is_closed()
    daemon.server.close()


def test_a_client_that_reads_late_gets_all_of_a_long_answer(tmp_path: Path) -> None:
    """It need not fit the kernel's buffer."""
    daemon = Daemon(tmp_path / "socket", status=lambda: b'{"x":"' + b"x" * 900_000 + b'"}')
    with daemon.peer() as peer:
        peer.send({"type": "status"})
        daemon.turn(0.05)
        assert 900_000 == len(peer.answer()["x"])
    daemon.server.close()


def test_more_than_200_messages_a_second_are_not_even_read(daemon: Daemon) -> None:
    """Nobody is sent away for it: the kernel makes the client wait."""
    with daemon.peer() as peer:
        peer.ask(REGISTER)
        beats = daemon.applications.managed()[0].heartbeats
        assert beats is not None
        start_s = daemon.clock.now_s()
        try:
            while True:
                peer.socket.send(b'{"type":"heartbeat"}\n' * 100)
        except BlockingIOError:
            pass
        daemon.turn(1.0)
        took_s = daemon.clock.now_s() - start_s
        assert 200 < beats.count <= 200 + 200 * took_s
        assert not peer.is_closed()


def test_200_applications_of_one_client_are_all_managed(tmp_path: Path) -> None:
    """They are registered in one go, and beat one by one."""
    table = FakeTable(*(process(pid) for pid in range(1001, 1201)))
    daemon = Daemon(tmp_path / "socket", table)
    with daemon.peer() as peer:
        for pid in range(1001, 1201):
            assert pid == peer.ask({**REGISTER, "pid": pid})["pid"]
        peer.send(*({"type": "heartbeat", "pid": pid} for pid in range(1001, 1201)))
        managed = daemon.applications.managed
        daemon.turn_until(lambda: all(m.heartbeats and m.heartbeats.count for m in managed()))
        daemon.applications.update(table.scan(), 0.0)
        assert 200 == len(managed())
        assert 200 == len({m.id for m in managed()})
    daemon.server.close()


def test_a_daemon_without_descriptors_goes_on_and_lets_in_later(
    daemon: Daemon, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It must neither fall nor spin."""
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with daemon.peer() as early:
        early.ask(REGISTER)
        waiting = Peer(daemon)
        lowest_free = os.dup(early.socket.fileno())
        os.close(lowest_free)
        resource.setrlimit(resource.RLIMIT_NOFILE, (lowest_free, hard))
        try:
            daemon.turn(0.05)
            assert "state" == early.ask({"type": "state"})["type"]
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        assert {"schema": 1} == waiting.ask({"type": "status"})
        waiting.close()


def test_status_is_asked_for_no_oftener_than_its_price_allows(daemon: Daemon) -> None:
    """It costs the daemon most."""
    asked = 0

    def status() -> bytes:
        nonlocal asked
        asked += 1
        return STATUS

    object.__setattr__(daemon.server._service, "status", status)
    with daemon.peer() as peer:
        peer.send(*[{"type": "status"}] * 200)
        daemon.turn(0.1)
        assert 20 <= asked <= 25


def test_closing_ends_all_grants(tmp_path: Path) -> None:
    """And removes the socket."""
    daemon = Daemon(tmp_path / "socket", own_process())
    with daemon.peer() as peer:
        peer.ask(REGISTER)
        daemon.server.close()
        assert () == daemon.applications.managed()
        assert not daemon.path.exists()
