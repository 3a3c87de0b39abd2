"""Tests of the back end rknn, over a stand-in that has the real library's signatures and manners.

No RK3588 was at hand. What the toolkit's simulator says is in convert/test_rknn.py.
"""

import inspect
import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from npu_runtime.convert.artifact_writer import Made, write_artifact
from npu_runtime.convert.layers_onnx import layers_onnx
from npu_runtime.errors import BackendUnavailable, BadOutput, DamagedArtifact, MissingArtifact
from npu_runtime.isolation import IsolatedBackend
from npu_runtime.layers import layered_network
from npu_runtime.load import check_parity, check_shapes, open_policy
from npu_runtime.policy_file import PolicyFile, read_policy_file
from npu_runtime.rknn_backend import RknnBackend

ROOT = Path(__file__).parents[2]
STANDIN = Path(__file__).parent / "rknn_standin"
FAULT = "RKNN_STANDIN_FAULT"
READY_S, PATIENT_S = 20.0, 5.0


@pytest.fixture
def library(monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    """The stand-in, in place of the library: for this process and for those that it starts."""
    monkeypatch.syspath_prepend(STANDIN)
    monkeypatch.setenv("PYTHONPATH", f"{STANDIN}{os.pathsep}{ROOT}")
    import rknnlite.api

    rknnlite.api.calls.clear()
    yield rknnlite.api
    for name in ("rknnlite", "rknnlite.api"):
        del sys.modules[name]


def made(file: PolicyFile, form: str = "rknn", *, batch: int = 9) -> None:
    """Write the artifact that the stand-in runs."""
    network = layered_network(file)
    write_artifact(
        file,
        network,
        Made(
            target="rk3588",
            format=form,  # type: ignore[arg-type]
            files={form: layers_onnx(network, batch)},
            precision="float16",
            batch=batch,
            made_by="a test",
        ),
        folder=file.path.parent,
    )


@pytest.fixture(params=["ilgov-hikey970", "topil-hikey970"])
def policy(request: pytest.FixtureRequest, tmp_path: Path) -> PolicyFile:
    """A shipped policy in a folder of its own, with an artifact beside it."""
    shipped = ROOT / "rm" / "policies" / "shipped" / f"{request.param}.onnx"
    file = read_policy_file(shutil.copy(shipped, tmp_path / "policy.onnx"))
    made(file)
    return file


def test_its_scores_are_the_policys_to_half_precision(
    library: ModuleType, policy: PolicyFile
) -> None:
    """Raw features of a million and more are scaled before they become float16."""
    backend = RknnBackend(policy)
    check_shapes(policy, backend)
    rows, expected = policy.metadata.parity_rows()
    found = backend.run(np.concatenate([rows, rows[:1]]))[:8]
    assert np.float32 == found.dtype
    off = np.abs(found - expected).max() / np.ptp(expected)
    assert 0 < off < 5e-3
    backend.close()


def test_it_takes_the_artifacts_number_of_rows_alone(
    library: ModuleType, policy: PolicyFile
) -> None:
    """Whoever calls it fills the batch; the library refuses anything else by returning None."""
    rows, _ = policy.metadata.parity_rows()
    with pytest.raises(BadOutput, match="got None"):
        RknnBackend(policy).run(rows[:8])
    made(policy, batch=8)
    assert (8, len(policy.metadata.outputs)) == RknnBackend(policy).run(rows[:8]).shape


def test_it_says_what_it_is_by_the_versions_of_runtime_and_driver(
    library: ModuleType, policy: PolicyFile
) -> None:
    """Never by what was asked for."""
    able = RknnBackend(policy).capabilities
    assert "RK3588 NPU core 0 (API: 2.5.0 (686ab84), DRV: 0.9.8)" == able.device
    assert ("rknn", "float16", 9, False) == (
        able.name,
        able.precision,
        able.max_batch,
        able.dynamic_batch,
    )


def test_every_input_is_float32_and_one_core_is_used(
    library: ModuleType, policy: PolicyFile
) -> None:
    """The library takes rows for bytes otherwise; core 0 leaves the other two to other programs."""
    backend = RknnBackend(policy)
    backend.warm_up(9)
    backend.close()
    expected = ["load_rknn", "init_runtime on 1", "get_sdk_version", "inference of float32"]
    assert [*expected, "release"] == library.calls


@pytest.mark.parametrize("call", ["load_rknn", "init_runtime"])
def test_a_return_code_that_is_not_zero_is_an_error(
    library: ModuleType, policy: PolicyFile, call: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The library raises nothing; what it holds by then is released."""
    monkeypatch.setenv(FAULT, call)
    with pytest.raises(BackendUnavailable, match=rf"RKNNLite.{call} must return 0 \(got -1\)"):
        RknnBackend(policy)
    assert "release" == library.calls[-1]


@pytest.mark.parametrize("fault", ["get_sdk_version", "no driver"])
def test_without_the_versions_nothing_proves_that_an_npu_is_there(
    library: ModuleType, policy: PolicyFile, fault: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """None, or a text without them."""
    monkeypatch.setenv(FAULT, fault)
    with pytest.raises(BackendUnavailable, match="must tell versions of runtime and driver"):
        RknnBackend(policy)
    assert "release" == library.calls[-1]


def test_an_answer_of_another_shape_is_refused(
    library: ModuleType, policy: PolicyFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Or a policy of eight outputs would get what another model computed."""
    monkeypatch.setenv(FAULT, "wide")
    with pytest.raises(BadOutput, match=r"must have the shape \(9, \d\) \(got \(9, \d+\)\)"):
        RknnBackend(policy).warm_up(9)


def test_it_needs_an_artifact_of_this_very_policy(library: ModuleType, policy: PolicyFile) -> None:
    """And says how to make one."""
    for path in policy.path.parent.glob("*.rk3588.*"):
        path.unlink()
    with pytest.raises(MissingArtifact, match=r"ilgov npu convert .* --target rk3588"):
        RknnBackend(policy)
    made(policy, "caffe")
    with pytest.raises(DamagedArtifact, match=r"of the format rknn \(got caffe\)"):
        RknnBackend(policy)
    assert [] == library.calls


def test_without_the_library_it_says_what_to_install(
    policy: PolicyFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on every machine but a Rockchip board."""
    monkeypatch.setitem(sys.modules, "rknnlite", None)
    with pytest.raises(BackendUnavailable, match="pip install rknn-toolkit-lite2"):
        RknnBackend(policy)


def isolated(file: PolicyFile) -> IsolatedBackend:
    """The back end by its name, in its own process, once it is ready or given up."""
    backend = open_policy(file, backend="rknn", deadline_s=PATIENT_S).backend
    assert isinstance(backend, IsolatedBackend)
    return backend


def test_it_always_runs_in_a_process_of_its_own(library: ModuleType, policy: PolicyFile) -> None:
    """Any number of rows, and the canary among them."""
    backend = isolated(policy)
    try:
        assert backend.wait_until_ready(READY_S), backend.degraded
        check_parity(policy, backend.fallback)
        rows, expected = policy.metadata.parity_rows()
        for count in (1, 8):
            found = backend.run(rows[:count])
            assert np.abs(found - expected[:count]).max() / np.ptp(expected) < 5e-3
        assert (2, 0) == (backend.counts.answers, backend.counts.by_fallback)
        assert "rknn" == backend.capabilities.name
        assert [] == library.calls
    finally:
        backend.close()


@pytest.mark.parametrize("fault", ["zeros", "nan"])
def test_wrong_answers_are_the_cpus_to_correct(
    library: ModuleType, policy: PolicyFile, fault: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The canary's scores give them away."""
    monkeypatch.setenv(FAULT, fault)
    backend = isolated(policy)
    try:
        assert backend.wait_until_ready(READY_S), backend.degraded
        rows, expected = policy.metadata.parity_rows()
        assert backend.run(rows) == pytest.approx(expected, rel=1e-4, abs=1e-3)
        assert (1, 1) == (backend.counts.wrong, backend.counts.by_fallback)
    finally:
        backend.close()


def test_the_stand_in_has_the_real_ones_signatures(library: ModuleType) -> None:
    """Copied from the wheel: a call that the real library would refuse fails here as well."""
    real = {
        "__init__": {"verbose": False, "verbose_file": None},
        "load_rknn": {"path": inspect.Parameter.empty, "key_path": None},
        "init_runtime": {"target": None, "device_id": None, "async_mode": False, "core_mask": 0},
        "inference": {
            "inputs": inspect.Parameter.empty,
            "data_type": None,
            "data_format": None,
            "inputs_pass_through": None,
            "get_frame_id": False,
            "reuse_outputs": False,
        },
        "get_sdk_version": {},
        "release": {},
    }
    ours = {name: inspect.signature(getattr(library.RKNNLite, name)).parameters for name in real}
    assert real == {
        name: {key: parameter.default for key, parameter in found.items() if key != "self"}
        for name, found in ours.items()
    }
