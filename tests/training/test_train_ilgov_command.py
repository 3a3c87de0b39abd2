"""Tests of ``ilgov train-ilgov`` as a user runs it: what it prints, writes, refuses, leaves."""

import json
import re
import signal
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest
from msgspec.structs import replace

from npu_runtime.policy_file import read_policy_file
from tests.conftest import Ended
from tests.started_command import started
from tests.training.joint_tasks import HIKEY, silent
from training.joint.options import JointOptions
from training.joint.pipeline import draw
from training.joint.task import task

Ilgov = Callable[..., Ended]

TINY = ("--situations", 10, "--list-length", 6, "--dagger-rounds", 0, "--epochs", 3, "--jobs", 1)


def test_it_writes_a_policy_and_a_report_and_says_how_good_it_is(
    ilgov: Ilgov, tmp_path: Path
) -> None:
    """One line per round, and where the files are."""
    out = tmp_path / "new" / "policy.onnx"
    ended = ilgov("train-ilgov", "--out", out, *TINY)
    assert (0, "") == (ended.code, ended.stderr)
    assert {"policy.onnx", "policy.training.json"} == {file.name for file in out.parent.iterdir()}
    first, last = ended.stdout.splitlines()
    assert re.fullmatch(
        r"drawn situations: mean excess \d+\.\d{3} K, within 1 K in \d+\.\d% of \d+ validation "
        r"situations \(epoch [1-3] of 3\)",
        first,
    )
    assert f"wrote {out} and {out.with_name('policy.training.json')}" == last
    options = json.loads(out.with_name("policy.training.json").read_text())["options"]
    assert (10, 6, 3) == (options["situations"], options["list_length"], options["epochs"])


def test_machines_read_the_report_as_json(ilgov: Ilgov, tmp_path: Path) -> None:
    """The same that stands in the file."""
    out = tmp_path / "policy.onnx"
    ended = ilgov("train-ilgov", "--out", out, *TINY, "--seed", 3, "--alpha-per-k", 0.5, "--json")
    told = json.loads(ended.stdout)
    assert told == json.loads((tmp_path / "policy.training.json").read_text())
    assert (3, 0.5) == (told["options"]["seed"], told["options"]["alpha_per_k"])
    assert 3 == read_policy_file(out).metadata.seed


def test_the_same_command_line_writes_the_same_bytes(ilgov: Ilgov, tmp_path: Path) -> None:
    """Wherever to."""
    outs = [tmp_path / name for name in ("one.onnx", "two.onnx")]
    for out in outs:
        assert 0 == ilgov("train-ilgov", "--out", out, *TINY).code
    assert outs[0].read_bytes() == outs[1].read_bytes()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--situations", 1], r"--situations must lie in 2 ... 1000000 \(got 1\)"),
        (["--list-length", 2], r"--list-length must lie in 3 ... 10000 \(got 2\)"),
        (["--dagger-rounds", -1], r"--dagger-rounds must lie in 0 ... 100 \(got -1\)"),
        (["--dagger-episodes", 1], r"--dagger-episodes must lie in 2 ... 10000 \(got 1\)"),
        (["--alpha-per-k", 0], r"--alpha-per-k must lie in 0.001 ... 1000.0 \(got 0.0\)"),
        (["--epochs", 0], r"--epochs must lie in 1 ... 10000 \(got 0\)"),
        (["--learning-rate", "nan"], r"--learning-rate must lie in .* \(got nan\)"),
        (["--seed", -1], r"--seed must lie in 0 ... 4294967295 \(got -1\)"),
        (["--jobs", 0], r"--jobs must lie in 1 ... 10000 \(got 0\)"),
        (["--out", "policy.pt"], r"--out must be a file that ends in \.onnx \(got policy\.pt\)"),
        (["--out", "/dev/null/p.onnx"], r"--out must lie in a folder \(/dev/null is none\)"),
        (["--cooling", "ice"], r"--cooling must be a setup that lasts, one of .* \(got 'ice'\)"),
        (["--cooling", "fan-fails"], r"--cooling must be a setup that lasts, .* \(got 'fan-fails"),
        (["--applications", "cben"], r"application must be a suite .*\(got 'cben'\)"),
        (["--applications", ","], r"application must be a suite .*\(got ''\)"),
        (["--applications", "bzip2e"], r"--applications must name two or more, .*\(got bzip2e\)"),
        (["--board", "hikey"], r"board must be .*\(got 'hikey'\)"),
    ],
)
def test_arguments_that_cannot_work_are_refused(
    ilgov: Ilgov, tmp_path: Path, words: list[object], message: str
) -> None:
    """Before any time is spent, with option, requirement and value; nothing is written."""
    ended = ilgov("train-ilgov", "--out", tmp_path / "policy.onnx", *TINY, *words)
    assert (2, "") == (ended.code, ended.stdout)
    assert re.match(f"ilgov: error: .*{message}", ended.stderr)
    assert [] == list(tmp_path.iterdir())


def test_a_folder_in_the_reports_place_is_found_before_the_work(
    ilgov: Ilgov, tmp_path: Path
) -> None:
    """A policy without its report would be left behind."""
    (tmp_path / "policy.training.json").mkdir()
    ended = ilgov("train-ilgov", "--out", tmp_path / "policy.onnx", *TINY)
    assert 2 == ended.code
    assert "--out must be a file (got the folder" in ended.stderr
    assert not (tmp_path / "policy.onnx").exists()


def seed_without_a_choice(options: JointOptions) -> int:
    """A seed with which no situation of one side leaves a choice between mappings."""
    for seed in range(1000):
        seeded = replace(options, seed=seed)
        drawn = draw(task(HIKEY, "fan", ["cbench"], seed=seed), seeded, workers=1, progress=silent)
        if not all(drawn.values()):
            return seed
    raise AssertionError("every seed leaves a choice")


def test_a_training_without_anything_to_learn_is_a_sentence_and_exit_code_1(
    ilgov: Ilgov, tmp_path: Path
) -> None:
    """The command line was right, and a traceback would help nobody; the old policy stays."""
    out = tmp_path / "policy.onnx"
    out.write_bytes(b"an older policy")
    options = JointOptions(situations=2, list_length=3, dagger_rounds=0)
    words = ("--situations", 2, "--list-length", 3, "--seed", seed_without_a_choice(options))
    ended = ilgov("train-ilgov", "--out", out, *TINY, *words)
    assert 1 == ended.code
    assert re.match(
        r"ilgov: situations for \w+ must leave a choice .* draw more with --situations",
        ended.stderr,
    )
    assert b"an older policy" == out.read_bytes()
    assert [out] == list(tmp_path.iterdir())


def test_ctrl_c_leaves_no_file_and_no_process(tmp_path: Path) -> None:
    """The old policy stays as it was."""
    out = tmp_path / "policy.onnx"
    out.write_bytes(b"an older policy")
    words = ("--situations", 100_000, "--jobs", 2)
    with started("train-ilgov", "--out", out, *words) as command:

        def works() -> bool:
            workers = psutil.Process(command.process.pid).children()
            return sum(worker.cpu_times().user > 0.3 for worker in workers) >= 2

        command.wait_until(works, "two workers were at work")
        code, stdout, stderr = command.send(signal.SIGINT)
        assert (130, "") == (code, stdout)
        assert "ilgov: interrupted; run the same command again to go on\n" == stderr
        assert command.leaves_nobody()
    assert b"an older policy" == out.read_bytes()
    assert [out] == list(tmp_path.iterdir())


def test_the_help_names_every_option_with_its_default(ilgov: Ilgov) -> None:
    """The help text is the manual."""
    printed = " ".join(ilgov("train-ilgov", "--help").stdout.split())
    defaults = JointOptions()
    for name in ("situations", "list_length", "dagger_rounds", "epochs", "learning_rate", "seed"):
        assert f"--{name.replace('_', '-')}" in printed
        assert f"[{getattr(defaults, name)}]" in printed
    assert "FILE.training.json is written beside it" in printed
