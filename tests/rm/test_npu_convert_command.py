"""Tests of ``ilgov npu convert``: what is written, what is said, and what stays as it was."""

import argparse
import json
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from npu_runtime.artifact import read_artifact, sha256
from npu_runtime.convert.target import TARGETS
from npu_runtime.errors import BackendUnavailable, ConversionFailed, PolicyFileError
from npu_runtime.load import open_policy
from npu_runtime.policy_file import PolicyFile, read_policy_file
from platforms.board import Board
from rm.npu import conversion
from rm.npu.closed_loop import ClosedLoop
from rm.npu.convert_command import configure
from rm.npu.held_out import Tally, together
from rm.npu.verdict import Verdict

ROOT = Path(__file__).parents[2]
SHIPPED = ROOT / "rm" / "policies" / "shipped" / "ilgov-hikey970.onnx"

Convert = Callable[..., int]


@pytest.fixture
def policy(tmp_path: Path) -> Path:
    """A shipped policy in a folder of its own."""
    return Path(shutil.copy(SHIPPED, tmp_path / "policy.onnx"))


@pytest.fixture
def convert(policy: Path) -> Convert:
    """Convert the policy, or the file that is named."""

    def run(*words: object, file: Path = policy) -> int:
        parser = argparse.ArgumentParser(prog="ilgov npu convert")
        configure(parser)
        args = parser.parse_args([str(file), *map(str, words)])
        code: int = args.run(args)
        return code

    return run


@pytest.fixture
def toolkit(monkeypatch: pytest.MonkeyPatch) -> Path:
    """A Python with the stand-in for rknn-toolkit2, whose scores are 0.01 off."""
    monkeypatch.setenv("RKNN_STANDIN_PYTHON", sys.executable)
    return ROOT / "tests" / "npu_runtime" / "rknn_standin" / "python"


def contents(folder: Path) -> dict[str, bytes]:
    """All files in a folder."""
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


def test_caffe_files_and_a_sidecar_are_written_for_the_kirin_970(
    policy: Path, convert: Convert, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nine rows a call unless another number is asked for."""
    assert 0 == convert("--target", "kirin970")
    artifact, files = read_artifact(read_policy_file(policy), "kirin970")
    assert ["policy.kirin970.prototxt", "policy.kirin970.caffemodel"] == list(files)
    assert ("caffe", "float32", 9) == (artifact.format, artifact.precision, artifact.batch)
    said = capsys.readouterr().out
    assert f"wrote {policy.with_name('policy.kirin970.json')}" in said
    assert 0 == convert("--target", "kirin970", "--batch", 16)
    assert 16 == read_artifact(read_policy_file(policy), "kirin970")[0].batch


def test_what_is_left_to_do_is_told_with_its_commands(
    policy: Path, convert: Convert, capsys: pytest.CaptureFixture[str]
) -> None:
    """And where no command is known, that there is none."""
    convert("--target", "kirin970")
    said = capsys.readouterr().out
    server = "ilgov_hiai_server --socket @ilgov-hiai --build"
    assert f"  {server} /data/local/tmp/policy.kirin970.cambricon\n" in said
    assert "HiAI DDK V100.150. Its command line is in no public source" in said
    assert "one input 'features' of 9 x 34 x 1 x 1, one output 'scores' of 9 x 1" in said
    again = f"ilgov npu convert {policy} --target kirin970 --batch 9 --compiled "
    assert f"  {again}policy.kirin970.cambricon\n" in said
    check = "ilgov npu check policy.onnx --backend hiai"
    assert f"  ILGOV_HIAI_SOCKET=@ilgov-hiai {check}\n" in said


def test_the_command_that_is_told_takes_the_compiled_model_over(
    policy: Path, convert: Convert, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """Its words are those that the parser takes; the sidecar names the compiled model then."""
    convert("--target", "kirin970", "--json")
    steps = json.loads(capsys.readouterr().out)["steps"]
    (command,) = [step["command"].split() for step in steps if "--compiled" in str(step["command"])]
    compiled = tmp_path / "elsewhere.cambricon"
    compiled.write_bytes(b"compiled")
    assert 0 == convert(*command[4:-1], compiled)
    artifact, files = read_artifact(read_policy_file(policy), "kirin970")
    assert {"policy.kirin970.cambricon": b"compiled"} == files
    assert ("cambricon", 9) == (artifact.format, artifact.batch)


def test_json_tells_what_was_written_with_digests(
    policy: Path, convert: Convert, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """Into another folder, which is made."""
    convert("--target", "kirin970", "--out", tmp_path / "a" / "b", "--json")
    done = json.loads(capsys.readouterr().out)
    artifact = json.loads((tmp_path / "a" / "b" / "policy.kirin970.json").read_bytes())
    digests = {Path(file["path"]).name: file["sha256"] for file in done["written"]}
    assert artifact["files"] == {name: digests[name] for name in artifact["files"]}
    assert ("kirin970", "float32", 9) == tuple(done[k] for k in ("target", "precision", "batch"))
    commands = [step["command"] for step in done["steps"] if step["command"]]
    assert any(command.endswith(f" --out {tmp_path / 'a' / 'b'}") for command in commands)


def test_rknn_is_written_with_how_far_its_scores_are_off(
    policy: Path, convert: Convert, toolkit: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Float16 is what the target usually takes."""
    assert 0 == convert("--target", "rk3588", "--rknn-python", toolkit, "--json")
    artifact, files = read_artifact(read_policy_file(policy), "rk3588")
    assert {"policy.rk3588.rknn": b"RKNN for rk3588 [9, 34] with 0"} == files
    assert ("rknn", "float16") == (artifact.format, artifact.precision)
    assert artifact.made_by.endswith("rknn-toolkit2 9.9")
    parity = json.loads(capsys.readouterr().out)["parity"]
    assert 0.01 == pytest.approx(parity["largest"], abs=1e-4)
    assert 1008 == parity["rows"]


def test_rknn_that_computes_something_else_is_not_written(
    policy: Path, convert: Convert, toolkit: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What stood there stays."""
    convert("--target", "rk3588", "--rknn-python", toolkit)
    before = contents(policy.parent)
    for off in ("1.0", "nan"):
        monkeypatch.setenv("RKNN_STANDIN_OFF", off)
        with pytest.raises(ConversionFailed, match=r"must agree with the policy's within 0.005"):
            convert("--target", "rk3588", "--rknn-python", toolkit)
    assert before == contents(policy.parent)


def verdict(changed_share: float) -> Verdict:
    """A judge's, of a thousand decisions that migrate, and as many that do not."""
    changed = round(1000 * changed_share)
    return Verdict(
        policy="policy",
        precision="int8",
        backend="a judge",
        size_bytes=1,
        held_out=together([Tally(decisions=2000, moving=1000, changed=changed)]),
        closed_loop=ClosedLoop(
            episodes=1,
            hotter_k=0.0,
            low_k=None,
            high_k=None,
            applications=1,
            missed=0,
            missed_exact=0,
        ),
        most_changed_share=0.01,
        most_hotter_k=0.05,
    )


@pytest.fixture
def judges(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """Have the judges find such a share of decisions changed; rows are the policy's known ones."""

    def find(changed_share: float) -> None:
        for name in ("judge", "judge_simulated"):
            monkeypatch.setattr(conversion, name, lambda *_, **__: verdict(changed_share))

    def known(file: PolicyFile, board: Board) -> np.ndarray:
        assert "hikey970" == board.name
        return np.tile(file.metadata.parity_rows()[0], (20, 1))

    monkeypatch.setattr(conversion, "calibration_rows", known)
    return find


Judges = Callable[[float], None]


def test_float16_is_a_policy_file_of_its_own(
    policy: Path, convert: Convert, judges: Judges
) -> None:
    """It says from which policy it was made."""
    judges(0.0)
    assert 0 == convert("--target", "onnx")
    half = read_policy_file(policy.with_name("policy.float16.onnx"))
    assert "float16" == half.metadata.precision
    assert sha256(policy.read_bytes()) == half.metadata.made_from_sha256
    open_policy(half, backend="onnxruntime").close()


def test_int8_that_the_judge_lets_pass_is_written_with_the_verdict(
    policy: Path, convert: Convert, judges: Judges, capsys: pytest.CaptureFixture[str]
) -> None:
    """Four migrations in a thousand are within the limit."""
    judges(0.004)
    assert 0 == convert("--target", "onnx", "--precision", "int8")
    assert "int8" == read_policy_file(policy.with_name("policy.int8.onnx")).metadata.precision
    assert "changed decisions" in capsys.readouterr().out
    convert("--target", "onnx", "--precision", "int8", "--json")
    held_out = json.loads(capsys.readouterr().out)["verdict"]["held_out"]
    assert (2000, 4) == (held_out["decisions"], held_out["changed"])


@pytest.mark.parametrize("target", ["onnx", "rk3588"])
def test_int8_that_changes_decisions_is_refused_with_its_table(
    policy: Path,
    convert: Convert,
    judges: Judges,
    toolkit: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    target: str,
) -> None:
    """Exit code 1, and what was there before stays."""
    monkeypatch.setenv("ILGOV_RKNN_PYTHON", str(toolkit))
    words = ("--target", target, "--precision", "int8")
    judges(0.01)
    assert 0 == convert(*words)
    before = contents(policy.parent)
    capsys.readouterr()
    judges(0.011)
    assert 1 == convert(*words)
    assert before == contents(policy.parent)
    assert "must be at most 1.0% of those that migrate (got 1.100%)" in capsys.readouterr().out
    assert 1 == convert(*words, "--json")
    assert json.loads(capsys.readouterr().out)["passes"] is False


def test_float16_is_judged_where_it_stands_alone_or_that_is_asked_for(
    policy: Path, convert: Convert, judges: Judges, toolkit: Path
) -> None:
    """By its decisions, as int8 always is; beside float32 its scores are enough."""
    judges(0.5)
    assert 1 == convert("--target", "onnx")
    assert 1 == convert("--target", "rk3588", "--judge", "--rknn-python", toolkit)
    assert ["policy.onnx"] == [path.name for path in policy.parent.iterdir()]


def test_rknn_in_int8_is_calibrated_on_rows_of_episodes(
    policy: Path, convert: Convert, judges: Judges, toolkit: Path
) -> None:
    """160 rows here, in 18 batches of 9."""
    judges(0.0)
    convert("--target", "rk3588", "--precision", "int8", "--rknn-python", toolkit)
    artifact, files = read_artifact(read_policy_file(policy), "rk3588")
    assert {"policy.rk3588.rknn": b"RKNN for rk3588 [9, 34] with 18"} == files
    assert "int8" == artifact.precision


def test_int8_that_no_back_end_would_run_is_not_written(
    policy: Path,
    convert: Convert,
    judges: Judges,
    toolkit: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Its decisions may be good enough: the daemon goes by the policy's known rows first."""
    expected = read_policy_file(policy).metadata.parity_rows()[1]
    monkeypatch.setenv("RKNN_STANDIN_OFF", str(0.06 * np.ptp(expected)))
    judges(0.0)
    message = r"known rows in int8 must be within 0\.05 of their range \(got 0\.06.*precision"
    with pytest.raises(ConversionFailed, match=message):
        convert("--target", "rk3588", "--precision", "int8", "--rknn-python", toolkit)
    assert ["policy.onnx"] == [path.name for path in policy.parent.iterdir()]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--target", "kirin970", "--precision", "int8"), r"must be float32 with .* \(got int8\)"),
        (("--target", "rk3588", "--precision", "float32"), "must be float16 or int8 with"),
        (("--target", "onnx", "--precision", "float32"), "must be float16 or int8 with"),
        (("--target", "onnx", "--batch", "8"), "--batch must not be given with --target onnx"),
        (("--target", "kirin970", "--batch", "0"), r"--batch must be 1 \.\.\. 1024 \(got 0\)"),
        (("--target", "rk3588", "--batch", "1025"), r"--batch must be 1 \.\.\. 1024"),
        (("--target", "rk3588", "--compiled", "x"), "--compiled must go with --target kirin970"),
        (("--target", "kirin970", "--judge"), "--judge must not go with --target kirin970"),
        (("--target", "onnx", "--jobs", "0"), "--jobs must be 1 or more"),
        (("--target", "onnx", "--rknn-python", "x"), "--rknn-python must go with --target rk3588"),
    ],
)
def test_options_that_do_not_go_together_change_nothing(
    policy: Path, convert: Convert, words: tuple[str, ...], said: str
) -> None:
    """They are seen before anything is read."""
    convert("--target", "kirin970")
    before = contents(policy.parent)
    with pytest.raises(ConversionFailed, match=said):
        convert(*words)
    assert before == contents(policy.parent)


@pytest.mark.parametrize("content", [b"", b"no policy at all", SHIPPED.read_bytes()[:5000]])
def test_what_is_no_policy_changes_nothing(
    policy: Path, convert: Convert, content: bytes, tmp_path: Path
) -> None:
    """Not even where a sound policy of this name was converted before."""
    convert("--target", "kirin970")
    policy.write_bytes(content)
    before = contents(policy.parent)
    with pytest.raises(PolicyFileError):
        convert("--target", "kirin970")
    assert before == contents(policy.parent)


@pytest.mark.parametrize("size", [0, (16 << 20) + 1])
def test_a_compiled_model_of_an_absurd_size_changes_nothing(
    policy: Path, convert: Convert, size: int, tmp_path: Path
) -> None:
    """An unfinished file, or one that is something else."""
    convert("--target", "kirin970")
    before = contents(policy.parent)
    compiled = tmp_path / "elsewhere" / "x.cambricon"
    compiled.parent.mkdir()
    with compiled.open("wb") as stream:
        stream.truncate(size)
    with pytest.raises(ConversionFailed, match=r"must have 1 byte \.\.\. 16 MiB"):
        convert("--target", "kirin970", "--compiled", compiled)
    assert before == contents(policy.parent)


def test_a_folder_that_cannot_be_had_changes_nothing(
    policy: Path, convert: Convert, tmp_path: Path
) -> None:
    """The error names it."""
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(OSError, match="file"):
        convert("--target", "kirin970", "--out", tmp_path / "file")
    assert ["file", "policy.onnx"] == sorted(path.name for path in tmp_path.iterdir())


def test_without_the_toolkit_nothing_is_written(
    policy: Path, convert: Convert, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And the message has the commands that install it."""
    monkeypatch.delenv("ILGOV_RKNN_PYTHON", raising=False)
    with pytest.raises(BackendUnavailable, match=r"rknn/bin/pip install .*rknn-toolkit2==2.5.0"):
        convert("--target", "rk3588")
    assert ["policy.onnx"] == [path.name for path in policy.parent.iterdir()]


def test_the_help_is_the_manual(convert: Convert, capsys: pytest.CaptureFixture[str]) -> None:
    """Every target with its precisions, the usual number of rows, and the exit codes."""
    with pytest.raises(SystemExit):
        convert("--help")
    text = " ".join(capsys.readouterr().out.split())
    for target in TARGETS.values():
        assert f"{target.name} {target.takes}; precisions: {', '.join(target.precisions)}" in text
    assert "rows of every call, 1 ... 1024" in text
    assert "[9: a row per core of a board of eight" in text
    assert "exit codes: 0 written" in text
