"""Tests of docs/npu.md: its example keeps the contract, and what it lists is what there is."""

import re
from pathlib import Path
from typing import Any

import pytest

from npu_runtime.contract import PROMISES, check_backend, check_promise
from npu_runtime.isolation import FIRST_PAUSE_S, LONGEST_PAUSE_S, START_S
from npu_runtime.load import AUTO, BACKENDS, ISOLATED_BACKENDS, PARITY_TOLERANCE
from npu_runtime.onnxruntime_provider import OPTIONS, PLUGIN
from npu_runtime.policy_file import read_policy_file
from npu_runtime.trial import CALLS, OF_THE_DEADLINE

ROOT = Path(__file__).parents[3]
TEXT = (ROOT / "docs" / "npu.md").read_text()
FILE = read_policy_file(ROOT / "rm" / "policies" / "shipped" / "topil-hikey970.onnx")


def code(number: int) -> str:
    """A block of Python."""
    return re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)[number]


def first_cells(before: str) -> list[str]:
    """The first column of the table that ends right before this text."""
    lines = TEXT.partition(before)[0].rstrip().rpartition("\n\n")[2].splitlines()
    return [line.split("|")[1].strip() for line in lines[2:]]


@pytest.fixture(scope="module")
def example() -> Any:
    """The back end that the page writes."""
    names: dict[str, Any] = {}
    exec(code(0), names)
    return names["PlainBackend"]


def test_the_example_keeps_the_contract(example: Any) -> None:
    """Whoever begins with it begins well."""
    check_backend(example, FILE)


def test_the_example_of_a_test_is_one(example: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """As it stands there, on a policy file in the present folder."""
    monkeypatch.chdir(FILE.path.parent)
    names: dict[str, Any] = {"PlainBackend": example}
    exec(code(1).replace("policy.onnx", FILE.path.name), names)
    assert check_promise is names["check_promise"]
    names["test_the_back_end"](PROMISES[0])


def test_every_promise_and_every_back_end_is_listed() -> None:
    """And no other."""
    assert list(PROMISES) == first_cells("That two threads may call it")
    listed = first_cells("`onnxruntime:QNNExecutionProvider` asks")
    named = {*BACKENDS, *ISOLATED_BACKENDS, AUTO}
    assert named == {cell.strip("`") for cell in listed if re.fullmatch(r"`\w+`", cell)}


def test_its_constants_are_those_of_the_code() -> None:
    """Numbers that somebody may change there."""
    assert (5, 0.5) == (CALLS, OF_THE_DEADLINE)
    assert "After five periods" in TEXT
    tolerances = [PARITY_TOLERANCE[name] for name in ("float32", "float16", "int8")]
    assert [0.0001, 0.005, 0.05] == tolerances
    assert (0.5, 60.0, 10.0) == (FIRST_PAUSE_S, LONGEST_PAUSE_S, START_S)
    assert f"`{PLUGIN}=" in TEXT
    assert f'`{OPTIONS}="' in TEXT


def test_there_are_ten_things_to_verify_on_an_rk3588() -> None:
    """Numbered."""
    section = TEXT.partition("### Ten things to verify first on an RK3588")[2]
    assert [str(n) for n in range(1, 11)] == re.findall(r"^(\d+)\. ", section, re.MULTILINE)
