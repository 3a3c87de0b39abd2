"""Tests of ``ilgov federated pretrain``."""

import json
from pathlib import Path

import pytest

from rm.main import main
from training.federated.models import store


def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two steps of training where a family has hundreds."""
    real = store.pretrained
    monkeypatch.setattr(
        store, "pretrained", lambda found, **how: real(found, **{**how, "steps": how["steps"] or 2})
    )


def test_models_that_are_missing_are_made_and_told(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """And then none is missing."""
    monkeypatch.setattr("training.federated.models.family.LAYERS", (1,))
    _quick(monkeypatch)
    command = ["federated", "pretrain", "--models", str(tmp_path)]
    assert 0 == main([*command, "--json"])
    made = json.loads(capsys.readouterr().out)
    assert ["tiny-1", "source-1"] == list(made)
    assert {"folder", "surprise_nats", "surprise_by_summary_nats"} == made["tiny-1"].keys()
    assert {"folder", "accuracy", "best_accuracy"} == made["source-1"].keys()
    assert (tmp_path / "tiny-1" / "tokenizer.json").exists()
    assert 0 == main(command)
    assert f"all models are in {tmp_path}; --names makes one again\n" == capsys.readouterr().out


def test_the_users_own_text_gives_another_model_and_its_origin(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The digest of the text is kept beside the model, not the path."""
    _quick(monkeypatch)
    (tmp_path / "own.txt").write_text("governors choose how fast cores run\n" * 1000)
    command = ["federated", "pretrain", "--models", str(tmp_path), "--names", "tiny-1"]
    assert 0 == main([*command, "--text", str(tmp_path / "own.txt")])
    assert capsys.readouterr().out.startswith("tiny-1: surprise nats ")
    origin = json.loads((tmp_path / "tiny-1" / "pretrained.json").read_text())
    assert ("own.txt", 0, 2) == (origin["text"], origin["seed"], origin["steps"])
    assert 64 == len(origin["text_sha256"])


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["--names", "bert"], "--names must be of the kind tiny-N or source-N (got bert)"),
        (["--names", "tiny-2:random"], "(got tiny-2:random)"),
        (["--steps", "0"], "--steps must lie in 1 ... 1000000 (got 0)"),
        (["--text", "/nowhere"], "/nowhere: must be text in UTF-8"),
        (["--text", __file__], "text must have at least 20000 characters"),
    ],
)
def test_what_cannot_be_made_is_refused(
    arguments: list[str], reason: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Before anything is written."""
    code = main(["federated", "pretrain", "--models", str(tmp_path / "m"), *arguments])
    assert (2, False) == (code, (tmp_path / "m").exists())
    assert reason in capsys.readouterr().err
