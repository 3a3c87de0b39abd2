"""Tests of ``ilgov federated deploy``: keys for boards, and what is missing on a board is told."""

import socket
from pathlib import Path
from typing import Any

import pytest

THREE = Path(__file__).parent / "deployment" / "three.toml"


def test_keys_are_made_for_the_devices_of_a_fleet(ilgov: Any, tmp_path: Path) -> None:
    """And for so many of it as are asked for; more can come later."""
    words = ("federated", "deploy", "keys", "--fleet", THREE, "--out", tmp_path / "keys")
    ended = ilgov(*words, "--devices", 2, "--host", "server.lan")
    assert 0 == ended.code
    assert "2 devices; ca.key is needed only to make more keys" in ended.stdout
    assert "3 devices" in ilgov(*words).stdout
    names = {path.name for path in (tmp_path / "keys" / "nodes").glob("*.key")}
    assert {"board-01.key", "board-02.key", "board-03.key"} == names


def test_a_board_without_its_key_is_told_what_to_copy(ilgov: Any, tmp_path: Path) -> None:
    """Before Flower is started."""
    words = ("federated", "deploy", "node", "--keys", tmp_path, "--home", tmp_path / "home")
    ended = ilgov(*words, "--device", "board-01", "--superlink", "server.lan:8000")
    assert 2 == ended.code
    assert "ca.pem must be on this board; copy it from the server's keys" in ended.stderr


def test_a_server_without_keys_is_told_how_to_make_them(ilgov: Any, tmp_path: Path) -> None:
    """By the command."""
    ended = ilgov("federated", "deploy", "server", "--keys", tmp_path, "--home", tmp_path / "home")
    assert 2 == ended.code
    assert "'ilgov federated deploy keys' makes them" in ended.stderr


def test_help_says_who_can_reach_what(ilgov: Any) -> None:
    """The server's port is open to whoever reaches it."""
    ended = ilgov("federated", "deploy", "server", "--help")
    said = " ".join(ended.stdout.split())
    assert "Whoever reaches its port can start programs on it and on the boards" in said
    assert "port to listen at (default 8000)" in said
    assert "--resume goes on" in " ".join(ilgov("federated", "run", "--help").stdout.split())


@pytest.mark.parametrize("verb", ["server", "node"])
def test_a_port_is_a_port(ilgov: Any, tmp_path: Path, verb: str) -> None:
    """Before Flower is started."""
    more = ("--device", "a", "--superlink", "b:1") if verb == "node" else ()
    words = ("federated", "deploy", verb, "--keys", tmp_path, "--home", tmp_path / "home", *more)
    ended = ilgov(*words, "--port", 99999)
    assert (2, True) == (ended.code, "--port must lie in 1 ... 65535" in ended.stderr)


def test_a_port_where_another_listens_is_refused(ilgov: Any, tmp_path: Path) -> None:
    """Its devices would be let in at a server that is not ours."""
    keys = tmp_path / "keys"
    ilgov("federated", "deploy", "keys", "--fleet", THREE, "--out", keys)
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        words = ("federated", "deploy", "server", "--keys", keys, "--home", tmp_path / "home")
        ended = ilgov(*words, "--port", port)
    assert (2, True) == (
        ended.code,
        f"--port must be free (something answers at 127.0.0.1:{port}" in ended.stderr,
    )


def test_a_device_is_no_path(ilgov: Any, tmp_path: Path) -> None:
    """What it remembers would be written elsewhere."""
    words = ("federated", "deploy", "node", "--keys", tmp_path, "--home", tmp_path / "home")
    ended = ilgov(*words, "--device", "../../x", "--superlink", "server.lan:8000")
    assert (2, True) == (ended.code, "device must be of letters" in ended.stderr)
