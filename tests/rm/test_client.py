"""Tests of the client: with a daemon, without one, and with one that comes, goes or hangs."""

import contextlib
import os
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import rm.client
from rm.client import BATCH_S, FIRST_PAUSE_S, Client, Refused
from rm.daemon.configuration.settings import ApplicationRule
from tests.rm.daemon.fake_table import FakeTable, process
from tests.rm.daemon.served import Daemon, in_background, wait_until

AT_ONCE_S = 0.5
"""What needs no waiting takes far less, on a busy machine too."""


class FakeClock:
    """Time that passes when a test says so."""

    def __init__(self) -> None:
        self.now_s = 100.0

    def __call__(self) -> float:
        """Seconds."""
        return self.now_s


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the daemon listens, once there is one."""
    return tmp_path / "socket"


@pytest.fixture
def daemon(path: Path) -> Iterator[Daemon]:
    """A daemon that is served in the background."""
    with in_background(Daemon(path)) as daemon:
        yield daemon


def patient(path: Path, clock: Callable[[], float] = time.monotonic) -> Client:
    """A client that waits for a daemon on a machine that is busy with other tests."""
    return Client(path, patience_s=60.0, clock=clock)


def beats(daemon: Daemon) -> int:
    """The heartbeats of the only application."""
    (managed,) = daemon.applications.managed()
    return managed.heartbeats.count if managed.heartbeats else 0


def test_an_application_registers_beats_asks_and_leaves(daemon: Daemon) -> None:
    """The example of the manual."""
    with patient(daemon.path) as client:
        assert client.register(target=30.0, unit="heartbeats/s", name="film")
        assert client.connected
        client.heartbeat(3)
        state = client.state()
        assert ("film", os.getpid(), 30.0) == (state["name"], state["pid"], state["target"])
        assert 3 == beats(daemon)
        client.unregister()
        with pytest.raises(Refused, match="pid must be that of a process registered here"):
            client.state()
        assert {"schema": 1} == client.status()


def test_leaving_ends_what_was_registered(daemon: Daemon) -> None:
    """The last heartbeats are sent before."""
    with patient(daemon.path) as client:
        client.register(target=30.0)
        assert 1 == len(daemon.applications.managed())
    wait_until(lambda: not daemon.applications.managed())


def test_heartbeats_are_sent_together(path: Path) -> None:
    """One message in 20 ms, however fast the application is."""
    clock = FakeClock()
    with in_background(Daemon(path)) as daemon, patient(path, clock) as client:
        client.register(target=30.0)
        client.heartbeat()
        wait_until(lambda: beats(daemon) == 1)
        for _ in range(1000):
            client.heartbeat()
        clock.now_s += 0.9 * BATCH_S
        client.heartbeat()
        client.status()
        assert 1 == beats(daemon)
        clock.now_s += 0.2 * BATCH_S
        client.heartbeat()
        wait_until(lambda: beats(daemon) == 1003)
        assert 0 == client.dropped


def test_without_a_daemon_everything_goes_on(path: Path) -> None:
    """The application works, and can be told why it is alone."""
    clock = FakeClock()
    with patient(path, clock) as client:
        assert not client.register(target=30.0)
        for _ in range(100):
            client.heartbeat()
            clock.now_s += 1.1 * BATCH_S
        assert {} == client.state()
        assert {} == client.status()
        client.unregister()
        assert not client.connected
        assert client.problem == f"{path}: No such file or directory"
        assert 100 == client.dropped


def test_a_daemon_that_starts_later_is_found(path: Path) -> None:
    """And told what was registered meanwhile."""
    clock = FakeClock()
    with patient(path, clock) as client:
        client.register(target=30.0, name="early")
        with in_background(Daemon(path)) as daemon:
            client.heartbeat()
            assert not client.connected
            clock.now_s += 1.1 * FIRST_PAUSE_S
            client.heartbeat(5)
            wait_until(lambda: daemon.names() == ["early"])
            wait_until(lambda: beats(daemon) == 5)


def test_after_a_restart_of_the_daemon_it_registers_again(path: Path) -> None:
    """All that it had, its own process and others."""
    table = FakeTable(process(os.getpid()), process(7))
    clock = FakeClock()
    with patient(path, clock) as client:
        with in_background(Daemon(path, table)) as first:
            client.register(target=30.0, name="a")
            client.register(target=1e9, unit="instructions/s", name="b", pid=7)
            client.register(target=2.0, name="gone", pid=7)
            client.register(target=1e9, unit="instructions/s", name="b", pid=7)
            assert ["a", "b"] == first.names()
        client.heartbeat()
        assert {} == client.state() or client.connected
        with in_background(Daemon(path, table)) as second:
            clock.now_s += 10.0
            client.heartbeat()
            wait_until(lambda: second.names() == ["a", "b"])
            assert "a" == client.state()["name"]


def test_200_processes_are_registered_again_in_one_go(path: Path) -> None:
    """A launcher's, by one connection."""
    pids = range(1001, 1201)
    table = FakeTable(*(process(pid) for pid in pids))
    clock = FakeClock()
    with patient(path, clock) as client:
        for pid in pids:
            assert not client.register(target=30.0, pid=pid)
        with in_background(Daemon(path, table)) as daemon:
            clock.now_s += 10.0
            client.status()
            wait_until(lambda: len(daemon.applications.managed()) == 200)


def test_a_daemon_that_hangs_costs_a_question_its_patience_and_a_heartbeat_nothing(
    path: Path,
) -> None:
    """It takes connections, the kernel does that for it, and never reads."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as hanging:
        hanging.bind(str(path))
        hanging.listen()
        with Client(path, patience_s=0.05) as client:
            start_s = time.monotonic()
            assert not client.register(target=30.0)
            assert time.monotonic() - start_s >= 0.05
            assert "the daemon does not answer" == client.problem
        clock = FakeClock()
        with patient(path, clock) as client:
            start_s = time.monotonic()
            for _ in range(5000):
                client.heartbeat()
                clock.now_s += 1.1 * BATCH_S
            assert AT_ONCE_S > time.monotonic() - start_s
            assert client.connected
            assert 0 < client.dropped < 5000


def test_what_is_refused_is_said_and_not_asked_for_again(daemon: Daemon) -> None:
    """The application decides what to do about it."""
    with patient(daemon.path) as client:
        with pytest.raises(Refused, match="pid must be that of a running process"):
            client.register(target=30.0, pid=77)
        assert client.register(target=30.0)
        assert 1 == len(daemon.applications.managed())


def test_a_client_without_a_target_gets_the_configurations(path: Path) -> None:
    """The owner knows what is needed, the application what it has done."""
    rule = ApplicationRule(name="ours", user="root", target=24.0, target_unit="heartbeats/s")
    table = FakeTable(process(os.getpid(), uid=0))
    with in_background(Daemon(path, table, rules=(rule,))) as daemon, patient(path) as client:
        assert client.register()
        assert (["ours"], 24.0) == (daemon.names(), client.state()["target"])


@pytest.mark.parametrize(
    ("wrong", "problem"),
    [
        ({"target": 0.0}, "target must be a number above 0"),
        ({"target": float("nan")}, "target must be a number above 0"),
        ({"target": 1.0, "unit": "frames/s"}, "unit must be one of heartbeats/s"),
        ({"target": 1.0, "name": ""}, "name must have 1 to 64 characters"),
        ({"target": 1.0, "pid": 0}, "pid must be that of a process"),
        ({"target": 1.0, "priority": 1001}, "priority must be from -1000 to 1000"),
    ],
)
def test_what_can_never_be_granted_is_a_mistake_at_once(
    path: Path, wrong: dict[str, object], problem: str
) -> None:
    """Without a daemon as well: it shows in the first test of the application."""
    with pytest.raises(ValueError, match=problem):
        patient(path).register(**wrong)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="n must be at least 1"):
        patient(path).heartbeat(0)


@pytest.mark.parametrize(
    "answer",
    [b"rubbish\n", b"[]\n", b'{"type":"error","error":"no","closing":true}\n', b"[" * 9999 + b"\n"],
)
def test_a_daemon_that_talks_rubbish_is_left(path: Path, answer: bytes) -> None:
    """The application must not fall over it."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as strange:
        strange.bind(str(path))
        strange.listen()
        client = patient(path)
        client.heartbeat()
        with strange.accept()[0] as line:
            line.sendall(answer)
            assert not client.register(target=30.0)
        assert not client.connected
        assert client.problem is not None


def test_why_the_daemon_sent_a_client_away_is_kept(path: Path) -> None:
    """Though it hung up at once."""
    with in_background(Daemon(path)) as daemon, contextlib.ExitStack() as others:
        for _ in range(64):
            others.enter_context(patient(path)).status()
        client = others.enter_context(patient(path))
        assert not client.register(target=30.0)
        assert "connections must be at most 64" in str(client.problem)
    assert 1 == daemon.server.closed_for_cause


def test_threads_may_share_a_client(daemon: Daemon) -> None:
    """No heartbeat is lost between them."""
    clock = FakeClock()
    with patient(daemon.path, clock) as client:
        client.register(target=30.0)
        threads = [
            threading.Thread(target=lambda: [client.heartbeat() for _ in range(500)])
            for _ in range(4)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        clock.now_s += 1.1 * BATCH_S
        client.heartbeat()
        wait_until(lambda: beats(daemon) == 2001)


def test_a_heartbeat_does_not_wait_for_another_threads_question(path: Path) -> None:
    """Which a daemon that hangs does not answer; what was counted meanwhile is sent later."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as hanging:
        hanging.bind(str(path))
        hanging.listen()
        with patient(path) as client:
            asking = threading.Thread(target=client.state)
            asking.start()
            with hanging.accept()[0] as line:
                line.recv(100)
                start_s = time.monotonic()
                for _ in range(100):
                    client.heartbeat()
                assert AT_ONCE_S > time.monotonic() - start_s
            asking.join()
            assert not client.connected


def test_a_child_does_not_speak_for_its_parent(daemon: Daemon) -> None:
    """What it sends over the parent's connection would count for the parent."""
    with patient(daemon.path) as client:
        client.register(target=30.0)
        child = os.fork()
        if not child:
            client.heartbeat(1000)
            client.close()
            os._exit(0)
        assert 0 == os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        client.heartbeat(2)
        wait_until(lambda: beats(daemon) >= 2)
        assert 2 == beats(daemon)
        assert 1 == len(daemon.applications.managed())


def test_it_needs_nothing_but_the_standard_library() -> None:
    """An application has libraries and versions of its own."""
    script = "import sys, rm.client\nprint(*sorted({n.partition('.')[0] for n in sys.modules}))"
    ended = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    before = subprocess.run(
        [sys.executable, "-c", script.replace(", rm.client", "")],
        capture_output=True,
        text=True,
        check=True,
    )
    loaded = set(ended.stdout.split()) - set(before.stdout.split())
    assert {"rm"} == loaded - sys.stdlib_module_names


def test_its_file_works_alone(tmp_path: Path) -> None:
    """It can be copied into a project that does not have ilgov."""
    shutil.copy(rm.client.__file__, tmp_path / "ilgov_client.py")
    script = "import sys; sys.path.insert(0, '.'); import ilgov_client; ilgov_client.Client()"
    subprocess.run([sys.executable, "-I", "-c", script], cwd=tmp_path, check=True)


def test_the_example_is_short_and_registers(path: Path) -> None:
    """Twenty lines, and it says what it found."""
    example = Path(rm.client.__file__).parents[1] / "examples" / "heartbeat_client.py"
    assert 26 > len(example.read_text("utf-8").splitlines())
    code = example.read_text("utf-8").replace("600", "200").replace("50_000", "50")
    running = subprocess.Popen(
        [
            sys.executable,
            "-c",
            f"import rm.client; rm.client.Client.__init__.__defaults__ = ({str(path)!r},)\n{code}",
        ],
        stdout=subprocess.PIPE,
        text=True,
    )
    table = FakeTable(process(running.pid, uid=os.geteuid()))
    with in_background(Daemon(path, table)):
        stdout, _ = running.communicate(timeout=60)
    assert "'name': 'example'" in stdout
