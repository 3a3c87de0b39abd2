"""100,000 damaged inputs: configurations, and what comes through the socket.

None may bring the daemon down, show a traceback, change anything on the machine, or be felt by
another client. The inputs are the same in every run.
"""

import json
import logging
import os
import random
import tomllib
from pathlib import Path
from typing import Any

import msgspec
import pytest

import rm.daemon
from platforms.board_file import load_board
from platforms.errors import InvalidInput
from platforms.platform import TrainingGrant
from rm.daemon.applications.applications import Applications
from rm.daemon.clients.messages import Malformed, decode
from rm.daemon.clients.peer import Peer as Credentials
from rm.daemon.clients.session import Service, Session
from rm.daemon.configuration.configuration import Configuration, check_document, parse_configuration
from rm.daemon.configuration.settings import TrainingSettings
from rm.daemon.training.training_desk import TrainingDesk
from rm.training.jobs import TrainingJobs
from tests.rm.daemon.fake_table import FakeTable, process
from tests.rm.daemon.mutations import damaged, damaged_document
from tests.rm.daemon.served import Daemon
from tests.rm.daemon.write_watch import no_change_of_the_machine
from tests.rm.training_capability import capability

TEXTS = 14_000
DOCUMENTS = 16_000
LINES = 60_000
THROUGH_A_SOCKET = 10_000

_log = logging.getLogger(__name__)

EXAMPLE = (Path(rm.daemon.__file__).parent / "ilgov.example.toml").read_text("utf-8")
FULL = """
board = "hikey970"
policy = "topil"
policy_file = "/etc/ilgov/policy.onnx"
backend = "onnxruntime"
npu_deadline_s = 0.02
dvfs_period_s = 0.05
migration_period_s = 0.5
socket = "/run/ilgov/socket"
actuator = "cap"
[sensors]
cls0 = "soc-thermal"
[safety]
critical_c = 85.0
stuck_for_s = 10.0
rival_writes = 3
[log]
level = "info"
decisions = "/var/log/ilgov/decisions.jsonl"
keep = 3
[training]
enabled = true
temp_limit_c = 75.0
power_limit_w = 6.0
grace_s = 5.0
enforcement = "affinity"
[metrics]
listen = "localhost:9177"
[[applications]]
name = "video"
executable = "/usr/bin/mpv"
command_line = '\\.mkv$'
cgroup = "/user.slice/**"
unit = "app*.scope"
user = "root"
target = 60.0
target_unit = "heartbeats/s"
priority = 10
"""
TOML_TOKENS = [
    *b'[ ] [[ ]] = { } , # . _ + - true 0x """  \''.split(),
    *(b"= nan", b"= -inf", b"[[applications]]\n", b"[safety]\n", b"a.b.c.d = 1\n", b"board = 1\n"),
    *(
        b"\n",
        b"\r",
        b"\0",
        b"\\u0000",
        b"\\U00110000",
        b"9" * 400,
        b"1e400",
        b"[" * 300,
        b"{a={b={}}}",
    ),
    *(b"2020-01-01T00:00:00Z", b"25:61:61", b"\xef\xbb\xbf", b"\xed\x9f\xbf", b"\xc3"),
]

MESSAGES: list[dict[str, Any]] = [
    {"type": "register", "target": 30.0, "unit": "heartbeats/s", "name": "film", "priority": -3},
    {"type": "register", "target": 1e9, "unit": "instructions/s", "pid": 2},
    {"type": "heartbeat", "count": 3, "pid": 2},
    {"type": "heartbeat"},
    {"type": "state", "pid": 2},
    {"type": "unregister"},
    {"type": "status"},
    {"type": "train", "name": "tiny", "capability": capability(), "limits": {"grace_s": 1.0}},
    {"type": "train", "capability": capability(curve=None), "pid": 2},
    {"type": "round", "number": 7, "samples": 2000, "deadline_s": 120.0, "done": [[0, 32.0]]},
    {"type": "progress", "samples": 32.0, "setting": 1, "loss": 1.25},
    {"type": "paused"},
    {"type": "end"},
]
SEEDS = [json.dumps(message).encode() for message in MESSAGES]
LINE_TOKENS = [
    *b'{ } [ ] : , " null true -1 1e999 NaN Infinity'.split(),
    *(b'"pid":4194304', b'"count":1000001', b'"priority":1000', b'"target":1e-300', b'{"type":'),
    *(b'"type":"register"', b"9" * 400, b"[" * 2000, b" " * 4000, b"\\u0000", b"\\ud800"),
    *(b"\r", b"\n", b"\0", b"\x1b[2J", b"\xed\xa0\x80", b"\xff"),
    *(b'{"type":"train"', b'"done":[[0,1e999]]', b'"samples":-0.0', b'"batch":1e308', b"[[]]"),
]


def test_there_are_100_000_of_them() -> None:
    """What the heading says."""
    assert 100_000 == TEXTS + DOCUMENTS + LINES + THROUGH_A_SOCKET


def damaged_line(dice: random.Random) -> bytes:
    """A request that was damaged as text, or in what it says; rarely a whole one."""
    if dice.random() < 0.05:  # else no job would ever live for the others to meet
        return dice.choice(SEEDS)
    if dice.random() < 0.5:
        return damaged(dice.choice(SEEDS), SEEDS, LINE_TOKENS, dice)
    return json.dumps(damaged_document(dice.choice(MESSAGES), dice), default=str).encode()


def table() -> FakeTable:
    """Processes of several users, one without a name that can be printed."""
    return FakeTable(
        process(os.getpid(), uid=os.geteuid()),
        process(2, uid=65534, name="\x1b[2J\n"),
        process(3, uid=1000, name=""),
    )


def let_train(jobs: TrainingJobs, dice: random.Random, now_s: float) -> None:
    """Decide something about every job."""
    grants = [
        TrainingGrant(job.id, dice.randrange(len(job.worth)), dice.choice(((), (0,), (4, 5))))
        for job in jobs.alive(now_s)
    ]
    jobs.hand_out(grants, now_s)


def check_refused(text: object, error: InvalidInput) -> None:
    """What is said is for people: lines, each with the file's name."""
    for line in str(error).splitlines():
        assert line.startswith("file: "), (text, line)
        assert line.isprintable(), (text, line)
        assert "Traceback" not in line


def test_no_damaged_configuration_file_is_more_than_invalid(tmp_path: Path) -> None:
    """As text."""
    dice = random.Random(1)
    seeds = [FULL.encode(), b'board = "hikey970"\n', EXAMPLE.encode()[-2500:]]
    parse_configuration(FULL, root=tmp_path)
    valid = 0
    with no_change_of_the_machine():
        for _ in range(TEXTS):
            data = damaged(dice.choice(seeds[:2]), seeds, TOML_TOKENS, dice)
            text = data.decode("utf-8", "replace")
            try:
                found = parse_configuration(text, origin="file", root=tmp_path)
            except InvalidInput as error:
                check_refused(text, error)
            else:
                assert isinstance(found, Configuration)
                valid += 1
    _log.info("%d of %d texts are valid still", valid, TEXTS)
    assert TEXTS > valid > TEXTS / 100


def test_no_damaged_configuration_is_more_than_invalid(tmp_path: Path) -> None:
    """As a document: every value, however strange, in every place."""
    dice = random.Random(2)
    document = tomllib.loads(FULL)
    check_document(document, root=tmp_path)
    valid = 0
    with no_change_of_the_machine():
        for _ in range(DOCUMENTS):
            raw = damaged_document(document, dice)
            if not isinstance(raw, dict):
                continue
            try:
                check_document(raw, origin="file", root=tmp_path)
                valid += 1
            except InvalidInput as error:
                check_refused(raw, error)
    _log.info("%d of %d documents are valid still", valid, DOCUMENTS)
    assert DOCUMENTS > valid > DOCUMENTS / 100


def test_no_damaged_line_is_more_than_malformed() -> None:
    """Decoded and dealt with, by peers of three users."""
    dice = random.Random(3)
    processes = table()
    now_s = 0.0
    jobs = TrainingJobs(load_board("hikey970"))
    desk = TrainingDesk(jobs, processes, TrainingSettings())
    applications = Applications((), processes, trains=desk.trains)
    service = Service(applications, lambda: b"{}", training=desk, now_s=lambda: now_s)
    peers = [Credentials(os.getpid(), 0), Credentials(2, 65534), Credentials(0, 1000)]
    sessions = [Session(peer, service) for peer in peers]
    fulfilled = trained = 0
    with no_change_of_the_machine():
        for number in range(LINES):
            line = damaged_line(dice)
            try:
                answer = sessions[number % 3].answer(decode(line))
            except Malformed as error:
                told = str(error)
            else:
                told = (answer or b"{}").decode("utf-8")
                msgspec.json.decode(told)
                fulfilled += 1
                trained += told.startswith('{"type":"training"')
            assert told.rstrip("\n").isprintable()
            assert len(told) < 700
            now_s += 0.01
            if number % 20 == 0:
                let_train(jobs, dice, now_s)
            if number % 1000 == 0:
                applications.update(processes.scan(), float(number))
                desk.update(now_s)
    _log.info("%d of %d lines are requests still", fulfilled, LINES)
    assert LINES > fulfilled > LINES / 100
    assert trained > 30
    assert {m.key.pid for m in applications.managed()} <= set(processes.running)
    for session in sessions:
        session.close()
    assert ((), ()) == (applications.managed(), jobs.alive(now_s))


def test_no_damaged_stream_is_felt_by_another_client(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Through a real socket, whole and in pieces, many lines at once and half ones."""
    dice = random.Random(4)
    processes = table()
    processes.running[4001] = process(4001)  # the damaged lines speak of others
    daemon = Daemon(tmp_path / "socket", processes, settings=TrainingSettings())
    good = daemon.peer()
    registered = good.ask({"type": "register", "target": 30.0, "name": "good", "pid": 4001})
    sent = beats = 0
    with no_change_of_the_machine(), caplog.at_level(logging.DEBUG):
        while sent < THROUGH_A_SOCKET:
            with daemon.peer() as bad:
                count = dice.choice((1, 1, 1, 5, 20))
                lines = [damaged_line(dice) for _ in range(count)]
                data = b"\n".join(lines) + dice.choice((b"\n", b"\n", b""))
                bad.try_to_send(data, dice)
                sent += count
                good.send({"type": "heartbeat", "pid": 4001})
                beats += 1
                daemon.server.serve_pending()
                daemon.server.serve_pending()
            daemon.clock.skipped_s += 0.05
            if beats % 100 == 0:
                state = good.ask({"type": "state", "pid": 4001})["application"]
                assert (registered["id"], "good") == (state["id"], state["name"])
    (managed,) = [m for m in daemon.applications.managed() if m.id == registered["id"]]
    assert managed.heartbeats is not None
    assert beats == managed.heartbeats.count
    assert not good.is_closed()
    assert daemon.server.closed_for_cause > beats / 2
    assert not [record for record in caplog.records if record.exc_info or record.levelno > 30]
    good.close()
    daemon.server.close()
