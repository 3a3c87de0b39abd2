"""Tests of the contract of back ends: all of ours keep it, and those that break it are found out.

`hiai` runs through its real socket and C program, over the stub of the vendor's library; `rknn`
over a stand-in of the vendor's documented API: there was no NPU. numpy and onnxruntime may not be
missing.
"""

import shutil
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from npu_runtime.contract import (
    PROMISES,
    BrokenBackendContract,
    OpenBackend,
    check_backend,
    check_promise,
    main,
)
from npu_runtime.load import backend_named
from npu_runtime.measure.present import Uncovered
from npu_runtime.numpy_backend import NumpyBackend
from npu_runtime.policy_file import PolicyFile, read_policy_file
from tests.npu_runtime.hiai.stub_npu import Programs, StubNpu, programs, with_artifact
from tests.npu_runtime.test_rknn_backend import library, made  # noqa: F401 - a fixture

ROOT = Path(__file__).parents[2]
SHIPPED = sorted((ROOT / "rm" / "policies" / "shipped").glob("*.onnx"))
FILE = read_policy_file(ROOT / "rm" / "policies" / "shipped" / "ilgov-hikey970.onnx")


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
@pytest.mark.parametrize("name", ["numpy", "onnxruntime", "onnxruntime:CPUExecutionProvider"])
def test_a_back_end_of_the_cpu_keeps_every_promise(name: str, path: Path) -> None:
    """With every shipped policy; through onnxruntime's provider path too."""
    check_backend(backend_named(name), read_policy_file(path))


@pytest.mark.parametrize("name", ["numpy", "onnxruntime"])
def test_an_isolated_back_end_keeps_every_promise(name: str) -> None:
    """Without the CPU that covers for it: what it does not answer is a violation."""
    check_backend(partial(Uncovered, name), FILE)


# --- NPUs, without one ----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Programs:
    """The server and the stub library."""
    return programs(tmp_path_factory.mktemp("hiai"))


@pytest.fixture
def npu(built: Programs, tmp_path: Path) -> Iterator[StubNpu]:
    """A running server of hiai."""
    with StubNpu(built, tmp_path) as running:
        yield running


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_hiai_keeps_every_promise(npu: StubNpu, tmp_path: Path, path: Path) -> None:
    """Through its socket and its C program; the stub rounds to half precision."""
    check_backend(backend_named("hiai"), with_artifact(tmp_path, policy=path))


def test_hiai_isolated_keeps_every_promise(npu: StubNpu, tmp_path: Path) -> None:
    """As the governor uses it."""
    check_backend(partial(Uncovered, "hiai"), with_artifact(tmp_path, policy=FILE.path))


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_rknn_keeps_every_promise(
    library: ModuleType,  # noqa: F811 - the fixture
    tmp_path: Path,
    path: Path,
) -> None:
    """Over the stand-in, which checks types, shapes and the order of calls as the library does."""
    file = read_policy_file(shutil.copy(path, tmp_path / path.name))
    made(file)
    check_backend(backend_named("rknn"), file)


# --- those that break it --------------------------------------------------------------------------


class Broken(NumpyBackend):
    """numpy's back end, with `change` between it and the caller."""

    def __init__(self, file: PolicyFile, change: Callable[["Broken", Any], Any]) -> None:
        self.calls = 0
        self.kept: Any = None
        super().__init__(file)
        self._change = change

    def run(self, rows: Any) -> Any:
        """The scores as the change leaves them."""
        self.calls += 1
        return self._change(self, rows) if hasattr(self, "_change") else super().run(rows)

    def sound(self, rows: Any) -> Any:
        """The right scores."""
        return super().run(rows)


def perturbed(backend: Broken, rows: Any) -> Any:
    """As with a weight that is 1 % off."""
    return backend.sound(rows * np.float32(1.01))


def drifting(backend: Broken, rows: Any) -> Any:
    """A little more with every call."""
    return backend.sound(rows) * np.float32(1.0 + 2e-6 * backend.calls)


def writing(backend: Broken, rows: Any) -> Any:
    """Scales its features in place."""
    rows *= np.float32(2.0)
    return backend.sound(rows / np.float32(2.0))


def reusing(backend: Broken, rows: Any) -> Any:
    """Answers out of one buffer."""
    scores = backend.sound(rows)
    if backend.kept is None or backend.kept.shape != scores.shape:
        backend.kept = scores
    backend.kept[:] = scores
    return backend.kept


def leading(backend: Broken, rows: Any) -> Any:
    """Lets the last row into all others, as a sum over the batch would."""
    scores = backend.sound(rows)
    return scores + np.float32(0.01) * scores[-1]


def sorting(backend: Broken, rows: Any) -> Any:
    """Gives the scores in an order of its own."""
    scores = backend.sound(rows)
    return scores[np.argsort(rows.sum(axis=1))]


def double(backend: Broken, rows: Any) -> Any:
    """Answers in float64."""
    return backend.sound(rows).astype(np.float64)


def by_memory(backend: Broken, rows: Any) -> Any:
    """Takes the memory as it lies, as a C library does that is given a pointer."""
    flat = np.lib.stride_tricks.as_strided(rows, rows.shape, (4 * rows.shape[1], 4))
    return backend.sound(flat.copy())


@pytest.mark.parametrize(
    ("change", "promise"),
    [
        (perturbed, "known rows get the training's scores"),
        (drifting, "the same rows get the same scores"),
        (writing, "rows stay as they are"),
        (reusing, "scores are the caller's"),
        (leading, "padding does not disturb"),
        (leading, "a row's scores do not depend on the batch"),
        (sorting, "rows in another order get their scores in that order"),
        (double, "every batch gives a matrix of float32"),
        (by_memory, "any layout in memory does"),
    ],
)
def test_a_back_end_that_breaks_a_promise_is_found_out(
    change: Callable[[Broken, Any], Any], promise: str
) -> None:
    """Or keeping it would prove nothing."""

    def open_backend(file: PolicyFile) -> Broken:
        return Broken(file, change)

    with pytest.raises(BrokenBackendContract, match="open_backend breaks"):
        check_promise(promise, open_backend, FILE)
    with pytest.raises(BrokenBackendContract):
        check_backend(open_backend, FILE)


def altered(promise: str) -> OpenBackend:
    """A back end that is wrong in another way than by its scores."""

    class Altered(NumpyBackend):
        def __init__(self, file: PolicyFile) -> None:
            super().__init__(file)
            if promise == "capabilities fit together":
                self.capabilities = self.capabilities.__replace__(precision="float64")  # type: ignore[attr-defined]
            if promise == "closing frees all":
                self.left = (ROOT / "README.md").open()
                LEFT.append(self.left)

        def warm_up(self, batch: int) -> None:
            if promise == "warming up changes nothing":
                (self._steps, self._before) = ((lambda rows: np.zeros((len(rows), 1), "f4"),), 0)

        def close(self) -> None:
            if promise == "two can be open":
                SHARED.clear()
            super().close()

        def run(self, rows: Any) -> Any:
            if promise == "two can be open" and "device" not in SHARED:
                raise OSError("the device is gone")
            return super().run(rows)

    SHARED["device"] = 1
    return Altered


LEFT: list[Any] = []
SHARED: dict[str, int] = {}


@pytest.mark.parametrize(
    ("promise", "words"),
    [
        ("capabilities fit together", "capabilities.precision must be one of float32, float16"),
        ("closing frees all", "close must free its descriptors"),
        ("warming up changes nothing", "warm_up must not change later scores"),
        ("two can be open", "OSError: the device is gone"),
    ],
)
def test_what_scores_do_not_show_is_found_out(promise: str, words: str) -> None:
    """Leaks, one device for two, capabilities that contradict."""
    try:
        with pytest.raises(BrokenBackendContract) as caught:
            check_promise(promise, altered(promise), FILE)
        assert words in str(caught.value)
    finally:
        for stream in LEFT:
            stream.close()
        LEFT.clear()


def test_every_promise_has_a_back_end_here_that_breaks_it() -> None:
    """A new promise needs its own."""
    marks = (
        test_a_back_end_that_breaks_a_promise_is_found_out.pytestmark
        + test_what_scores_do_not_show_is_found_out.pytestmark
    )
    broken = {value for mark in marks for row in mark.args[1] for value in row if value in PROMISES}
    assert set(PROMISES) == broken


def test_one_that_cannot_be_opened_or_raises_is_told_of(capsys: pytest.CaptureFixture[str]) -> None:
    """Not a traceback of somebody else's code."""

    def raising(backend: Broken, rows: Any) -> Any:
        raise RuntimeError("out of memory")

    with pytest.raises(BrokenBackendContract, match=r"must not raise .RuntimeError: out of memory"):
        check_backend(lambda file: Broken(file, raising), FILE)
    with pytest.raises(BrokenBackendContract, match=r"must open the policy .ZeroDivisionError"):
        check_backend(lambda file: 1 / 0, FILE)  # type: ignore[arg-type,return-value]


def test_the_module_checks_a_back_end_by_name(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the command runs in a process of its own."""
    monkeypatch.setattr("sys.argv", ["contract", "numpy", str(FILE.path)])
    assert 0 == main()
    name = "tests.npu_runtime.faulty_backend:zeros"
    monkeypatch.setattr("sys.argv", ["contract", name, str(FILE.path)])
    assert 1 == main()
    assert "the scores of the policy's known rows must be the training's" in capsys.readouterr().out
