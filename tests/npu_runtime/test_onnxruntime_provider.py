"""Tests of onnxruntime's providers: what does not run there is refused, never run on the CPU.

No accelerator was at hand; the CPU's own provider goes the same way, assignment proof included.
"""

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from npu_runtime import onnxruntime_provider as provider_module
from npu_runtime.accelerators import accelerators
from npu_runtime.errors import BackendUnavailable
from npu_runtime.load import backend_named, check_backend_name, check_parity, open_policy
from npu_runtime.measure.present import opened
from npu_runtime.onnxruntime_provider import CPU, PLUGIN, ROWS, ProviderBackend, opener
from npu_runtime.policy_file import read_policy_file

ROOT = Path(__file__).parents[2]
FILE = read_policy_file(ROOT / "rm" / "policies" / "shipped" / "ilgov-hikey970.onnx")
QNN = "QNNExecutionProvider"


def test_the_cpu_by_this_way_is_proved_node_by_node() -> None:
    """In calls of a fixed size, with the features scaled before."""
    backend = ProviderBackend(FILE, CPU)
    check_parity(FILE, backend)
    able = backend.capabilities
    assert (f"onnxruntime:{CPU}", "cpu", ROWS) == (able.name, able.device, able.max_batch)
    assert not able.dynamic_batch


def test_it_is_isolated_whether_or_not_that_is_said() -> None:
    """A vendor's code runs in it."""
    subject = opened(FILE, f"onnxruntime:{CPU}")
    rows, expected = FILE.metadata.parity_rows()
    np.testing.assert_allclose(subject.run(rows), expected, atol=1e-4)
    assert "cpu, isolated" == subject.backend.capabilities.device
    assert subject.failure() is None
    subject.close()


@pytest.mark.parametrize("provider", [QNN, "CUDAExecutionProvider", "Nonsense"])
def test_a_provider_that_onnxruntime_lacks_is_refused(provider: str) -> None:
    """The library itself would warn and take the CPU."""
    with pytest.raises(BackendUnavailable, match=rf"must have {provider} \(it has .*CPU"):
        ProviderBackend(FILE, provider)


def test_a_provider_that_leaves_the_network_to_the_cpu_is_refused(
    capfd: pytest.CaptureFixture[str],
) -> None:
    """Azure's is in the wheel, and takes none of our operators: a real fallback, refused."""
    with pytest.raises(
        BackendUnavailable, match=r"must run the whole network .*fallback to CPU EP"
    ):
        ProviderBackend(FILE, "AzureExecutionProvider")


def test_one_that_is_absent_is_never_said_to_be_active(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The CPU answers, under its own name, and the reason is told."""
    policy = open_policy(FILE, backend=f"onnxruntime:{QNN}")
    backend: Any = policy.backend
    while backend.degraded is None:
        backend.wait_until_ready(0.05)
    rows, expected = FILE.metadata.parity_rows()
    np.testing.assert_allclose(policy.run(rows), expected, atol=1e-4)
    assert ("numpy", "cpu") == (policy.capabilities.name, policy.capabilities.device)
    assert f"must have {QNN}" in backend.degraded
    policy.close()


class Session:
    """What a session says of itself."""

    def __init__(self, providers: list[str], assigned: list[str] | None) -> None:
        self.get_providers = lambda: providers
        if assigned is not None:
            info = [SimpleNamespace(ep_name=name) for name in assigned]
            self.get_provider_graph_assignment_info = lambda: info


@pytest.mark.parametrize(
    ("session", "words"),
    [
        (Session([CPU], [CPU]), rf"the session must run on {QNN} \(got {CPU}\)"),
        (Session([QNN, CPU], [QNN, CPU]), rf"every node must be assigned to {QNN} \(got {CPU}\)"),
        (Session([QNN], []), r"every node must be assigned .*\(got none\)"),
        (Session([QNN], None), "must be proved, which needs a newer onnxruntime"),
    ],
)
def test_nothing_but_the_assignment_of_every_node_is_a_proof(session: Session, words: str) -> None:
    """Neither what was asked for nor what the session lists."""
    with pytest.raises(BackendUnavailable, match=words):
        provider_module._prove(session, QNN)
    provider_module._prove(Session([QNN, CPU], [QNN, QNN]), QNN)


# --- plug-ins -------------------------------------------------------------------------------------


class FakeOnnxRuntime:
    """onnxruntime with a plug-in's provider, as far as it is asked here."""

    __version__ = "1.32.0"
    ExecutionMode = SimpleNamespace(ORT_SEQUENTIAL=0)

    def __init__(self, *, devices: list[str], assigned: list[str]) -> None:
        self.registered: list[tuple[str, str]] = []
        self.entries: dict[str, str] = {}
        self.options: tuple[Any, ...] = ()
        self._devices = devices
        self._assigned = assigned

    def SessionOptions(self) -> Any:  # noqa: N802 - the library's own name
        """Options that are noted."""
        return SimpleNamespace(
            add_session_config_entry=self.entries.__setitem__,
            add_provider_for_devices=lambda *given: setattr(self, "options", given),
        )

    def register_execution_provider_library(self, name: str, path: str) -> None:
        """Noted."""
        self.registered.append((name, path))

    def get_ep_devices(self) -> list[Any]:
        """Those that the plug-in finds."""
        return [SimpleNamespace(ep_name=name) for name in self._devices]

    def get_available_providers(self) -> list[str]:
        """A plug-in's are not among them."""
        return [CPU]

    def InferenceSession(self, network: bytes, options: Any, **given: Any) -> Any:  # noqa: N802
        """A session that says what it was assigned to."""
        assert not given, "a plug-in's provider must not be asked for by name"
        session: Any = Session([QNN], self._assigned)
        session.get_inputs = lambda: [SimpleNamespace(name="features")]
        return session


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> Callable[..., FakeOnnxRuntime]:
    """Put a fake library in place of onnxruntime."""

    def replaced(**given: Any) -> FakeOnnxRuntime:
        library = FakeOnnxRuntime(**given)
        monkeypatch.setattr(provider_module, "imported", lambda: library)
        return library

    return replaced


def test_a_plug_in_is_registered_and_its_devices_are_used(
    fake: Callable[..., FakeOnnxRuntime], monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the fallback switched off, and the provider's own options out of the environment."""
    library = fake(devices=[CPU, QNN], assigned=[QNN])
    monkeypatch.setenv(PLUGIN, f"{QNN}=/usr/lib/libqnn.so")
    monkeypatch.setenv("ILGOV_ONNXRUNTIME_OPTIONS", "backend_path=libQnnHtp.so")
    backend = opener(f"onnxruntime:{QNN}")(FILE)
    assert [(QNN, "/usr/lib/libqnn.so")] == library.registered
    assert "1" == library.entries["session.disable_cpu_ep_fallback"]
    devices, options = library.options
    assert [QNN] == [device.ep_name for device in devices]
    assert {"backend_path": "libQnnHtp.so"} == options
    assert (QNN, "float16") == (backend.capabilities.device, backend.capabilities.precision)


def test_a_plug_in_without_its_device_is_refused(fake: Callable[..., FakeOnnxRuntime]) -> None:
    """As OpenVINO's plug-in, on a machine that is none of its vendor's."""
    fake(devices=[CPU], assigned=[])
    with pytest.raises(BackendUnavailable, match="must find its device on this machine"):
        ProviderBackend(FILE, QNN, plugin=Path("libqnn.so"))


def test_a_plug_in_that_is_no_library_is_refused(tmp_path: Path) -> None:
    """By the real onnxruntime: there is none at this path."""
    with pytest.raises(BackendUnavailable, match=f"{PLUGIN} must name a plug-in's library"):
        ProviderBackend(FILE, QNN, plugin=tmp_path / "no.so")


def test_the_plug_in_of_another_provider_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """The environment names one."""
    monkeypatch.setenv(PLUGIN, "Other=/nowhere/lib.so")
    check_parity(FILE, backend_named(f"onnxruntime:{CPU}")(FILE))
    check_backend_name(f"onnxruntime:{QNN}")


# --- what a machine has ---------------------------------------------------------------------------


@pytest.fixture
def beside(tmp_path: Path) -> Callable[..., Any]:
    """The shipped policy in a folder, with these sidecars beside it."""

    def placed(*targets: str) -> Any:
        path = tmp_path / "policy.onnx"
        path.write_bytes(FILE.content)
        for target in targets:
            (tmp_path / f"policy.{target}.json").write_text("{}")
        return read_policy_file(path)

    return placed


def named(found: Any) -> dict[str, str | None]:
    """What each accelerator lacks."""
    return {one.name: one.lacks for one in found}


def test_a_machine_without_accelerators_has_none(
    beside: Callable[..., Any], tmp_path: Path
) -> None:
    """As this one."""
    assert () == accelerators(beside(), root=tmp_path)


def test_what_was_made_but_cannot_run_here_is_told(
    beside: Callable[..., Any], tmp_path: Path
) -> None:
    """The artifact without the runtime."""
    found = named(accelerators(beside("rk3588", "kirin970"), root=tmp_path))
    assert "rknnlite, librknnrt.so" == found["rknn"]
    assert str(found["hiai"]).startswith("its server at ")


def test_what_could_run_but_was_not_made_is_told(
    beside: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The runtime without the artifact; with both it is usable."""
    (tmp_path / "rknnlite").mkdir()
    (tmp_path / "rknnlite" / "__init__.py").touch()
    (tmp_path / "usr" / "lib").mkdir(parents=True)
    (tmp_path / "usr" / "lib" / "librknnrt.so").touch()
    monkeypatch.syspath_prepend(tmp_path)
    (lacking,) = accelerators(beside(), root=tmp_path)
    assert "policy.rk3588.json; 'ilgov npu convert --target rk3588' makes it" == lacking.lacks
    (usable,) = accelerators(beside("rk3588"), root=tmp_path)
    assert ("rknn", None) == (usable.name, usable.lacks)
    assert "policy.rk3588.json, rknnlite, librknnrt.so" == usable.found


def test_a_plug_in_that_the_environment_names_is_an_accelerator(
    beside: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If its library is there."""
    monkeypatch.setenv(PLUGIN, f"{QNN}={tmp_path}/libqnn.so")
    assert {f"onnxruntime:{QNN}": f"{tmp_path}/libqnn.so"} == named(accelerators(beside()))
    (tmp_path / "libqnn.so").touch()
    assert {f"onnxruntime:{QNN}": None} == named(accelerators(beside()))
