"""Tests of ``ilgov npu check``: what is present and right, present and wrong, or absent."""

import argparse
import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from npu_runtime.load import LoadedPolicy
from npu_runtime.policy_file import read_policy_file
from platforms.errors import InvalidInput
from rm.npu import check_command
from rm.npu.choices import choices
from rm.npu.decided import decided
from rm.npu.rows import asked, made_from, read_rows
from tests.npu_runtime.faulty_backend import uneven

SHIPPED = Path(__file__).parents[3] / "rm" / "policies" / "shipped"
FAULTY = "tests.npu_runtime.faulty_backend"

Command = Callable[..., tuple[int, str]]


@pytest.fixture
def check(capsys: pytest.CaptureFixture[str]) -> Command:
    """Run the command; its code and what it printed."""

    def run(*words: object) -> tuple[int, str]:
        parser = argparse.ArgumentParser()
        check_command.configure(parser)
        args = parser.parse_args(["--episodes=0", *map(str, words)])
        return args.run(args), capsys.readouterr().out

    return run


def backends(document: str) -> dict[str, Any]:
    """The back ends in the JSON document, by name."""
    return {one["name"]: one for one in json.loads(document)["back_ends"]}


def test_every_back_end_is_listed_the_absent_ones_with_the_reason(check: Command) -> None:
    """That is no fault: exit code 0."""
    code, output = check()
    assert 0 == code
    for name in ("numpy", "onnxruntime"):
        assert f"\n{name}" in output
    assert "absent  rknn: " in output
    assert "make it with 'ilgov npu convert" in output


def test_json_has_all_figures(check: Command) -> None:
    """Errors in the scores' unit, the range that makes shares of them, choices."""
    code, output = check("--json", "--backend", "numpy", "--backend", "onnxruntime")
    found = backends(output)
    assert (0, ["ok", "ok"]) == (code, [one["verdict"] for one in found.values()])
    parity = found["onnxruntime"]["parity"]
    assert 4008 == parity["rows"]
    assert 0.0 < parity["mean"] < parity["largest"] < 1e-5 * parity["score_range"]
    assert 250 == found["numpy"]["choices"]["made"]


def test_decisions_of_simulated_episodes_are_compared(check: Command) -> None:
    """Through the isolated process, as a governor would ask it."""
    code, output = check("--json", "--episodes", 1, "--backend", "isolated:numpy")
    decisions = backends(output)["isolated:numpy"]["decisions"]
    assert 0 == code
    assert (1, 0) == (decisions["episodes"], decisions["changed"])
    assert decisions["decisions"] > 50


def test_an_accelerator_beside_a_float32_policy_is_judged_with_float32s_last_word(
    check: Command,
) -> None:
    """As the daemon runs it; who has no float32 beside it is judged as it decides by itself."""
    file = read_policy_file(SHIPPED / "topil-hikey970.onnx")
    code, output = check(file.path, "--json", "--episodes", 1, "--backend", f"{FAULTY}:uneven")
    (found,) = backends(output).values()
    assert (0, "float16", 0) == (code, found["precision"], found["decisions"]["changed"])
    alone = decided(LoadedPolicy(file, uneven(file)), 1)
    assert alone is not None
    assert 0 < alone.changed


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ("zeros", "its scores of a known row must be within 5% of their range"),
        ("slightly_off", "scores of the policy's known rows must be within 0.0001"),
        ("crash", "it ended"),
        ("nan", "its scores must be finite"),
    ],
)
def test_one_that_is_present_and_wrong_fails_the_check(
    check: Command, fault: str, words: str
) -> None:
    """Exit code 1, with what is wrong; the others are checked all the same."""
    code, output = check("--backend", f"{FAULTY}:{fault}", "--backend", "numpy")
    assert 1 == code
    assert f"wrong  {FAULTY}:{fault}: " in output
    assert words in output
    assert "\nnumpy" in output


def test_one_that_was_named_and_is_absent_fails_the_check(check: Command) -> None:
    """Who names it, wants it; and it is never said to be active."""
    code, output = check("--json", "--backend", "onnxruntime:QNNExecutionProvider")
    (found,) = backends(output).values()
    assert (1, "absent", "") == (code, found["verdict"], found["device"])
    assert "must have QNNExecutionProvider" in found["reason"]


def test_the_contract_is_checked_in_a_process_of_its_own(check: Command) -> None:
    """What it breaks is listed, whatever happens to that process."""
    code, output = check("--contract", "--backend", "numpy", "--backend", f"{FAULTY}:forgetful")
    assert 1 == code
    assert "kept   numpy: every promise of the contract" in output
    assert re.search(r"wrong  .*forgetful: it breaks \d+ promises", output)
    assert "- run must not write into the rows that it is given" in output


def test_what_a_vendors_library_prints_is_no_broken_promise(check: Command) -> None:
    """Rockchip's does, to standard output."""
    code, output = check("--contract", "--backend", f"{FAULTY}:chatty")
    assert 0 == code
    assert f"kept   {FAULTY}:chatty: every promise of the contract" in output


def test_a_back_end_that_ends_the_contracts_process_keeps_no_promise(check: Command) -> None:
    """It says no word on which promise it breaks."""
    code, output = check("--contract", "--backend", f"{FAULTY}:leaves")
    assert 1 == code
    assert "its process must not end with 1 (the licence is for one call)" in output


def test_the_contracts_process_imports_nothing_from_the_present_folder(
    check: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It may be anybody's, and the user root."""
    (tmp_path / "numpy.py").write_text("raise SystemExit('not ours')")
    monkeypatch.chdir(tmp_path)
    code, output = check("--contract", "--backend", "numpy")
    assert (0, True) == (code, "kept   numpy" in output)


def test_rows_come_from_a_file(check: Command, tmp_path: Path) -> None:
    """As numpy's own or as text; never pickled."""
    file = read_policy_file(SHIPPED / "topil-hikey970.onnx")
    rows, _ = file.metadata.parity_rows()
    np.save(tmp_path / "rows.npy", rows)
    np.savetxt(tmp_path / "rows.csv", rows, delimiter=",")
    for name in ("rows.npy", "rows.csv"):
        path = tmp_path / name
        code, output = check(file.path, "--rows", path, "--json", "--backend", "numpy")
        assert (0, len(rows)) == (code, backends(output)["numpy"]["parity"]["rows"])


@pytest.mark.parametrize(
    ("values", "words"),
    [
        (np.zeros((3, 2)), r"must have 101 columns, one per feature \(got \(3, 2\)\)"),
        (np.full((1, 101), np.nan), "must be finite"),
        (np.array([{}], dtype=object), "must be a .npy or .csv file of numbers"),
        (np.full((1, 101), "one"), "must be a .npy or .csv file of numbers"),
    ],
)
def test_rows_that_do_not_fit_are_refused(tmp_path: Path, values: Any, words: str) -> None:
    """With what is expected; a pickle is not opened."""
    np.save(tmp_path / "rows.npy", values)
    with pytest.raises(InvalidInput, match=words):
        read_rows(tmp_path / "rows.npy", 101)


def test_an_archive_of_arrays_is_no_rows(tmp_path: Path) -> None:
    """Numpy reads it under the other's name too."""
    with (tmp_path / "rows.npy").open("wb") as stream:
        np.savez(stream, rows=np.zeros((1, 101)))
    with pytest.raises(InvalidInput, match=r"must be a \.npy or \.csv file"):
        read_rows(tmp_path / "rows.npy", 101)


def test_a_policy_of_lower_precision_is_judged_by_the_one_beside_it(tmp_path: Path) -> None:
    """Only if it is the very file that it was made from."""
    from npu_runtime.convert.half import to_float16

    path = Path(shutil.copy(SHIPPED / "topil-hikey970.onnx", tmp_path / "policy.onnx"))
    half = tmp_path / "policy.float16.onnx"
    half.write_bytes(to_float16(read_policy_file(path)))
    file = read_policy_file(half)
    assert path == getattr(made_from(file), "path", None)
    assert asked(file, None).origin.startswith("4008, ")
    shutil.copy(SHIPPED / "ilgov-hikey970.onnx", path)
    assert made_from(file) is None
    assert "what it was made from is not beside it" in asked(file, None).origin
    with pytest.raises(InvalidInput, match="--rows must go with a policy whose right scores"):
        asked(file, half)


def test_choices_among_mappings_are_the_coolest_of_sixteen() -> None:
    """Less heat is better; what is left over is left out."""
    heat = np.arange(40, dtype=np.float32)[:, None]
    found = choices(heat, -heat, ("heat_k",))
    assert (2, 1.0, 15.0) == (found.made, found.changed, found.worst_regret)
