"""``ilgov federated deploy node --governed``: what the device's programs are told."""

import os
import shlex
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from rm.main import main
from tests.training.federated.governed.fake_trainer import CAPABILITY
from training.federated.engine.deployment.keys import make_keys


class Started(Exception):
    """In place of a program that takes the place of the command."""


def told(monkeypatch: pytest.MonkeyPatch, *words: str) -> dict[str, str]:
    """The node's configuration with these words."""
    lines: list[list[str]] = []

    def execve(path: str, line: list[str], environment: dict[str, str]) -> None:
        del path, environment
        lines.append(line)
        raise Started

    monkeypatch.setattr(os, "execve", execve)
    with pytest.raises(Started):
        main(["federated", "deploy", "node", "--superlink", "b:1", *words])
    configuration = lines[0][lines[0].index("--node-config") + 1]
    pairs = (word.partition("=") for word in shlex.split(configuration))
    return {name: value for name, _, value in pairs}


def test_a_governed_node_knows_capability_socket_and_where_to_keep(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """As absolute paths: its programs run elsewhere."""
    monkeypatch.chdir(tmp_path)
    make_keys(Path("keys"), ["board-01"])
    Path("tiny.json").write_bytes(msgspec.json.encode(CAPABILITY))
    words = ("--keys", "keys", "--device", "board-01", "--home", "home")
    assert {"device", "memory"} == told(monkeypatch, *words).keys()
    found = told(monkeypatch, *words, "--governed", "tiny.json", "--socket", "ilgov.socket")
    assert str(tmp_path / "tiny.json") == found["governed"]
    assert str(tmp_path / "ilgov.socket") == found["ilgov-socket"]
    assert str(tmp_path / "home/governed/board-01") == found["governed-folder"]


def test_a_node_with_a_capability_that_is_none_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Before Flower is started."""
    make_keys(tmp_path / "keys", ["board-01"])
    (tmp_path / "tiny.json").write_text("{}")
    code = main(
        [
            *("federated", "deploy", "node", "--superlink", "b:1", "--device", "board-01"),
            *("--keys", str(tmp_path / "keys"), "--home", str(tmp_path / "home")),
            *("--governed", str(tmp_path / "tiny.json")),
        ]
    )
    assert 2 == code
    assert "capability must be what 'ilgov federated profile' wrote" in capsys.readouterr().err


def test_a_node_that_nobody_governs_loads_no_pytorch_for_it() -> None:
    """Idle, it is a small process; what trains loads what it needs."""
    line = "import sys, training.federated.engine.flower.client_app; print('torch' in sys.modules)"
    said = subprocess.run(
        [sys.executable, "-c", line], capture_output=True, text=True, check=True, timeout=120
    )
    assert "False" == said.stdout.strip()
