"""Tests of opening a policy for a board: what does not fit is refused before anything runs."""

import re
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from npu_runtime import load
from npu_runtime.backend import Capabilities
from npu_runtime.errors import (
    BackendUnavailable,
    BadInput,
    BadOutput,
    DamagedPolicyFile,
    WrongBoard,
    WrongFeatures,
    WrongShape,
)
from npu_runtime.load import LoadedPolicy, load_policy, open_policy, run_in_batches
from npu_runtime.policy_file import Feature, read_policy_file

Write = Callable[[bytes], Path]


def test_a_sound_policy_scores_as_it_was_trained(toy: SimpleNamespace, policy_path: Path) -> None:
    """The purpose of the package."""
    policy = load_policy(policy_path, **toy.fit)
    np.testing.assert_allclose(policy.run(toy.rows), toy.rows @ toy.weights, atol=1e-5)
    assert toy.features == policy.metadata.features
    policy.close()


@pytest.mark.parametrize("name", ["onnxruntime", "numpy"])
def test_a_cpu_back_end_says_what_it_is(toy: SimpleNamespace, policy_path: Path, name: str) -> None:
    """Status rows show it, and callers learn that any batch goes."""
    able = load_policy(policy_path, **toy.fit, backend=name).capabilities
    assert (name, "cpu", "float32") == (able.name, able.device, able.precision)
    assert able.dynamic_batch
    assert able.max_batch is None


@pytest.mark.parametrize("name", ["onnxruntime", "numpy"])
@pytest.mark.parametrize("batch", range(1, 17))
def test_every_batch_from_1_to_16_gives_the_same_scores(
    toy: SimpleNamespace, policy_path: Path, batch: int, name: str
) -> None:
    """The governor rates as many rows as applications run."""
    policy = load_policy(policy_path, **toy.fit, backend=name)
    policy.backend.warm_up(batch)
    rows = np.resize(toy.rows, (batch, 2))
    np.testing.assert_allclose(policy.run(rows), rows @ toy.weights, atol=1e-5)


def test_a_policy_of_another_board_is_refused(toy: SimpleNamespace, policy_path: Path) -> None:
    """The same number of cores does not make the same board."""
    message = r"policy\.onnx: board must be 'other' \(got 'toy'\); train a policy on demonstrations"
    with pytest.raises(WrongBoard, match=message):
        load_policy(policy_path, **(toy.fit | {"board": "other"}))


def test_a_board_of_that_name_but_described_otherwise_is_refused(
    toy: SimpleNamespace, policy_path: Path
) -> None:
    """A user's board file often keeps the name of the one it was copied from."""
    load_policy(policy_path, **toy.fit, board_sha256="ab" * 32)
    message = (
        r"policy\.onnx: board_sha256 must be cdcdcdcdcdcd\.\.\. \(got abababababab\.\.\.\): 'toy' "
        r"was described otherwise .*; record and train again for this board, or use the board file"
    )
    with pytest.raises(WrongBoard, match=message):
        load_policy(policy_path, **toy.fit, board_sha256="cd" * 32)


@pytest.mark.parametrize(
    ("features", "message"),
    [
        (
            [("utilisation_core0", "1", 0.0, 1.0), ("rate_ips", "1/s", 0.0, 1e10)],
            r"feature 0 must be utilisation_core0 \[1\] from 0 to 1 \(got rate_ips \[1/s\]",
        ),
        (
            [("rate_ips", "1/s", 0.0, 1e10), ("utilisation_core0", "%", 0.0, 1.0)],
            r"feature 1 must be utilisation_core0 \[%\] .*\(got utilisation_core0 \[1\]",
        ),
        ([("rate_ips", "1/s", 0.0, 1e10)], r"features must be 1 in number \(got 2\)"),
    ],
)
def test_other_features_are_refused_by_the_first_that_differs(
    toy: SimpleNamespace, policy_path: Path, features: list[Any], message: str
) -> None:
    """A swapped pair of columns would run, and score nonsense."""
    ours = tuple(Feature(index, *feature) for index, feature in enumerate(features))
    with pytest.raises(WrongFeatures, match=message):
        load_policy(policy_path, **(toy.fit | {"features": ours}))


def test_scores_for_other_cores_are_refused(toy: SimpleNamespace, policy_path: Path) -> None:
    """Each score has to mean the core that the governor takes it for."""
    message = r"outputs must be core0, core1, core2 \(got core0, core1\)"
    with pytest.raises(WrongShape, match=message):
        load_policy(policy_path, **(toy.fit | {"outputs": ("core0", "core1", "core2")}))


def test_a_network_narrower_than_its_metadata_is_refused(
    toy: SimpleNamespace, write: Write
) -> None:
    """Metadata and network can be mixed up by hand."""
    path = write(toy.described(toy.network(toy.weights[:, :1])))
    message = r"network's output must have the shape \(rows, 2\) \(got \(any, 1\)\)"
    with pytest.raises(WrongShape, match=message):
        load_policy(path, **toy.fit)
    path = write(toy.described(toy.network(toy.weights[:1])))
    with pytest.raises(WrongShape, match=r"network's input must have .*\(got \(any, 1\)\)"):
        load_policy(path, **toy.fit)


@pytest.mark.parametrize("name", ["onnxruntime", "numpy"])
def test_a_network_with_two_inputs_is_refused(
    toy: SimpleNamespace, write: Write, name: str
) -> None:
    """Nobody would know what to feed the second one."""
    model = toy.network()
    model.graph.input.append(model.graph.input[0])
    model.graph.input[1].name = "more"
    message = r"must have one float input \(got features: tensor\(float\), more: tensor\(float\)\)"
    with pytest.raises(WrongShape, match=message):
        load_policy(write(toy.described(model)), **toy.fit, backend=name)


def test_parity_rows_that_disagree_are_refused(toy: SimpleNamespace, write: Write) -> None:
    """The last proof that this machine computes what the training computed."""
    off = (toy.rows @ toy.weights).astype(float)
    off[1, 1] += 3e-4 * np.ptp(off)
    path = write(toy.described(toy.network(), parity_outputs=tuple(map(tuple, off.tolist()))))
    message = r"must agree with the training's within 0\.0001 of their range \(got 0\.0003 on onnx"
    with pytest.raises(DamagedPolicyFile, match=message):
        load_policy(path, **toy.fit)


def test_weights_that_are_not_finite_are_refused(toy: SimpleNamespace, write: Write) -> None:
    """NaN differs from nothing in a comparison; it must not slip through."""
    path = write(toy.described(toy.network(toy.weights * np.float32("nan"))))
    with pytest.raises(DamagedPolicyFile, match=r"got nan on onnxruntime"):
        load_policy(path, **toy.fit)


def test_a_graph_that_the_back_end_refuses_is_named(toy: SimpleNamespace, write: Write) -> None:
    """A sound file with an operator from elsewhere."""
    model = toy.network()
    model.graph.node[0].op_type = "Divine"
    message = r"policy\.onnx: must be a network that onnxruntime .* can run \(.*Divine"
    with pytest.raises(DamagedPolicyFile, match=message):
        load_policy(write(toy.described(model)), **toy.fit)


def test_an_unknown_back_end_is_refused_with_those_known(
    toy: SimpleNamespace, policy_path: Path
) -> None:
    """A typing mistake in the configuration."""
    message = r"backend must be one of auto, hiai, numpy, onnxruntime.* \(got 'npu'\)"
    for name in ("npu", "isolated:npu"):
        with pytest.raises(BackendUnavailable, match=message):
            load_policy(policy_path, **toy.fit, backend=name)


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (np.zeros((2, 2)), "dtype must be float32 .got float64"),
        (np.zeros((2, 3), np.float32), r"shape must be \(1 or more, 2\) \(got \(2, 3\)\)"),
        (np.zeros(2, np.float32), r"\(got \(2,\)\)"),
        (np.zeros((0, 2), np.float32), r"\(got \(0, 2\)\)"),
        (np.array([[0, 0], [0, np.nan]], np.float32), "finite .got nan in row 1, feature 1"),
        (np.array([[-np.inf, 0]], np.float32), "finite .got -inf in row 0, feature 0"),
    ],
)
def test_rows_that_no_network_may_see_are_refused(
    toy: SimpleNamespace, policy_path: Path, rows: Any, message: str
) -> None:
    """The library itself takes NaN and zero rows without a word."""
    with pytest.raises(BadInput, match=message):
        load_policy(policy_path, **toy.fit).run(rows)


def test_large_rows_are_not_mistaken_for_infinite_ones(
    toy: SimpleNamespace, policy_path: Path
) -> None:
    """The quick check overflows at 1e20, the exact one behind it does not."""
    rows = np.array([[1e30, 0.0]], np.float32)
    np.testing.assert_allclose(load_policy(policy_path, **toy.fit).run(rows), [[1e21, -1e21]])


def test_scores_that_overflow_are_refused(toy: SimpleNamespace, write: Write) -> None:
    """An infinite score would win every comparison."""
    weights = np.float32(1e30) * toy.weights
    outputs = tuple(map(tuple, (toy.rows @ weights).tolist()))
    policy = load_policy(
        write(toy.described(toy.network(weights), parity_outputs=outputs)), **toy.fit
    )
    with pytest.raises(BadOutput, match=r"scores must be finite \(got inf in row 0, output 0\)"):
        policy.run(np.array([[1e30, 0.0]], np.float32))


class FourRows:
    """A back end as an NPU's compiler makes them: exactly four rows a call."""

    capabilities = Capabilities(
        name="four",
        version="1",
        device="fake",
        precision="float32",
        max_batch=4,
        dynamic_batch=False,
    )
    input_shape = output_shape = (4, 2)

    def __init__(self, weights: Any) -> None:
        self.weights, self.closed, self.calls = weights, False, 0

    def run(self, rows: Any) -> Any:
        """Refuse any other number of rows."""
        assert (4, 2) == rows.shape
        self.calls += 1
        return rows @ self.weights

    def warm_up(self, batch: int) -> None:
        """Nothing to do."""

    def close(self) -> None:
        """Remember it."""
        self.closed = True


@pytest.mark.parametrize(("batch", "calls"), [(1, 1), (4, 1), (5, 2), (9, 3)])
def test_a_fixed_batch_is_padded_and_repeated(
    toy: SimpleNamespace, policy_path: Path, batch: int, calls: int
) -> None:
    """Callers of a policy need not know what a back end's batch is."""
    backend = FourRows(toy.weights)
    policy = LoadedPolicy(read_policy_file(policy_path), backend)
    rows = np.resize(toy.rows, (batch, 2))
    np.testing.assert_allclose(policy.run(rows), rows @ toy.weights, atol=1e-5)
    assert calls == backend.calls
    np.testing.assert_array_equal(run_in_batches(backend, rows), policy.run(rows))


def test_a_back_end_that_fails_its_check_is_closed(
    toy: SimpleNamespace, policy_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An NPU's context must not stay behind when its answers are refused."""
    backend = FourRows(np.zeros_like(toy.weights))
    monkeypatch.setattr(load, "BACKENDS", {"four": lambda file: backend})
    with pytest.raises(DamagedPolicyFile, match="on four"):
        open_policy(read_policy_file(policy_path), backend="four")
    assert backend.closed


def test_a_session_elsewhere_than_on_the_cpu_is_refused(
    toy: SimpleNamespace, policy_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was asked for proves nothing; what the session says does."""
    import onnxruntime

    monkeypatch.setattr(onnxruntime.InferenceSession, "get_providers", lambda self: ["Azure"])
    with pytest.raises(BackendUnavailable, match=r"CPUExecutionProvider alone \(got \['Azure'\]\)"):
        load_policy(policy_path, **toy.fit, backend="onnxruntime")


def test_a_machine_without_onnxruntime_is_told_what_to_install(
    toy: SimpleNamespace, policy_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Old boards' images cannot install it; who asks for it by name has to hear that."""
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(BackendUnavailable, match=r"needs the package onnxruntime .*pip install"):
        load_policy(policy_path, **toy.fit, backend="onnxruntime")


def test_a_machine_without_onnxruntime_runs_policies_with_numpy(
    toy: SimpleNamespace, policy_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody has to ask for it."""
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    policy = load_policy(policy_path, **toy.fit)
    assert "numpy" == policy.capabilities.name
    np.testing.assert_allclose(policy.run(toy.rows), toy.rows @ toy.weights, atol=1e-5)


def test_without_a_wish_numpy_is_used_and_says_why(toy: SimpleNamespace, policy_path: Path) -> None:
    """Called once a period it is faster than onnxruntime, and takes half of its memory."""
    policy = load_policy(policy_path, **toy.fit)
    assert "numpy" == policy.capabilities.name
    assert re.match(r"auto: numpy, the fastest .* \([\d.e-]+ ms for the known rows\)", policy.why)


def test_without_a_wish_onnxruntime_runs_what_numpy_cannot(
    toy: SimpleNamespace, write: Write
) -> None:
    """A network of half precision, say; here one with an operator that numpy does not have."""
    model = toy.network()
    model.graph.node[0].output[0] = "values"
    model.graph.node.add(op_type="Tanh", input=["values"], output=["scores"])
    scores = np.tanh(toy.rows @ toy.weights).tolist()
    path = write(toy.described(model, parity_outputs=tuple(map(tuple, scores))))
    policy = load_policy(path, **toy.fit)
    assert "onnxruntime" == policy.capabilities.name
    assert policy.why.startswith("auto: onnxruntime, this network is more than numpy can run")


def test_what_only_onnxruntime_can_run_is_refused_where_it_is_missing(
    toy: SimpleNamespace, write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With numpy's own reason, which says what to do."""
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    model = toy.network()
    model.graph.node[0].op_type = "Tanh"
    with pytest.raises(DamagedPolicyFile, match=r"back end numpy can run .*use the back end onnx"):
        load_policy(write(toy.described(model)), **toy.fit)


def test_other_peoples_back_ends_are_found_by_their_entry_point(
    toy: SimpleNamespace, policy_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Known by name without loading them; loading is for the process that isolates them."""
    loaded = []

    class Point:
        name = "theirs"

        def load(self) -> Any:
            loaded.append(self.name)
            return load.NumpyBackend

    found = [Point()]
    monkeypatch.setattr(
        load, "entry_points", lambda group, name=None: found if name in (None, "theirs") else []
    )
    with pytest.raises(
        BackendUnavailable, match=r"one of auto, hiai, numpy, onnxruntime, .*theirs"
    ):
        open_policy(read_policy_file(policy_path), backend="ours")
    assert [] == loaded
    assert load.NumpyBackend is load.backend_named("theirs")


@pytest.mark.parametrize("name", ["no_such_module:make", "json:no_such_name"])
def test_a_back_end_that_cannot_be_imported_is_named(name: str) -> None:
    """A typing mistake in the configuration."""
    with pytest.raises(BackendUnavailable, match=f"the back end {name} cannot be loaded"):
        load.backend_named(name)
