"""Tests of checkpoints: everything comes back, and a broken one does no harm."""

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from safetensors import SafetensorError

from platforms.errors import InvalidInput
from training.federated.checkpoint import Checkpoint, latest, load_arrays, save, save_arrays
from training.federated.rounds import Record
from training.federated.study import Point
from training.federated.system import State

ARRAYS: dict[str, NDArray[Any]] = {
    "z": np.array([0.1, -0.0, 1e-320]),
    "a.weight": np.asfortranarray(np.arange(6, dtype=np.float32).reshape(2, 3)),
    "scalar": np.array(3, np.int64),
    "every other": np.arange(10.0)[::2],
    "empty": np.zeros((0, 2), np.float32),
}


def record(rounds: int) -> Record:
    """A run of so many rounds."""
    zeros = dict.fromkeys(("waiting_s", "energy_j", "flops", "validation", "test"), 0.1)
    points = tuple(
        Point(round=round_, time_s=round_ / 3, up_bytes=2**60, down_bytes=1, **zeros)
        for round_ in range(rounds + 1)
    )
    return Record(points=points, peak_bytes=7, notes={"steps": 0.1})


def checkpoint(rounds: int = 2, **changes: Any) -> Checkpoint:
    """A run with all that it may hold."""
    given = {
        "record": record(rounds),
        "state": State(arrays=ARRAYS, values={"lr": 0.1, "seeds": [2**62], "best": None}),
        "memories": {"b/1": {"m": np.ones(2)}, "a": {}, "c": {"x/y": np.zeros(1), "m": np.ones(1)}},
        "extra": {"failures": []},
    }
    return Checkpoint(**{**given, **changes})


def test_all_comes_back_bit_for_bit_and_in_order(tmp_path: Path) -> None:
    """Names keep their order: sums go over them."""
    save(tmp_path, checkpoint())
    found = latest(tmp_path)
    assert found is not None
    assert checkpoint().record == found.record
    assert checkpoint().state.values == found.state.values
    assert list(ARRAYS) == list(found.state.arrays)
    for name, array in ARRAYS.items():
        got = found.state.arrays[name]
        assert (array.dtype, array.shape) == (got.dtype, got.shape)
        assert array.tobytes() == got.tobytes()
    assert ["b/1", "a", "c"] == list(found.memories)
    assert ["x/y", "m"] == list(found.memories["c"])
    assert {"failures": []} == found.extra


def test_the_last_two_are_kept(tmp_path: Path) -> None:
    """Runs are long and models large."""
    for rounds in (1, 2, 3):
        save(tmp_path, checkpoint(rounds))
    assert ["round-000002", "round-000003"] == sorted(path.name for path in tmp_path.iterdir())


@pytest.mark.parametrize("damage", ["values.json", "state.safetensors", "memory.safetensors"])
def test_a_damaged_checkpoint_is_passed_over(tmp_path: Path, damage: str) -> None:
    """The one before it counts."""
    save(tmp_path, checkpoint(1))
    path = save(tmp_path, checkpoint(2)) / damage
    path.write_bytes(path.read_bytes()[:20])
    found = latest(tmp_path)
    assert found is not None
    assert 1 == found.record.rounds


def test_a_run_whose_checkpoints_are_all_damaged_is_not_begun_anew(tmp_path: Path) -> None:
    """What is left of it would be overwritten without a word."""
    for rounds in (1, 2):
        (save(tmp_path, checkpoint(rounds)) / "values.json").write_text("[]")
    with pytest.raises(InvalidInput, match=r"round-000002: TypeError.*remove the folder"):
        latest(tmp_path)


@pytest.mark.parametrize("values", ['{"devices": []}', '{"record": {"points": 3}, "devices": []}'])
def test_values_of_another_kind_are_damage_too(tmp_path: Path, values: str) -> None:
    """The one before it counts."""
    save(tmp_path, checkpoint(1))
    (save(tmp_path, checkpoint(2)) / "values.json").write_text(values)
    found = latest(tmp_path)
    assert found is not None
    assert 1 == found.record.rounds


def test_a_full_disk_leaves_the_checkpoints_that_were_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And nothing of the one that was begun; it is the system's error, not a fault of ours."""

    def full(*_: Any, **__: Any) -> None:
        raise SafetensorError("Error while serializing: No space left on device (os error 28)")

    save(tmp_path, checkpoint(1))
    monkeypatch.setattr("training.federated.checkpoint.save_file", full)
    with pytest.raises(OSError, match="No space left on device"):
        save(tmp_path, checkpoint(2))
    assert ["round-000001"] == [path.name for path in tmp_path.iterdir()]


def test_what_was_being_written_is_not_there(tmp_path: Path) -> None:
    """As after kill -9 or a power cut."""
    folder = save(tmp_path, checkpoint(1))
    shutil.copytree(folder, tmp_path / ".building-round-000002")
    found = latest(tmp_path)
    assert found is not None
    assert 1 == found.record.rounds
    save(tmp_path, checkpoint(2))
    found = latest(tmp_path)
    assert found is not None
    assert 2 == found.record.rounds


def test_without_checkpoints_there_is_none(tmp_path: Path) -> None:
    """A run that was stopped in its first round begins anew."""
    assert latest(tmp_path / "none") is None


def test_values_that_json_cannot_hold_are_refused(tmp_path: Path) -> None:
    """A pickle is no way out."""
    with pytest.raises(TypeError, match="not JSON serializable"):
        save(tmp_path, checkpoint(state=State(arrays={}, values={"x": np.zeros(1)})))
    assert latest(tmp_path) is None


def test_a_file_of_arrays_is_replaced_as_a_whole(tmp_path: Path) -> None:
    """A second file takes the first one's place."""
    for number in (1.0, 2.0):
        save_arrays(tmp_path / "m.safetensors", {"m": np.full(2, number)})
    assert [2.0, 2.0] == load_arrays(tmp_path / "m.safetensors")["m"].tolist()
    assert ["m.safetensors"] == [path.name for path in tmp_path.iterdir()]
