"""Tests of what travels from the recording to the policy: the board, the oracle, the pools."""

import json
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from npu_runtime.errors import WrongBoard
from npu_runtime.load import load_policy
from platforms.board_file import load_board
from platforms.platform import Platform
from rm.features import table
from rm.policies import topil
from rm.policies.registry import PolicyContext
from tests.conftest import Ended
from traces.schema import board_digest
from traces.store import read_table

Ilgov = Callable[..., Ended]

BOARD = load_board("hikey970")


@pytest.fixture
def made(ilgov: Ilgov, tmp_path: Path) -> SimpleNamespace:
    """Traces, demonstrations and a policy as the commands make them, and what they say."""
    traces, demonstrations = tmp_path / "t.parquet", tmp_path / "d.parquet"
    policy = tmp_path / "p.onnx"
    short = ("--scenarios", 12, "--opps", 2, "--window-s", 2, "--held-out-share", 0.2)
    ran = [
        ilgov("trace", "record", "--out", traces, *short),
        ilgov("oracle", "labels", "--traces", traces, "--out", demonstrations, "--alpha", 0.5),
        ilgov("train", "--demonstrations", demonstrations, "--out", policy, "--epochs", 2),
    ]
    assert [0, 0, 0] == [ended.code for ended in ran], ran
    report: dict[str, Any] = json.loads((tmp_path / "p.training.json").read_text())
    return SimpleNamespace(
        recorded=read_table(traces, kind="traces")[1],
        demonstrated=read_table(demonstrations, kind="demonstrations")[1],
        policy=policy,
        report=report,
        held_out=ran[0].stdout.splitlines()[0].partition("held out for validation: ")[2],
    )


def test_a_policy_says_what_it_was_made_from_and_validates_on_what_was_held_out(
    made: SimpleNamespace,
) -> None:
    """Nobody has to remember it, or to guess it from names."""
    held_out = made.held_out.split(", ")
    assert held_out == made.recorded["pools"][1]
    assert made.recorded["pools"] == made.demonstrated["pools"]
    assert set(made.report["validation"]["applications"]) <= set(held_out)
    assert ("recorded apart", 0) == (
        made.report["validation_chosen"],
        made.report["rows"]["dropped"],
    )
    policy = load_policy(
        made.policy,
        features=table(BOARD),
        board=BOARD.name,
        board_sha256=board_digest(BOARD),
        outputs=BOARD.core_names,
    ).metadata
    assert "fan" == policy.cooling == made.report["cooling"]
    assert 0.5 == policy.oracle["alpha_per_k"] == made.report["oracle"]["alpha_per_k"]
    assert board_digest(BOARD) == made.report["board_sha256"]


def test_the_governor_refuses_a_policy_of_another_board_file_of_the_same_name(
    made: SimpleNamespace, tmp_path: Path
) -> None:
    """The features mean the same, but what is coolest there need not be."""
    text = (Path(__file__).parents[2] / "platforms" / "boards" / "hikey970.toml").read_text()
    warmer = text.replace("leakage_w_per_v3 = 0.114", "leakage_w_per_v3 = 0.115")
    assert text != warmer
    file = tmp_path / "board.toml"
    contexts = []
    for content in (text, warmer):
        file.write_text(content)
        contexts.append(PolicyContext(load_board(str(file)), cast("Platform", None), made.policy))
    topil.make(contexts[0])
    with pytest.raises(WrongBoard, match=r"p\.onnx: board_sha256 must be .*record and train again"):
        topil.make(contexts[1])
