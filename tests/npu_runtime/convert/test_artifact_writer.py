"""Tests of how an artifact is put beside its policy."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from npu_runtime import hiai_backend, rknn_backend
from npu_runtime.artifact import TARGETS, artifacts_beside, read_artifact
from npu_runtime.convert import files
from npu_runtime.convert.artifact_writer import Made, write_artifact
from npu_runtime.convert.files import replace_together
from npu_runtime.errors import ArtifactError, StaleArtifact
from npu_runtime.layers import layered_network
from npu_runtime.policy_file import PolicyFile, read_policy_file


def made(content: bytes = b"weights") -> Made:
    """What a converter gives."""
    return Made(
        target="board",
        format="caffe",
        files={"prototxt": b"layers", "caffemodel": content},
        precision="float32",
        batch=9,
        made_by="a test",
    )


@pytest.fixture
def policy(shipped: PolicyFile, tmp_path: Path) -> PolicyFile:
    """A shipped policy in a folder of its own."""
    return read_policy_file(shutil.copy(shipped.path, tmp_path / "policy.onnx"))


def test_what_is_written_is_read_back(policy: PolicyFile, tmp_path: Path) -> None:
    """With the numbers that the CPU scales features by, exactly."""
    network = layered_network(policy)
    paths = write_artifact(policy, network, made(), folder=tmp_path)
    artifact, content = read_artifact(policy, "board")
    names = ["policy.board.prototxt", "policy.board.caffemodel", "policy.board.json"]
    assert names == [path.name for path in paths]
    assert dict(zip(names, [b"layers", b"weights"], strict=False)) == content
    assert network.mean.tolist() == np.array(artifact.mean, "f4").tolist()
    assert network.std.tolist() == np.array(artifact.std, "f4").tolist()
    assert (9, network.width, network.outputs) == (
        artifact.batch,
        artifact.inputs,
        artifact.outputs,
    )


def test_the_artifact_is_stale_when_the_policy_changes(policy: PolicyFile, tmp_path: Path) -> None:
    """It carries the digest of the file that it was made from."""
    write_artifact(policy, layered_network(policy), made(), folder=tmp_path)
    other = PolicyFile(
        path=policy.path, metadata=policy.metadata, content=policy.content + b"\x08\x08"
    )
    with pytest.raises(StaleArtifact, match="made from another policy"):
        read_artifact(other, "board")


def test_nothing_but_the_artifact_is_left_behind(policy: PolicyFile, tmp_path: Path) -> None:
    """No temporary files, neither the first time nor when all is replaced."""
    for content in (b"first", b"second"):
        write_artifact(policy, layered_network(policy), made(content), folder=tmp_path / "new")
    names = ["policy.board.caffemodel", "policy.board.json", "policy.board.prototxt"]
    assert names == sorted(path.name for path in (tmp_path / "new").iterdir())


@pytest.mark.parametrize("place", [0, 1, 2])
def test_where_one_file_cannot_be_replaced_none_is(
    tmp_path: Path, place: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The disk fails at the first, the second or the third; a new file disappears again."""
    paths = [tmp_path / name for name in ("a", "b", "new")]
    for path in paths[:2]:
        path.write_text(f"old {path.name}")
    real, failing = Path.replace, paths[place]

    def replace(self: Path, target: Path) -> Path:
        if target == failing and "new content" in self.read_text():
            raise OSError(5, "the disk fails", str(target))
        return real(self, target)

    monkeypatch.setattr(files.Path, "replace", replace)
    with pytest.raises(OSError, match="the disk fails"):
        replace_together(dict.fromkeys(paths, b"new content"))
    assert {"a": "old a", "b": "old b"} == {p.name: p.read_text() for p in tmp_path.iterdir()}


def test_a_folder_in_the_way_stops_all(tmp_path: Path) -> None:
    """It is seen before anything is replaced."""
    (tmp_path / "a").write_text("old")
    (tmp_path / "b").mkdir()
    with pytest.raises(IsADirectoryError, match="b"):
        replace_together({tmp_path / "a": b"new", tmp_path / "b": b"new"})
    assert "old" == (tmp_path / "a").read_text()
    assert ["a", "b"] == sorted(path.name for path in tmp_path.iterdir())


def test_all_that_lies_beside_a_policy_for_any_back_end_is_found(
    policy: PolicyFile, tmp_path: Path
) -> None:
    """The daemon looks at who may change it."""
    assert {hiai_backend.TARGET, rknn_backend.TARGET} == set(TARGETS)
    expected = ["policy.kirin970.caffemodel", "policy.kirin970.json", "policy.rk3588.rknn"]
    for name in (*expected, "policy.float16.onnx", "other.rk3588.rknn"):
        (tmp_path / name).write_bytes(b"")
    assert expected == [path.name for path in artifacts_beside(policy.path)]
    assert () == artifacts_beside(Path("/" + "x" * 300) / "policy.onnx")


@pytest.mark.parametrize("name", ["", "..", "a\0b", "/etc/passwd", "x" * 300])
def test_names_of_files_that_can_be_none_are_refused(
    policy: PolicyFile, tmp_path: Path, name: str
) -> None:
    """With the command that makes them anew, as anything that is wrong with a sidecar."""
    write_artifact(policy, layered_network(policy), made(), folder=tmp_path)
    sidecar = tmp_path / "policy.board.json"
    sidecar.write_text(json.dumps(json.loads(sidecar.read_bytes()) | {"files": {name: "0"}}))
    with pytest.raises(ArtifactError, match="make it with 'ilgov npu convert"):
        read_artifact(policy, "board")
