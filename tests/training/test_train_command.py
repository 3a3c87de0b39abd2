"""Tests of ``ilgov train`` as a user runs it: what it prints, writes, refuses, leaves behind."""

import argparse
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest

from platforms.errors import InvalidInput
from training.imitation.command import configure
from training.imitation.errors import TrainingFailed
from training.imitation.fit_data import FitData, FitOptions
from training.imitation.seeds import fit_seeds

ROOT = Path(__file__).parents[2]


def run(*arguments: object) -> int:
    """Run the command in this process; its exit code."""
    parser = argparse.ArgumentParser("ilgov train")
    configure(parser)
    args = parser.parse_args([str(argument) for argument in arguments])
    code: int = args.run(args)
    return code


def test_it_writes_a_policy_and_a_report_and_prints_a_table(
    demonstrations_path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """All seeds are in the table, the exported one is marked and has the least loss."""
    out = tmp_path / "policy.onnx"
    given = ("--demonstrations", demonstrations_path, "--out", out)
    assert 0 == run(*given, "--epochs", 4, "--jobs", 1, "--validation-applications", "app2, app6")
    printed = capsys.readouterr()
    report = json.loads((tmp_path / "policy.training.json").read_text())
    assert ["policy.onnx", "policy.training.json"] == sorted(
        file.name for file in tmp_path.iterdir()
    )
    assert ["app2", "app6"] == report["validation"]["applications"]
    best = min(report["seeds"], key=lambda seed: seed["validation_loss"])
    assert report["policy_seed"] == best["seed"]
    assert f"*{best['seed']}" in printed.out
    assert f"{best['validation_loss']:.4f}" in printed.out
    assert " ± " in printed.out
    assert f"{report['rows']['dropped']} dropped" in printed.out
    assert 1500 == sum(report["rows"].values())
    tables = printed.out[: printed.out.index("rows: ")].splitlines()
    assert all(len(line) <= 80 for line in tables)
    assert not any("…" in line for line in tables)
    assert "validation applications (named): app2, app6" in printed.out
    assert "" == printed.err


def test_processes_change_nothing_but_the_time(
    demonstrations_path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Policy and report are the same bytes with one job and with two, and hold no time stamp."""
    for jobs in (1, 2):
        given = ("--demonstrations", demonstrations_path, "--out", tmp_path / str(jobs) / "p.onnx")
        assert 0 == run(*given, "--epochs", 2, "--seeds", 2, "--jobs", jobs, "--json")
    for name in ("p.onnx", "p.training.json"):
        assert (tmp_path / "1" / name).read_bytes() == (tmp_path / "2" / name).read_bytes()
    printed = capsys.readouterr().out
    assert 2 * (tmp_path / "1" / "p.training.json").read_text() == printed


_COMMAND = """
import argparse
from training.imitation.command import configure

parser = argparse.ArgumentParser()
configure(parser)
args = parser.parse_args()
args.run(args)
"""


def test_another_process_writes_the_same_bytes_and_nothing_to_stderr(
    demonstrations_path: Path, tmp_path: Path
) -> None:
    """The exporter has many notes, which would read like our errors; none is in the file either."""
    for name in ("here", "there"):
        out = tmp_path / name / "p.onnx"
        given = ["--demonstrations", demonstrations_path, "--out", out, "--json"]
        given += ["--seeds", "1", "--epochs", "2"]
        if name == "here":
            run(*given)
            continue
        environment = os.environ | {"PYTHONPATH": str(ROOT)}
        done = subprocess.run(
            [sys.executable, "-c", _COMMAND, *given],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            check=True,
        )
        assert b"" == done.stderr
    policies = [tmp_path / name / "p.onnx" for name in ("here", "there")]
    assert policies[0].read_bytes() == policies[1].read_bytes()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--seeds", 0], r"--seeds must be 1 or more \(got 0\)"),
        (["--seed-start", -1], r"--seed-start must be 0 or more \(got -1\)"),
        (["--epochs", 0], r"--epochs must be 1 or more \(got 0\)"),
        (["--jobs", 0], r"--jobs must be 1 or more \(got 0\)"),
        (["--batch-size", 0], r"--batch-size must be 1 or more \(got 0\)"),
        (["--learning-rate", 0], r"--learning-rate must be above 0 \(got 0\.0\)"),
        (["--learning-rate", "nan"], r"--learning-rate must be above 0 \(got nan\)"),
        (["--decay", 1.1], r"--decay must lie above 0 and at most at 1 \(got 1\.1\)"),
        (["--weight-decay", -1], r"--weight-decay must be 0 or more \(got -1\.0\)"),
        (["--validation-share", 1.0], r"--validation-share must lie above 0 .* \(got 1.0\)"),
        (["--out", "policy.pt"], r"--out must be a file that ends in \.onnx \(got policy\.pt\)"),
        (["--validation-applications", "app2,appl3"], r"must be out of app0, .*\(got appl3\)"),
        (["--demonstrations", "missing.parquet"], r"missing\.parquet: must be a Parquet file"),
    ],
)
def test_arguments_that_cannot_work_are_refused(
    demonstrations_path: Path, tmp_path: Path, arguments: list[object], message: str
) -> None:
    """Before any time is spent, with option, requirement and value; nothing is written."""
    given = ["--demonstrations", demonstrations_path, "--out", tmp_path / "p.onnx"]
    with pytest.raises(InvalidInput, match=message):
        run(*given, *arguments)
    assert [] == list(tmp_path.iterdir())


def test_the_network_stands_beside_choices_that_need_none(
    demonstrations_path: Path, toy: SimpleNamespace, tmp_path: Path
) -> None:
    """On both sides, over all rows with a choice and where it matters, with intervals."""
    test = toy.write(
        tmp_path / "t.parquet", 200, change=lambda r: r | {"application": "x", "background": ["y"]}
    )
    given = ("--demonstrations", demonstrations_path, "--out", tmp_path / "p.onnx", "--seeds", 1)
    assert 0 == run(*given, "--test-demonstrations", test, "--batch-size", 64, "--epochs", 20)
    report = json.loads((tmp_path / "p.training.json").read_text())
    exported = report["seeds"][0]
    for name, network in (("validation", "quality"), ("test", "test_quality")):
        for rows in ("choice", "wide"):
            figures = exported[network][rows]
            hit = figures["hit_rate"]
            assert hit["low"] is None or hit["low"] < hit["value"] <= hit["high"] <= 1.0
            for trivial in ("constant", "constant_of_wide", "random"):
                assert figures["rows"] == report[name][trivial][rows]["rows"]
                assert report[name][trivial][rows]["hit_rate"]["value"] < hit["value"]
    assert sorted(report["orders"]["constant"]) == sorted(f"core{core}" for core in range(4))


def test_a_best_epoch_among_the_first_is_warned_of(
    demonstrations_path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The steps may have been too large; the user can try smaller ones."""
    given = ("--demonstrations", demonstrations_path, "--out", tmp_path / "p.onnx", "--seeds", 1)
    assert 0 == run(*given, "--epochs", 2, "--learning-rate", 0.02)
    printed = capsys.readouterr().out
    assert "best in epoch 2 of 2, before epoch 5; compare with a lower --learning-rate" in printed
    assert "(now 0.02)" in printed
    assert 0 == run(*given, "--epochs", 9, "--learning-rate", 1e-4)
    assert "warning" not in capsys.readouterr().out
    options = json.loads((tmp_path / "p.training.json").read_text())["options"]
    assert 1e-4 == options["learning_rate"]


def test_a_failed_training_is_a_sentence_and_exit_code_1(
    toy: SimpleNamespace, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The user made no mistake in the command line, and a traceback would help nobody."""
    path = toy.write(tmp_path / "d.parquet", 99, change=lambda row: row | {"labels": [1e30] * 4})
    given = ("--demonstrations", path, "--out", tmp_path / "p.onnx", "--seeds", 1)
    assert 1 == run(*given)
    assert capsys.readouterr().err.startswith("ilgov: the loss of seed 0 must stay finite (got inf")
    assert [path] == list(tmp_path.iterdir())


def test_the_help_names_defaults_and_units(capsys: pytest.CaptureFixture[str]) -> None:
    """The help text is the manual."""
    with pytest.raises(SystemExit):
        run("--help")
    printed = capsys.readouterr().out
    defaults = ("0.003", "0.95", "200", "20", "256")
    for text in (*(f"(default {value})" for value in defaults), "(Parquet)", "training.json"):
        assert text in printed


def test_importing_the_command_imports_no_heavy_library() -> None:
    """`ilgov --help` configures every command."""
    code = (
        "import sys, training.imitation.command, training.imitation.seeds;"
        "sys.exit(bool({'torch', 'onnx', 'rich', 'pyarrow', 'onnxruntime'} & set(sys.modules)))"
    )
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)


_INTERRUPTED = """
import sys
from pathlib import Path
from training.imitation.dataset import read_demonstrations, split_by_application
from training.imitation.fit_data import FitData, FitOptions
from training.imitation.seeds import fit_seeds

if __name__ == "__main__":
    split = split_by_application(read_demonstrations(Path(sys.argv[1])), ["app1"])
    try:
        options = FitOptions(max_epochs=10**6, patience=10**6, batch_size=1024)
        fit_seeds(
            FitData.of(split), seeds=(0, 1), options=options, jobs=2,
            progress=lambda epoch: print(epoch.seed, flush=True),
        )
    except KeyboardInterrupt:
        import multiprocessing
        sys.exit(130 if not multiprocessing.active_children() else 1)
"""


def wait_for_both_seeds(process: subprocess.Popen[str]) -> None:
    """Return when an epoch of either seed has been reported."""
    assert process.stdout is not None
    missing = {"0\n", "1\n"}
    while missing:
        line = process.stdout.readline()
        assert line, process.communicate()[1]
        missing.discard(line)


def test_ctrl_c_ends_all_processes_without_a_word(
    demonstrations_path: Path, tmp_path: Path
) -> None:
    """A terminal sends it to the whole group; only the parent may answer."""
    script = tmp_path / "interrupted.py"
    script.write_text(_INTERRUPTED)
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    with subprocess.Popen(
        [sys.executable, script, demonstrations_path],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        env=environment,
    ) as process:
        wait_for_both_seeds(process)
        for child in psutil.Process(process.pid).children():
            child.send_signal(signal.SIGINT)
        for _ in range(50):  # they go on as if nothing had happened
            wait_for_both_seeds(process)
        os.killpg(process.pid, signal.SIGINT)
        _, errors = process.communicate(timeout=20)
    assert (130, "") == (process.returncode, errors)


def test_a_process_that_dies_is_an_error_with_a_way_out(trained_data: FitData) -> None:
    """The kernel may kill it for memory; waiting for it for ever would be worse."""
    heard: list[int] = []

    def kill_children(epoch: object) -> None:
        import multiprocessing

        heard.append(1)
        for child in multiprocessing.active_children():
            child.kill()

    options = FitOptions(max_epochs=10**6, patience=10**6)
    with pytest.raises(InvalidInput, match=r"\(exit code -9\); .* fewer --jobs help"):
        fit_seeds(trained_data, seeds=(0, 1), options=options, jobs=2, progress=kill_children)
    assert heard


def test_a_failure_in_a_process_is_raised_with_its_reason(trained_data: FitData) -> None:
    """The user sees the same message as without processes, and no traceback of a child."""
    data = FitData(
        training_features=trained_data.training_features,
        training_labels=trained_data.training_labels * 1e30,
        validation_features=trained_data.validation_features,
        validation_labels=trained_data.validation_labels,
    )
    with pytest.raises(TrainingFailed, match=r"loss of seed \d must stay finite"):
        fit_seeds(data, seeds=(0, 1), options=FitOptions(max_epochs=2), jobs=2)


@pytest.fixture
def trained_data(demonstrations_path: Path) -> FitData:
    """Both sides of a split."""
    from training.imitation.dataset import read_demonstrations, split_by_application

    return FitData.of(split_by_application(read_demonstrations(demonstrations_path), ["app1"]))
