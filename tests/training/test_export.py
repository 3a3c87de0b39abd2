"""Tests of the export: the file computes what torch computes, and repeats byte by byte."""

import re
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import onnx
import pytest

from npu_runtime.errors import DamagedPolicyFile
from npu_runtime.load import load_policy
from training.imitation import export as export_module
from training.imitation.errors import ExportFailed
from training.imitation.export import Exported, export
from training.imitation.fit import predict
from training.imitation.network import PolicyNetwork


def written(trained: SimpleNamespace, path: Path) -> Exported:
    """Export the trained network."""
    return export(
        trained.network,
        path=path,
        task=trained.task,
        seed=1,
        features=trained.split.validation.features,
    )


@pytest.fixture(scope="module")
def policy_path(trained: SimpleNamespace, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The trained network as a policy file."""
    path = tmp_path_factory.mktemp("policy") / "policy.onnx"
    written(trained, path)
    return path


def test_the_file_scores_as_torch_does_in_every_batch(
    trained: SimpleNamespace, policy_path: Path
) -> None:
    """Raw inputs up to 1e10 included, and rounding that depends on the batch."""
    task = trained.task
    policy = load_policy(
        policy_path, features=task.features, board=task.board, outputs=task.outputs
    )
    features = trained.split.validation.features
    assert features.max() > 9e9
    expected = predict(trained.network, features)
    for batch in range(1, 17):
        found = policy.run(features[:batch].astype(np.float32))
        np.testing.assert_allclose(found, expected[:batch], atol=1e-5)


def test_the_metadata_say_what_the_policy_is_for(
    trained: SimpleNamespace, policy_path: Path
) -> None:
    """Everything that the governor checks before it trusts a policy."""
    task = trained.task
    policy = load_policy(
        policy_path, features=task.features, board=task.board, outputs=task.outputs
    )
    metadata = policy.metadata
    assert ("toy", 1, True) == (metadata.board, metadata.seed, metadata.normalised_in_graph)
    assert ("ab" * 32, "fan") == (metadata.board_sha256, metadata.cooling)
    assert {"alpha_per_k": 1.0, "current": "free", "seed": 0} == metadata.oracle
    assert 8 == len(metadata.parity_inputs)
    assert policy.capabilities.dynamic_batch


def test_the_same_network_gives_the_same_bytes(
    trained: SimpleNamespace, policy_path: Path, tmp_path: Path
) -> None:
    """A policy can be told from another by its hash."""
    written(trained, tmp_path / "elsewhere" / "another name.onnx")
    again = (tmp_path / "elsewhere" / "another name.onnx").read_bytes()
    assert policy_path.read_bytes() == again


def test_nothing_of_the_exporter_s_notes_is_left(policy_path: Path) -> None:
    """Stack traces name the user's folders."""
    content = policy_path.read_bytes()
    assert not re.search(rb"stack_trace|\.py|fx_node|namespace|/home|/root|/tmp", content)
    model = onnx.load(policy_path)
    assert ["ilgov"] == [entry.key for entry in model.metadata_props]
    assert 18 == model.opset_import[0].version


def test_every_flipped_bit_of_the_weights_is_noticed(
    trained: SimpleNamespace, policy_path: Path, tmp_path: Path
) -> None:
    """Wherever in the weights it is."""
    content = policy_path.read_bytes()
    weights = trained.result.weights["layers.2.weight"].tobytes()
    start = content.index(weights)
    task = trained.task
    for offset in range(0, len(weights), 997):
        damaged = bytearray(content)
        damaged[start + offset] ^= 0x10
        (tmp_path / "p.onnx").write_bytes(damaged)
        with pytest.raises(DamagedPolicyFile, match="weights were altered"):
            load_policy(
                tmp_path / "p.onnx", features=task.features, board="toy", outputs=task.outputs
            )


def test_a_network_that_onnx_computes_differently_is_not_written(
    trained: SimpleNamespace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The comparison is over all validation rows: here a single one is off."""
    path = tmp_path / "p.onnx"
    path.write_bytes(b"an older policy")

    def off(network: PolicyNetwork, features: np.ndarray) -> np.ndarray:
        scores = predict(network, features)
        scores[33, 2] += 5e-5
        return scores

    monkeypatch.setattr(export_module, "predict", off)
    message = (
        r"must agree with torch's within 1e-05 \(got .* in validation row 33, output 2\); nothing"
    )
    with pytest.raises(ExportFailed, match=message):
        written(trained, path)
    assert b"an older policy" == path.read_bytes()
    assert [path] == list(tmp_path.iterdir())


def test_a_network_of_nan_is_not_written(trained: SimpleNamespace, tmp_path: Path) -> None:
    """NaN equals NaN in some comparisons, but it is no policy."""
    network = PolicyNetwork(widths=(13, 8, 4))
    for parameter in network.parameters():
        parameter.data.fill_(float("nan"))
    with pytest.raises(ExportFailed, match="nothing was written"):
        export(
            network,
            path=tmp_path / "p.onnx",
            task=trained.task,
            seed=1,
            features=trained.split.validation.features,
        )
    assert [] == list(tmp_path.iterdir())


def test_fewer_rows_than_parity_pairs_are_enough(trained: SimpleNamespace, tmp_path: Path) -> None:
    """A tiny file of demonstrations still gives a policy."""
    exported = export(
        trained.network,
        path=tmp_path / "p.onnx",
        task=trained.task,
        seed=1,
        features=trained.split.validation.features[:3],
    )
    assert 3 == exported.rows_compared
    assert exported.largest_difference <= 1e-5
