"""Tests of training jobs over the daemon's socket: what is answered, and who may have one."""

import json
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from platforms.platform import TrainingGrant
from rm.daemon.applications.applications import Refused
from rm.daemon.configuration.settings import ApplicationRule, TrainingSettings
from rm.daemon.training.training_desk import MOST_JOBS, MOST_JOBS_PER_USER
from rm.training.job import JobLimits
from tests.rm.daemon.fake_table import FakeTable, process
from tests.rm.daemon.served import NOBODY, Daemon, Peer, as_user, own_process
from tests.rm.training_capability import capability, typed_capability

TRAIN: dict[str, Any] = {"type": "train", "name": "tiny", "capability": capability()}
ROUND: dict[str, Any] = {"type": "round", "number": 7, "samples": 1000, "deadline_s": 60}

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can be another user")


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[Daemon]:
    """A daemon that lets this process train."""
    daemon = Daemon(tmp_path / "socket", settings=TrainingSettings())
    yield daemon
    daemon.server.close()


def give(daemon: Daemon, job: int, *cores: int, setting: int = 0) -> None:
    """Decide as a policy would; no cores: pause."""
    grant = TrainingGrant(job, setting, cores)
    daemon.jobs.hand_out([grant], daemon.clock.now_s())


def with_knob(*names: str) -> dict[str, Any]:
    """A job whose first setting has more knobs."""
    first, *others = capability()["settings"]
    more = {**first, "knobs": {**first["knobs"], **dict.fromkeys(names, 1.0)}}
    return {**TRAIN, "capability": {**capability(), "settings": [more, *others]}}


def send_slowly(peer: Peer, data: bytes) -> None:
    """As fast as the daemon takes it, until it hangs up."""
    assert len(data) > 100_000
    for start in range(0, len(data), 20_000):
        try:
            peer.socket.sendall(data[start : start + 20_000])
        except (BrokenPipeError, ConnectionResetError):
            return
        peer._daemon.turn(0.05)


def test_a_job_registers_trains_pauses_goes_on_and_ends(daemon: Daemon) -> None:
    """The whole conversation."""
    with daemon.peer() as peer:
        answer = peer.ask(TRAIN)
        assert ("training", 1) == (answer["type"], answer["job"])
        assert ("waiting", 0, [], True) == tuple(
            answer["grant"][key] for key in ("state", "number", "cores", "binding")
        )
        answer = peer.ask(ROUND)
        assert ("grant", "paused", True) == (
            answer["type"],
            answer["state"],
            answer["outlook"]["meets"],
        )
        give(daemon, 1, 4, 5, setting=1)
        answer = peer.ask({"type": "progress", "samples": 0})
        assert ("granted", [4, 5], 1, {"batch": 32.0}) == tuple(
            answer[key] for key in ("state", "cores", "setting", "knobs")
        )
        assert answer["expires_s"] > 0
        give(daemon, 1)
        answer = peer.ask({"type": "progress", "samples": 32, "setting": 1, "loss": 1.5})
        assert "revoking" == answer["state"]
        assert 2.0 == pytest.approx(answer["pause_within_s"], abs=0.5)
        assert "paused" == peer.ask({"type": "paused"})["state"]
        give(daemon, 1, 0, setting=0)
        assert [0] == peer.ask({"type": "progress", "samples": 0})["cores"]
        job = daemon.jobs.get(1, daemon.clock.now_s())
        assert (32.0, 1.5) == (job.samples, job.loss)
        assert {"type": "ended", "job": 1} == peer.ask({"type": "end"})
        assert () == daemon.jobs.alive(daemon.clock.now_s())


def test_a_job_is_over_when_its_client_hangs_up(daemon: Daemon) -> None:
    """Whatever ended it."""
    with daemon.peer() as peer:
        peer.ask(TRAIN)
        assert 1 == len(list(daemon.desk))
    daemon.turn_until(lambda: not list(daemon.desk))
    assert () == daemon.jobs.alive(daemon.clock.now_s())


def test_a_round_that_was_begun_under_an_earlier_daemon_goes_on(daemon: Daemon) -> None:
    """What was done of it, by whichever setting, is not asked for again."""
    with daemon.peer() as peer:
        peer.ask(TRAIN)
        answer = peer.ask({**ROUND, "done": [[0, 300], [2, 400]]})
        job = daemon.jobs.get(1, daemon.clock.now_s())
        assert 500.0 == pytest.approx(job.left)
        assert ("paused", 1000.0) == (answer["state"], answer["outlook"]["samples_possible"])
        assert not job.ignores_pause
        assert "waiting" == peer.ask({**ROUND, "done": [[0, 1000]]})["state"]
        assert (
            "done: setting must be below 3 (got 3)"
            == (peer.ask({**ROUND, "done": [[3, 1]]})["error"])
        )


def test_a_capability_may_have_256_kib_if_the_line_begins_with_its_type(daemon: Daemon) -> None:
    """All else is a request of at most 4 KiB."""
    long = {**TRAIN, "capability": capability(settings=1000)}
    with daemon.peer() as peer, daemon.peer() as other:
        send_slowly(peer, json.dumps(long).encode() + b"\n")
        assert "settings must be at most 64 (got 1000)" == peer.answer()["error"]
        answer = other.ask({"name": "x", **long, "type": "train"} | {"name": "x" * 5000})
        assert ("line must have at most 4096 bytes", True) == (answer["error"], answer["closing"])
    with daemon.peer() as peer:
        send_slowly(peer, b'{"type": "train", "name": "' + b"x" * 262_144)
        assert "line must have at most 262144 bytes" == peer.answer()["error"]


@pytest.mark.parametrize(
    ("message", "problem"),
    [
        ({"type": "train"}, "Object missing required field `capability`"),
        ({**TRAIN, "more": 1}, "Object contains unknown field `more`"),
        ({**TRAIN, "limits": {"power_w": -1}}, "power_w must be above 0"),
        ({**TRAIN, "capability": {}}, "missing required field `settings` - at `$.capability`"),
        ({**ROUND, "samples": 0}, "> 0.0 - at `$.samples`"),
        ({**ROUND, "deadline_s": "soon"}, "got `str` - at `$.deadline_s`"),
        ({"type": "progress", "samples": -1}, ">= 0.0 - at `$.samples`"),
        (b'{"type":"progress","samples":1,"loss":NaN}', "malformed"),
        ({"type": "paused", "pid": 1}, "unknown field `pid`"),
    ],
)
def test_what_is_no_message_of_a_job_closes_the_connection(
    daemon: Daemon, message: Any, problem: str
) -> None:
    """Field, requirement and what came are told; others go on, and their jobs."""
    with daemon.peer() as good, daemon.peer() as bad:
        good.ask(TRAIN)
        answer = bad.ask(message)
        assert answer["closing"]
        assert problem in answer["error"]
        assert bad.is_closed()
        assert "waiting" == good.ask({"type": "progress", "samples": 0})["state"]


@pytest.mark.parametrize(
    ("messages", "problem"),
    [
        ([ROUND], "a job must be registered by this connection first (got none)"),
        ([TRAIN, TRAIN], "a connection must have one job at most (has job 1)"),
        (
            [{**TRAIN, "capability": {**capability(), "sample_s": [[1.0]]}}],
            "capability: sample_s must have 3 rows, one a setting, of 3 places (got 1 rows of [1])",
        ),
        ([{**TRAIN, "pid": 77}], "pid must be that of a running process (got 77)"),
        (
            [with_knob("\x1b[2J")],
            "knobs must have names of at most 32 letters, digits, '_' and '-'",
        ),
        ([with_knob("x" * 33)], "knobs must have names of at most 32 letters"),
        ([with_knob(*"abcdefghijklmnop")], "knobs must be at most 16 (got 17)"),
        ([TRAIN, {"type": "progress", "samples": 1, "setting": 9}], "setting must be below 3"),
        (
            [{"type": "register", "target": 1.0}, TRAIN],
            "process PID must not be registered as an application too",
        ),
        (
            [TRAIN, {"type": "register", "target": 1.0}],
            "process PID must not have a training job (it has one)",
        ),
        ([TRAIN, {"type": "end"}, {"type": "paused"}], "a job must be registered by this"),
    ],
)
def test_what_is_refused_is_said_and_the_connection_stays(
    daemon: Daemon, messages: list[dict[str, Any]], problem: str
) -> None:
    """The last message's answer."""
    with daemon.peer() as peer:
        *before, last = messages
        for message in before:
            assert "error" not in peer.ask(message)
        answer = peer.ask(last)
        assert answer["error"].startswith(problem.replace("PID", str(os.getpid()))), answer
        assert "closing" not in answer
        assert {"schema": 1} == peer.ask({"type": "status"})


@pytest.mark.parametrize(
    "changes",
    [
        {"curve": {"batches": [16, 64], "samples": [1e-9, 1e300]}},
        {"curve": {"batches": [1, 10**400], "samples": [1.0, 2.0]}},
        {"sample_s": [[1e-300] * 3, [1e300] * 3, [1.0] * 3]},
        {"settings": [{"knobs": {"batch": 16.0}, "memory_bytes": 10**400}] * 3},
    ],
)
def test_tables_that_nobody_can_reckon_with_end_no_daemon(
    daemon: Daemon, changes: dict[str, Any]
) -> None:
    """Whatever a client sends is refused or taken; the connection goes on."""
    with daemon.peer() as peer:
        answer = peer.ask({**TRAIN, "capability": {**capability(), **changes}})
        assert answer["error"].startswith("capability: "), answer
        assert "training" == peer.ask(TRAIN)["type"]


def test_a_limit_above_all_numbers_is_refused(daemon: Daemon) -> None:
    """No comparison with it, and no writing of it, can fail later."""
    with daemon.peer() as peer:
        answer = peer.ask({**TRAIN, "limits": {"memory_bytes": 10**400}})
        assert "memory_bytes must be above 0, or left out" in answer["error"]


def test_a_daemon_that_lets_in_no_jobs_says_why(tmp_path: Path) -> None:
    """Its configuration's or its policy's reason."""
    daemon = Daemon(tmp_path / "socket", settings=TrainingSettings())
    daemon.desk.refusal = "training.enabled must be true (got false)"
    with daemon.peer() as peer:
        assert "training.enabled must be true (got false)" == peer.ask(TRAIN)["error"]
    daemon.server.close()


def test_a_process_that_registers_anew_has_one_job(daemon: Daemon) -> None:
    """The daemon may hear of the new connection before it hears that the old one is gone."""
    with daemon.peer() as old, daemon.peer() as new:
        old.ask(TRAIN)
        assert 2 == new.ask(TRAIN)["job"]
        assert "job must be one that trains (job 1 has ended)" == old.ask(ROUND)["error"]
    daemon.turn_until(lambda: not list(daemon.desk))


def test_who_is_refused_anew_keeps_the_job_that_it_has(daemon: Daemon) -> None:
    """A mistake in new tables ends nothing."""
    with daemon.peer() as first, daemon.peer() as second:
        first.ask(TRAIN)
        wrong = {**TRAIN, "capability": {**capability(), "sample_s": [[1.0]]}}
        assert "sample_s" in second.ask(wrong)["error"]
        assert "waiting" == first.ask({"type": "progress", "samples": 0})["state"]


def test_a_job_of_many_settings_at_many_places_is_refused(daemon: Daemon) -> None:
    """A plan for it would hold up everybody."""
    given = typed_capability()
    many = replace(given, settings=given.settings[:1] * 64, places=given.places[:1] * 129)
    with pytest.raises(Refused, match=r"8192 at all places together \(got 64 at 129 places"):
        daemon.desk.register(
            process(2), uid=0, capability=many, limits=JobLimits(), name=None, now_s=0.0
        )


def test_a_job_ends_with_its_process(tmp_path: Path) -> None:
    """Also where another process has registered it."""
    table = FakeTable(process(2))
    daemon = Daemon(tmp_path / "socket", table, settings=TrainingSettings())
    with daemon.peer() as peer:
        peer.ask({**TRAIN, "pid": 2})
        del table.running[2]
        daemon.desk.update(daemon.clock.now_s())
        assert "job must be one that trains (job 1 has ended)" == peer.ask(ROUND)["error"]
        assert not list(daemon.desk)
    daemon.server.close()


def test_a_process_that_trains_is_no_application_by_a_rule(tmp_path: Path) -> None:
    """It would be placed twice; when its job ends, the rule holds again."""
    rule = ApplicationRule(name="any", executable="/**", target=1.0, target_unit="heartbeats/s")
    table = own_process()
    daemon = Daemon(tmp_path / "socket", table, rules=[rule], settings=TrainingSettings())
    daemon.applications.update(table.scan(), 0.0)
    assert 3 == len(daemon.names())
    with daemon.peer() as peer:
        peer.ask(TRAIN)
        daemon.applications.update(table.scan(), 1.0)
        assert 2 == len(daemon.names())
        peer.ask({"type": "end"})
        daemon.applications.update(table.scan(), 2.0)
        assert 3 == len(daemon.names())
    daemon.server.close()


def test_there_are_16_jobs_at_most(tmp_path: Path) -> None:
    """Root's too."""
    pids = range(1001, 1002 + MOST_JOBS)
    daemon = Daemon(
        tmp_path / "socket", FakeTable(*map(process, pids)), settings=TrainingSettings()
    )
    peers = [daemon.peer() for _ in pids]
    answers = [peer.ask({**TRAIN, "pid": pid}) for peer, pid in zip(peers, pids, strict=True)]
    assert "training jobs must be at most 16 (got one more)" == answers[-1]["error"]
    assert [None] * MOST_JOBS == [answer.get("error") for answer in answers[:-1]]
    for peer in peers:
        peer.close()
    daemon.server.close()


@needs_root
def test_another_user_has_four_jobs_of_own_processes() -> None:
    """The kernel says who it is."""
    own = [process(pid, uid=NOBODY) for pid in range(1001, 1002 + MOST_JOBS_PER_USER)]
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        table = FakeTable(process(3, uid=1000), *own)
        daemon = Daemon(Path(folder) / "socket", table, settings=TrainingSettings())
        with as_user(NOBODY):
            peers = [daemon.peer() for _ in range(MOST_JOBS_PER_USER + 1)]
        answer = peers[0].ask({**TRAIN, "pid": 3})
        assert "only root registers others' processes" in answer["error"]
        answers = [peer.ask({**TRAIN, "pid": 1001 + at}) for at, peer in enumerate(peers)]
        assert "training jobs of a user must be at most 4" == answers[-1]["error"]
        assert ["training"] * 4 == [answer["type"] for answer in answers[:-1]]
        for peer in peers:
            peer.close()
        daemon.server.close()


@needs_root
def test_another_user_cannot_take_over_a_job_of_roots() -> None:
    """Though the process is its own."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        table = FakeTable(process(2, uid=NOBODY))
        daemon = Daemon(Path(folder) / "socket", table, settings=TrainingSettings())
        with daemon.peer() as root:
            root.ask({**TRAIN, "pid": 2})
            with as_user(NOBODY):
                peer = daemon.peer()
            assert (
                "process 2 must not train for another user already (does for user 0)"
                == (peer.ask({**TRAIN, "pid": 2})["error"])
            )
            peer.close()
        daemon.server.close()


def test_tables_are_read_no_oftener_than_their_price_allows(daemon: Daemon) -> None:
    """A job counts for fifty messages."""
    with daemon.peer() as peer:
        peer.send(*[{**TRAIN, "pid": 77}] * 20)
        daemon.turn(0.2)
        answers = 0
        while peer._take() and b"\n" in peer._read:
            peer.answer()
            answers += 1
        assert 4 <= answers <= 6
