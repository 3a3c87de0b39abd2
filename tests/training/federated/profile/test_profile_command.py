"""``ilgov federated profile``."""

import os
from pathlib import Path

import msgspec
import pytest

from platforms.board_file import load_board, parse_board
from platforms.linux.probe.board_text import board_text
from platforms.training_work import load_training, parse_training
from rm.main import main
from rm.planner.capability import Capability, check_capability
from tests.training.federated.profile.two_cores import two_cores

PROFILE = ("federated", "profile")
HIKEY = "--board hikey970"


def run(*words: object) -> int:
    """The command's exit code."""
    return main([*PROFILE, *map(str, words)])


def read(path: Path) -> Capability:
    """What it wrote."""
    return msgspec.json.decode(path.read_bytes(), type=Capability)


def test_modelled_tables_are_of_the_board_and_fit_into_a_message(tmp_path: Path) -> None:
    """All settings of tiny-4 at all places of the HiKey 970."""
    out = tmp_path / "tiny.json"
    assert 0 == run("--model", "tiny-4", "--modelled", "--board", "hikey970", "--out", out)
    capability = read(out)
    check_capability(load_board("hikey970"), capability)
    assert (24, 64) == (len(capability.settings), len(capability.places))
    assert ("modelled", None) == (capability.origin, capability.power_origin)
    assert out.stat().st_size < 65536


def test_settings_name_a_part_of_them(tmp_path: Path) -> None:
    """In the training's order, the reference first."""
    out = tmp_path / "part.json"
    words = ("--model", "tiny-4", "--modelled", "--board", "hikey970", "--out", out)
    assert 0 == run(*words, "--settings", "batch=4,16", "depth=4")
    assert [16.0, 4.0] == [setting.knobs["batch"] for setting in read(out).settings]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("", "--model or --step must be given, one of them"),
        ("--model tiny-4", "--board must be given"),
        (f"--model tiny-4 {HIKEY} --settings rank=4", "a knob out of batch, depth (got rank)"),
        (f"--model tiny-4 {HIKEY} --settings batch=5", "leave a setting out of 24 (got none)"),
        (f"--model resnet18 {HIKEY}", "one of tiny-4, transformer-6x256 to be measured"),
        (f"--step no:where {HIKEY}", "MODULE:FUNCTION that can be imported"),
        (f"--step math:sqrt {HIKEY}", "--settings must name batch=VALUES (got none)"),
        (f"--step math:sqrt --modelled {HIKEY}", "--modelled is for --model"),
        ("--step math:sqrt --work", "--settings must name batch=VALUES (got none)"),
    ],
)
def test_what_cannot_be_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], words: str, message: str
) -> None:
    """Before anything is measured, and nothing is written."""
    assert 0 != run(*words.split(), "--out", tmp_path / "out.json")
    assert message in capsys.readouterr().err
    assert [] == list(tmp_path.iterdir())


def test_another_board_than_this_machine_cannot_be_measured(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its cores are not here."""
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {0, 1})
    out = tmp_path / "out.json"
    assert 0 != run("--model", "tiny-4", "--board", "hikey970", "--out", out)
    assert "cores [2, 3] of little cannot be used here" in capsys.readouterr().err


def test_a_profile_is_measured_here_and_goes_on_where_it_was(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The user's own loop on two real cores; the second time nothing is left to do."""
    board = tmp_path / "two.toml"
    board.write_text(board_text(two_cores()))
    parse_board(board.read_text(), origin="two.toml")
    words = (
        "--step", "tests.training.federated.profile.workers_of_tests:squares", "--board", board,
        "--settings", "batch=4,8", "--seconds", 0.05, "--out", tmp_path / "out.json",
    )  # fmt: skip
    assert 0 == run(*words, "--dry-run")
    assert "4 points; about 4 s" in capsys.readouterr().out
    assert not (tmp_path / "out.json").exists()
    assert 0 == run(*words)
    said = capsys.readouterr()
    assert "4 of 4: batch 8, 1 of big" in said.err
    assert "2 settings at 2 places of two-cores; times measured, power modelled" in said.out
    check_capability(two_cores(), read(tmp_path / "out.json"))
    assert 0 == run(*words)
    assert "4 points, 4 of them measured before; about 0 s" in capsys.readouterr().err


def test_work_writes_the_trainings_own_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With few runs on the proxy, as the shipped one takes a minute."""
    from training.federated.profile import training_file

    curve = load_training("resnet18").curve
    assert curve is not None
    monkeypatch.setattr(training_file, "curve", lambda seeds: curve)
    out = tmp_path / "resnet18.toml"
    assert 0 == run("--model", "resnet18", "--work", "--out", out)
    assert load_training("resnet18") == parse_training(out.read_text(), origin="out")


def test_work_of_a_loop_is_what_pytorch_counts_and_can_be_modelled(tmp_path: Path) -> None:
    """Matrix products of 32 batch x 256 with themselves; the larger batch asks for more."""
    out, modelled = tmp_path / "squares.toml", tmp_path / "squares.json"
    step = "tests.training.federated.profile.workers_of_tests:squares"
    assert 0 == run("--step", step, "--settings", "batch=4,8", "--work", "--out", out)
    works = load_training(str(out)).works
    assert [2 * (32 * b) ** 2 * 256 / b for b in (4, 8)] == [work.flops for work in works]
    result_bytes = 4 * (32 * 8) ** 2
    assert works[1].memory_bytes >= 4 * 32 * 8 * 256 + result_bytes
    assert works[1].traffic_bytes == pytest.approx(2 * result_bytes, rel=0.01)
    assert 0 == run("--model", out, "--modelled", "--board", "hikey970", "--out", modelled)
    check_capability(load_board("hikey970"), read(modelled))


def test_pytorch_counts_of_the_tiny_transformer_what_the_cost_model_says() -> None:
    """But for fused attention, which PyTorch's counter does not see on a CPU."""
    from training.federated.profile.counted import counted_work
    from training.federated.profile.workers import find_worker

    said = load_training("tiny-4").works[0]
    counted = counted_work(find_worker("tiny-4"), said.knobs)
    assert counted.flops == pytest.approx(said.flops, rel=0.1)
    assert counted.kernels == pytest.approx(said.kernels, rel=0.02)
    assert counted.memory_bytes == pytest.approx(said.memory_bytes, rel=0.15)
    assert counted.traffic_bytes == pytest.approx(said.traffic_bytes, rel=0.25)
