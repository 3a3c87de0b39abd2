"""Tests of the back end `hiai`, through its socket and the program in C, over the stub library."""

import os
import re
import socket
from pathlib import Path

import numpy as np
import pytest

from npu_runtime import hiai_connection
from npu_runtime.errors import (
    BackendUnavailable,
    DamagedArtifact,
    MissingArtifact,
    StaleArtifact,
)
from npu_runtime.hiai_backend import HiaiBackend
from npu_runtime.hiai_connection import SOCKET_VARIABLE
from npu_runtime.layers import layered_network
from npu_runtime.load import (
    ISOLATED_BACKENDS,
    PARITY_TOLERANCE,
    backend_named,
    check_shapes,
    run_in_batches,
)
from npu_runtime.policy_file import PolicyFile
from tests.npu_runtime.hiai.stub_npu import BATCH, ROOT, SOURCES, Programs, StubNpu, with_artifact

HALF_TOLERANCE = PARITY_TOLERANCE["float16"]


def off(file: PolicyFile, found: np.ndarray, expected: np.ndarray) -> float:
    """The largest difference, as a share of the scores' range."""
    return float(np.abs(found - expected).max() / np.ptp(file.metadata.parity_rows()[1]))


def random_rows(file: PolicyFile, count: int) -> np.ndarray:
    """Rows within the ranges of the policy's features."""
    low, high = (
        np.array([getattr(feature, end) for feature in file.metadata.features])
        for end in ("low", "high")
    )
    rng = np.random.default_rng(7)
    return (low + (high - low) * rng.random((count, len(low)))).astype(np.float32)


def half_precision_scores(file: PolicyFile, rows: np.ndarray) -> np.ndarray:
    """What numpy gives with weights, and what flows between layers, rounded to float16."""
    network = layered_network(file)
    values = network.normalised(rows).astype(np.float16)
    for layer in network.layers:
        weight, bias = (part.astype(np.float16).astype("f4") for part in (layer.weight, layer.bias))
        sums = values.astype(np.float32) @ weight + bias
        values = (np.maximum(sums, 0) if layer.relu else sums).astype(np.float16)
    return values.astype(np.float32)


def test_it_scores_the_parity_rows_as_the_training_did_within_half_precision(
    npu: StubNpu, file: PolicyFile
) -> None:
    """And not more exactly: it is the stub that computes, not the CPU's float32."""
    backend = HiaiBackend(file)
    check_shapes(file, backend)
    rows, expected = file.metadata.parity_rows()
    found = run_in_batches(backend, rows)
    backend.close()
    assert 1e-6 < off(file, found, expected) < HALF_TOLERANCE


def test_it_computes_what_numpy_computes_in_half_precision(npu: StubNpu, file: PolicyFile) -> None:
    """On any rows; sums in another order may round the other way, by one step of 11 bits."""
    backend = HiaiBackend(file)
    rows = random_rows(file, 200)
    expected, found = half_precision_scores(file, rows), run_in_batches(backend, rows)
    backend.close()
    np.testing.assert_allclose(found, expected, rtol=2e-3, atol=2e-3)
    assert (found == expected).mean() > 0.5


@pytest.mark.parametrize("count", [1, BATCH - 1, BATCH, BATCH + 1, 40])
def test_any_number_of_rows_goes_in_batches_of_the_artifact(
    npu: StubNpu, file: PolicyFile, count: int
) -> None:
    """A row's scores do not depend on who is beside it."""
    backend = HiaiBackend(file)
    rows = random_rows(file, 40)
    all_of_them = run_in_batches(backend, rows)
    np.testing.assert_array_equal(all_of_them[:count], run_in_batches(backend, rows[:count]))
    backend.close()


def test_it_says_what_it_is_from_what_the_library_reports(npu: StubNpu, file: PolicyFile) -> None:
    """Neither version nor device is of our own making."""
    backend = HiaiBackend(file)
    able = backend.capabilities
    backend.close()
    assert ("hiai", "100.150.010.010", "npu (HiAI 100.150.010.010)", "float16") == (
        able.name,
        able.version,
        able.device,
        able.precision,
    )
    assert (BATCH, False) == (able.max_batch, able.dynamic_batch)


def test_all_is_given_back_to_the_library_when_the_client_hangs_up(
    npu: StubNpu, file: PolicyFile
) -> None:
    """In an order that the strictest reading of the sources allows; the stub aborts otherwise."""
    for count in (1, 2, 3):
        backend = HiaiBackend(file)
        backend.warm_up(BATCH)
        backend.close()
        npu.wait_for("stub: all is given back", count)
    assert "broken rule" not in npu.log


def test_caffe_files_are_compiled_on_the_device(npu: StubNpu, tmp_path: Path) -> None:
    """Those that the conversion writes; and the compiled model stays, for the user."""
    file = with_artifact(tmp_path, made_of="caffe")
    backend = HiaiBackend(file)
    rows, expected = file.metadata.parity_rows()
    assert off(file, run_in_batches(backend, rows), expected) < HALF_TOLERANCE
    backend.close()
    npu.wait_for("stub: all is given back")
    assert npu.compiled.read_bytes().startswith(b"STUB")


def test_a_library_without_optional_symbols_runs_compiled_models(
    built: Programs, tmp_path: Path
) -> None:
    """It cannot compile Caffe's, and that is said with the way out."""
    with StubNpu(built, tmp_path, library=built.minimal_library) as npu:
        file = with_artifact(tmp_path)
        backend = HiaiBackend(file)
        rows, expected = file.metadata.parity_rows()
        assert off(file, run_in_batches(backend, rows), expected) < HALF_TOLERANCE
        backend.close()
        npu.wait_for("stub: all is given back")
        message = r"must be able to compile Caffe models .*100\.150\.010\.010.* vendor's converter"
        with pytest.raises(BackendUnavailable, match=message):
            HiaiBackend(with_artifact(tmp_path, made_of="caffe"))


@pytest.mark.parametrize(
    ("mode", "words"),
    [
        ("version-zeros", r"must not give 000\.000\.000\.000: there is no NPU"),
        ("version-odd", "HIAI_GetVersion must give digits and dots"),
        ("no-manager", "the library must give a model manager"),
        ("no-buffer", r"the library must take the model's \d+ bytes"),
        ("no-tensor", "the library must give a tensor of 756 bytes"),
        ("short-tensor", r"a tensor \(9,21,1,1\) must have 756 bytes \(got 752\)"),
        ("two-inputs", r"must have one input and one output \(got 2 and 1\)"),
        ("load-fails", r"loadFromModelBuffers must not fail \(got -1\)"),
        ("load-crashes", "ended its process by signal 11"),
    ],
)
def test_what_the_library_refuses_is_a_typed_error_with_its_words(
    npu: StubNpu, file: PolicyFile, mode: str, words: str
) -> None:
    """And the server serves on, with everything given back."""
    npu.restart(mode)
    with pytest.raises(BackendUnavailable, match=words):
        HiaiBackend(file)
    if mode not in ("version-zeros", "version-odd", "no-manager", "load-crashes"):
        npu.wait_for("stub: all is given back")
    assert "broken rule" not in npu.log
    npu.restart("sound")
    HiaiBackend(file).close()


def test_positive_codes_are_task_stamps(npu: StubNpu, file: PolicyFile) -> None:
    """One header of the vendor says so; loading, running and unloading go on."""
    npu.restart("stamps")
    backend = HiaiBackend(file)
    rows, expected = file.metadata.parity_rows()
    for _ in range(3):
        assert off(file, run_in_batches(backend, rows), expected) < HALF_TOLERANCE
    backend.close()
    npu.wait_for("stub: all is given back")


def test_a_positive_code_that_was_an_error_after_all_gives_no_old_scores(
    npu: StubNpu, file: PolicyFile
) -> None:
    """Another header can be read so; then nothing was computed, and what comes is no number."""
    npu.restart("positive-error")
    backend = HiaiBackend(file)
    rows = random_rows(file, BATCH)
    assert np.isfinite(backend.run(rows)).all()
    assert np.isnan(backend.run(rows)).all()
    backend.close()


def test_a_run_that_fails_is_an_error_with_the_code(npu: StubNpu, file: PolicyFile) -> None:
    """The vendor's number, for those who look it up."""
    npu.restart("run-fails")
    backend = HiaiBackend(file)
    backend.warm_up(BATCH)
    with pytest.raises(BackendUnavailable, match=r"runModel must not fail \(got -5\)"):
        backend.warm_up(BATCH)
    backend.close()


def test_without_a_server_the_way_out_is_told(
    file: PolicyFile, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where it was looked for, how to start it, and how to name another place."""
    missing = tmp_path / "none.sock"
    monkeypatch.setenv(SOCKET_VARIABLE, str(missing))
    message = rf"needs its server at {missing} .*hiai/README\.md .*{SOCKET_VARIABLE}"
    with pytest.raises(BackendUnavailable, match=message):
        HiaiBackend(file)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can listen as another user")
def test_a_server_of_another_user_is_not_trusted(
    file: PolicyFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An abstract name can be taken by anybody who is faster."""
    name = f"ilgov-{os.getpid()}-other"
    monkeypatch.setenv(SOCKET_VARIABLE, "@" + name)
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as listener:
        listener.bind("\0" + name)
        os.seteuid(65534)
        try:
            listener.listen()
        finally:
            os.seteuid(0)
        with pytest.raises(BackendUnavailable, match=r"must be root's, .*\(got user 65534\)"):
            HiaiBackend(file)


def test_a_policy_without_an_artifact_is_refused_with_the_command_to_make_it(
    file: PolicyFile,
) -> None:
    """Before any server is asked."""
    file.path.with_name("topil-hikey970.kirin970.json").unlink()
    with pytest.raises(MissingArtifact, match=r"ilgov npu convert .*onnx --target kirin970"):
        HiaiBackend(file)


def test_an_artifact_of_another_policy_is_refused(file: PolicyFile) -> None:
    """It was trained again, and not converted again."""
    sidecar = file.path.with_name("topil-hikey970.kirin970.json")
    text = sidecar.read_text()
    sidecar.write_text(re.sub(r'("onnx_sha256": ")\w{8}', r"\g<1>00000000", text))
    with pytest.raises(StaleArtifact, match=r"onnx_sha256 must be .*it was made from another"):
        HiaiBackend(file)


def test_an_altered_artifact_is_refused(file: PolicyFile) -> None:
    """A flipped bit of a weight would only show as other decisions."""
    model = file.path.with_name("topil-hikey970.kirin970.cambricon")
    content = bytearray(model.read_bytes())
    content[500] ^= 1
    model.write_bytes(content)
    with pytest.raises(DamagedArtifact, match="it was altered"):
        HiaiBackend(file)


def test_an_artifact_of_a_format_that_no_kirin_takes_is_refused(file: PolicyFile) -> None:
    """A sidecar edited by hand."""
    sidecar = file.path.with_name("topil-hikey970.kirin970.json")
    for wrong in ("rknn", "caffe"):
        text = sidecar.read_text()
        sidecar.write_text(re.sub(r'("format": ")\w+', rf"\g<1>{wrong}", text))
        with pytest.raises(DamagedArtifact, match=rf"format and files .*\(got {wrong} and"):
            HiaiBackend(file)


def test_it_is_known_by_name_among_those_that_are_always_isolated() -> None:
    """The process that isolates it finds it by that name."""
    assert "npu_runtime.hiai_backend:HiaiBackend" == ISOLATED_BACKENDS["hiai"]
    assert HiaiBackend is backend_named("hiai")
    assert "/run/ilgov-hiai.sock" == hiai_connection.DEFAULT_SOCKET


def test_server_and_client_meet_where_systemd_removes_nothing() -> None:
    """It empties the daemon's own folder below /run whenever the daemon ends."""
    source = (SOURCES / "ilgov_hiai_server.c").read_text()
    assert f'#define DEFAULT_SOCKET "{hiai_connection.DEFAULT_SOCKET}"' in source
    unit = (ROOT / "rm" / "daemon" / "ilgov.service").read_text()
    (folder,) = re.findall(r"^RuntimeDirectory=(.*)$", unit, re.MULTILINE)
    assert Path("/run") / folder not in Path(hiai_connection.DEFAULT_SOCKET).parents


def test_a_compiled_model_that_cannot_be_kept_is_told_with_the_way_out(
    built: Programs, tmp_path: Path
) -> None:
    """As where the server was started in a folder that is read-only, Android's root for one."""
    npu = StubNpu(built, tmp_path)
    npu.compiled = tmp_path / "none" / "compiled.cambricon"
    with npu, pytest.raises(BackendUnavailable, match=r"written to .*none.*; name .* --build PATH"):
        HiaiBackend(with_artifact(tmp_path, made_of="caffe"))
