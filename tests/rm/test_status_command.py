"""Tests of ``ilgov status``: its table, its JSON, and what it says when there is no answer."""

import json
import socket
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
from msgspec.structs import replace

from rm import status_reader
from rm.daemon.status import Status
from tests.conftest import Ended
from tests.rm.daemon.status_server import StatusServer
from tests.rm.daemon.statuses import APPLICATION, STATUS, TRAINING, crowded, empty

Ilgov = Callable[..., Ended]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the daemon listens."""
    return tmp_path / "socket"


def asked(ilgov: Ilgov, path: Path, answer: Status | bytes, *words: str) -> Ended:
    """What the command says about this answer."""
    with StatusServer(path, lambda: answer):
        return ilgov("status", "--socket", path, *words)


def test_it_shows_who_steers_what_is_hot_and_who_misses_a_target(ilgov: Ilgov, path: Path) -> None:
    """One screen, without colours or control characters."""
    code, stdout, stderr = asked(ilgov, path, STATUS)
    assert (0, "") == (code, stderr)
    lines = [" ".join(line.split()) for line in stdout.splitlines()]
    assert "state normal for 12 min 32 s" in lines
    assert "soc 61.2 0.01 yes" in lines
    assert "board 45.0 7.50 no: is 7.5 s old" in lines
    assert "little 0-3 1402 1402 1844 0 25 50 75" in lines
    assert "big 4-7 1210 - 1364 0 0 0 off" in lines
    assert "index 1377 0-3 4 850 M 1.20 G instructions/s missed counters" in lines
    assert "silent 1400 0-3 4 - 1.20 G instructions/s unknown none" in lines


def test_who_gives_way_to_more_important_ones_is_told(ilgov: Ilgov, path: Path) -> None:
    """It misses its target by the owner's own wish; the JSON has the share as well."""
    slow = replace(STATUS.applications[1], counted=0.6)
    status = replace(STATUS, applications=(slow,))
    _, stdout, _ = asked(ilgov, path, status)
    assert "instructions/s gives way (60 % counts) counters" in " ".join(stdout.split())
    _, stdout, _ = asked(ilgov, path, status, "--json")
    assert 0.6 == json.loads(stdout)["applications"][0]["counted"]


def test_hands_off_comes_with_its_reason(ilgov: Ilgov, path: Path) -> None:
    """It is what the owner wants to know; the exit code says only that a daemon answers."""
    status = replace(STATUS, state="hands-off", reason="sensor soc is stuck", dry_run=True)
    code, stdout, _ = asked(ilgov, path, status)
    assert 0 == code
    assert "because   sensor soc is stuck\n" in stdout
    assert "dry run: nothing is written" in stdout


def test_lost_lines_of_the_decision_log_are_told(ilgov: Ilgov, path: Path) -> None:
    """Where there are any."""
    _, stdout, _ = asked(ilgov, path, STATUS)
    assert "lost" not in stdout
    lossy = replace(STATUS, counts=replace(STATUS.counts, log_lines_lost=7))
    _, stdout, _ = asked(ilgov, path, lossy)
    assert "decision log:    7 lines lost" in stdout


def test_a_daemon_that_has_just_started_can_be_asked(ilgov: Ilgov, path: Path) -> None:
    """Before the first reading, and without any application."""
    code, stdout, _ = asked(ilgov, path, empty())
    assert 0 == code
    assert "no application has a target" in stdout


def test_json_is_the_answer_as_it_came(ilgov: Ilgov, path: Path) -> None:
    """With fields that only a newer daemon has."""
    newer = {**msgspec.to_builtins(STATUS), "fans": [1]}
    code, stdout, stderr = asked(ilgov, path, json.dumps(newer).encode() + b"\n", "--json")
    assert (0, "") == (code, stderr)
    assert newer["fans"] == json.loads(stdout)["fans"]
    assert STATUS == msgspec.json.decode(stdout, type=Status)


def test_an_answer_may_be_long(ilgov: Ilgov, path: Path) -> None:
    """256 applications do not fit into one packet."""
    code, stdout, _ = asked(ilgov, path, crowded(256))
    assert 0 == code
    assert "worker-255" in stdout


def test_a_name_cannot_steer_the_terminal(ilgov: Ilgov, path: Path) -> None:
    """Any user may register one."""
    evil = replace(APPLICATION, name="\x1b]0;pwned\x07\nstate normal")
    _, stdout, _ = asked(ilgov, path, replace(STATUS, applications=(evil,)))
    assert "?]0;pwned??state normal" in stdout
    assert "\x1b" not in stdout


def test_without_a_daemon_the_exit_code_is_3(ilgov: Ilgov, path: Path) -> None:
    """No socket, or one that a killed daemon has left."""
    wanted = f"ilgov: no daemon runs at {path}; 'sudo ilgov run'"
    code, stdout, stderr = ilgov("status", "--socket", path)
    assert (3, "") == (code, stdout)
    assert stderr.startswith(wanted)
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(path))
    assert 3 == ilgov("status", "--socket", path, "--json").code


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (b"", "got nothing"),
        (b"{\n", "got {"),
        (b'{"error":"no such request"}\n', "no such request"),
        (msgspec.json.encode(replace(STATUS, schema=99)) + b"\n", r"got 99\); use the command of"),
    ],
)
def test_an_answer_that_is_no_status_is_named(
    ilgov: Ilgov, path: Path, answer: bytes, why: str
) -> None:
    """A daemon of another version, or something else that listens there."""
    code, stdout, stderr = asked(ilgov, path, answer)
    assert (1, "") == (code, stdout)
    assert "the answer must be a status of schema 1" in stderr
    assert why.replace("\\", "") in stderr


def test_a_daemon_that_hangs_is_not_waited_for(
    ilgov: Ilgov, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A stopped one (SIGSTOP) takes connections still, as the kernel does that."""
    monkeypatch.setattr(status_reader.read_status_line, "__kwdefaults__", {"patience_s": 0.1})
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(path))
        listening.listen()
        code, _, stderr = ilgov("status", "--socket", path)
    assert (1, f"ilgov: {path}: the daemon does not answer within 0.1 s\n") == (code, stderr)


def test_a_path_that_can_be_no_socket_is_a_mistake_of_the_user(ilgov: Ilgov) -> None:
    """Not a daemon that is missing; the kernel takes 107 characters."""
    path = "/" + "x" * 200
    code, _, stderr = ilgov("status", "--socket", path)
    assert 2 == code
    assert f"--socket must be a socket that you may use (got {path}:" in stderr


def test_the_help_tells_the_exit_codes(ilgov: Ilgov) -> None:
    """For scripts."""
    code, stdout, _ = ilgov("status", "--help")
    assert 0 == code
    assert "3    no daemon runs" in stdout


def test_training_jobs_are_shown_with_what_is_expected_of_them(ilgov: Ilgov, path: Path) -> None:
    """And why none is let in, where that is so."""
    _, stdout, _ = asked(ilgov, path, TRAINING)
    lines = [" ".join(line.split()) for line in stdout.splitlines()]
    assert "tiny-4 1500 granted batch 32, depth 4 0-2 39.5 500 / 2000 57 in time, in 38 s" in lines
    assert (
        "late 1500 paused, frozen batch 32, depth 4 - 0.00 0 / 900 12 late, 600 samples short: "
        "it may not train now" in lines
    )
    assert "waits 1500 waiting batch 32, depth 4 - 0.00 - - -" in lines
    assert "training: 14 grants, 3 pauses, 1 times a job was frozen or throttled" in lines
    _, stdout, _ = asked(ilgov, path, replace(STATUS, training_refused="training.enabled must be"))
    assert "training  no jobs: training.enabled must be\n" in stdout


def test_json_of_an_earlier_daemon_without_training_is_understood(ilgov: Ilgov, path: Path) -> None:
    """Fields may come; none that was there goes."""
    old = msgspec.to_builtins(STATUS)
    del old["training"], old["training_refused"]
    code, stdout, _ = asked(ilgov, path, msgspec.json.encode(old) + b"\n")
    assert 0 == code
    assert "video" in stdout
