"""Tests of tasks by name."""

from pathlib import Path
from typing import Any

import datasets
import numpy as np
import pytest

from platforms.errors import InvalidInput
from training.federated.fleet import load_fleet
from training.federated.system import Setup
from training.federated.tasks import topics
from training.federated.tasks.load import load_task
from training.federated.tasks.machine_text import KINDS, Kind, as_it_is
from training.federated.tasks.task import Task


def setup(task: str, *, devices: int = 10, models: str = "", **options: Any) -> Setup:
    """A setup for a task."""
    return Setup(
        system="none", method="none", task=task, devices=devices, models=models, options=options
    )


@pytest.mark.parametrize(
    ("name", "classes", "tokens", "model"),
    [
        ("digits", 10, 0, ""),
        ("tokens", 4, 24, "source-4"),
        ("labels", 4, 24, "source-4"),
        ("renamed", 4, 24, "source-4"),
    ],
)
def test_a_task_has_a_part_per_device_and_the_same_test_for_all_seeds(
    name: str, classes: int, tokens: int, model: str
) -> None:
    """Only the split depends on the seed."""
    task, other = (
        load_task(Setup(system="s", method="m", task=name, devices=10, seed=seed))
        for seed in (0, 1)
    )
    assert (name, classes, tokens, 10, model) == (
        task.name, task.classes, task.tokens, len(task.parts), task.model
    )  # fmt: skip
    assert np.array_equal(task.test.x, other.test.x)
    assert not np.array_equal(task.parts[0].x, other.parts[0].x)
    _check_examples(task)


def test_all_devices_of_a_fleet_have_a_part_where_no_number_is_asked_for() -> None:
    """In the order of the fleet."""
    task = load_task(Setup(system="s", method="m", task="tokens", fleet="biglittle20"))
    assert len(load_fleet("biglittle20").devices) == len(task.parts)


def test_no_device_has_an_example_of_the_test() -> None:
    """Nor of the validation; texts of the source are drawn, equal ones are all but impossible."""
    task = load_task(setup("tokens"))
    seen = {row.tobytes() for part in task.parts for row in part.x}
    judged = [row.tobytes() for row in (*task.validation.x, *task.test.x)]
    assert len(judged) == len(set(judged) - seen)


def test_an_option_names_the_model() -> None:
    """As systems' options do."""
    assert "source-6" == load_task(setup("labels", model="source-6")).model


def test_a_task_that_there_is_not_is_refused() -> None:
    """With those that there are."""
    reason = (
        r"task must be one of digits, topics, tokens, labels, renamed or hf:FOLDER \(got mnist\)"
    )
    with pytest.raises(InvalidInput, match=reason):
        load_task(setup("mnist"))


def test_topics_are_real_text_by_where_it_is_from(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Fewer pieces than the task has, to be quick; they are kept, and not gathered again."""
    monkeypatch.setattr(topics, "_PER_CLASS", {"train": 30, "validation": 4, "test": 6})
    models = str(tmp_path)
    task = load_task(setup("topics", devices=4, models=models, model="tiny-2:random"))
    assert (len(KINDS), 24) == (task.classes, task.tokens)
    assert [4] * 6 == np.bincount(task.validation.y).tolist()
    assert [6] * 6 == np.bincount(task.test.y).tolist()
    _check_examples(task)
    monkeypatch.setattr(topics, "gather", None)
    other = load_task(setup("topics", devices=5, models=models, model="tiny-4:random"))
    assert np.array_equal(task.test.x, other.test.x)


def test_topics_are_gathered_anew_where_what_was_kept_is_of_other_versions(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Or damaged."""
    monkeypatch.setattr(topics, "_PER_CLASS", {"train": 3, "validation": 1, "test": 1})
    monkeypatch.setattr(topics, "KINDS", {"headers": Kind("torch", ".h", as_it_is)})
    pieces = topics._pieces(tmp_path / "topics.json")
    (tmp_path / "topics.json").write_text("{}")
    assert pieces.train == topics._pieces(tmp_path / "topics.json").train
    monkeypatch.setattr(topics, "versions", lambda: "others")
    assert topics._pieces(tmp_path / "topics.json").origin.startswith("others; headers; ")


def test_a_package_that_says_too_little_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """So is one that is not there."""
    kinds = {"little": Kind("msgspec", ".py", as_it_is), "none": Kind("nonesuch", ".py", as_it_is)}
    monkeypatch.setattr(topics, "KINDS", kinds)
    with pytest.raises(InvalidInput, match=r"task topics: little must give .* pieces"):
        topics.gather("little")
    with pytest.raises(InvalidInput, match="task topics: reads files of nonesuch, which is not"):
        topics.gather("none")


ROWS = {
    "text": [f"number {i} is {'even' if i % 2 == 0 else 'odd'}" for i in range(200)],
    "label": ["even", "odd"] * 100,
}


@pytest.mark.parametrize("with_test", [False, True])
def test_a_dataset_in_a_folder_becomes_a_task(tmp_path: Path, with_test: bool) -> None:
    """Splits that are missing are drawn from train."""
    rows = datasets.Dataset.from_dict(ROWS)
    few = datasets.Dataset.from_dict({"text": ["zero", "one", "two"], "label": ["even"] * 3})
    data = datasets.DatasetDict({"train": rows, "test": few}) if with_test else rows
    data.save_to_disk(tmp_path / "data")
    task = load_task(setup(f"hf:{tmp_path / 'data'}", devices=3, model="tiny-2:random"))
    counts = (sum(len(part) for part in task.parts), len(task.validation), len(task.test))
    assert ((180, 20, 3) if with_test else (140, 20, 40)) == counts
    assert 2 == task.classes
    _check_examples(task)


@pytest.mark.parametrize(
    ("columns", "reason"),
    [
        ({"words": ["a"], "label": [1]}, r"must have columns text and label \(got words, label\)"),
        ({"text": ["a"] * 9, "label": [1] * 9}, r"label must have two values at least \(got \[1"),
    ],
)
def test_a_dataset_that_is_no_classification_is_refused(
    tmp_path: Path, columns: dict[str, list[Any]], reason: str
) -> None:
    """With what it has."""
    datasets.Dataset.from_dict(columns).save_to_disk(tmp_path / "data")
    with pytest.raises(InvalidInput, match=reason):
        load_task(setup(f"hf:{tmp_path / 'data'}", model="tiny-2:random"))


def test_a_folder_without_a_dataset_is_refused(tmp_path: Path) -> None:
    """With what would make one."""
    with pytest.raises(InvalidInput, match="must be a folder that a dataset's save_to_disk made"):
        load_task(setup(f"hf:{tmp_path}", model="tiny-2:random"))


def _check_examples(task: Task) -> None:
    """Types and shapes as the contract has them."""
    width = task.tokens or 64
    for examples in (*task.parts, task.validation, task.test):
        assert (np.int64 if task.tokens else np.float32) == examples.x.dtype
        assert np.int64 == examples.y.dtype
        assert (len(examples.y), width) == examples.x.shape
        assert 0 <= examples.y.min() <= examples.y.max() < task.classes
