"""Tests of ``ilgov federated deploy``: keys for boards, and what is missing on a board is told."""

from pathlib import Path
from typing import Any

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
