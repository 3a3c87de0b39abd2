"""Tests of models in folders."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers

from platforms.errors import InvalidInput
from training.federated.models.build import build, config
from training.federated.models.files import read_arrays, read_settings, write_model
from training.federated.models.load import load_model
from training.federated.models.shape import Shape, shape_of
from training.federated.models.weights import drawn
from training.federated.suffix import arrays_of, whole

SHAPE = Shape(layers=2, hidden=16, heads=2, ffn=24, vocabulary=40, positions=12, types=1, classes=3)
TOKENS = torch.arange(2, 34).reshape(4, 8)


def written(folder: Path, seed: int = 0) -> dict[str, Any]:
    """A model in `folder`; its arrays."""
    arrays = drawn(SHAPE, seed)
    write_model(folder, SHAPE, arrays, tokenizer="{}", origin={"text": "none"})
    return arrays


def said(model: Any) -> torch.Tensor:
    """Its logits on fixed tokens."""
    with torch.no_grad():
        found: torch.Tensor = model.eval()(input_ids=TOKENS).logits
    return found


def test_a_model_comes_back_as_it_was_written(tmp_path: Path) -> None:
    """Weights, shape, and a head for as many classes."""
    arrays = written(tmp_path / "m")
    model = load_model(str(tmp_path / "m"), "", 3, seed=9)
    assert shape_of(model) == SHAPE
    for name, array in arrays_of(model, whole(SHAPE)).items():
        np.testing.assert_array_equal(arrays[name], array)


def test_equal_models_give_equal_bytes(tmp_path: Path) -> None:
    """So that a digest says whether two stores are the same."""
    for folder in ("a", "b"):
        written(tmp_path / folder)
    names = sorted(path.name for path in (tmp_path / "a").iterdir())
    assert ["config.json", "model.safetensors", "pretrained.json", "tokenizer.json"] == names
    for name in names:
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


def test_a_model_that_is_there_is_replaced_as_a_whole(tmp_path: Path) -> None:
    """And nothing else stays in the folder above."""
    written(tmp_path / "m")
    (tmp_path / "m" / "stray").touch()
    arrays = written(tmp_path / "m", seed=1)
    np.testing.assert_array_equal(arrays["head.weight"], read_arrays(tmp_path / "m")["head.weight"])
    assert [tmp_path / "m"] == list(tmp_path.iterdir())
    assert not (tmp_path / "m" / "stray").exists()


def test_a_model_that_cannot_be_written_leaves_the_old_one(tmp_path: Path) -> None:
    """An array without a name that we know stops the writing."""
    arrays = written(tmp_path / "m")
    with pytest.raises(KeyError):
        write_model(tmp_path / "m", SHAPE, {"nonsense.x": np.ones(1)}, tokenizer=None, origin={})
    np.testing.assert_array_equal(arrays["head.bias"], read_arrays(tmp_path / "m")["head.bias"])
    assert [tmp_path / "m"] == list(tmp_path.iterdir())


def test_transformers_reads_what_we_write(tmp_path: Path) -> None:
    """The user may take a model elsewhere."""
    written(tmp_path / "m")
    theirs = transformers.BertForSequenceClassification.from_pretrained(tmp_path / "m")
    torch.testing.assert_close(said(theirs), said(load_model(str(tmp_path / "m"), "", 3, 0)))


@pytest.mark.parametrize("kind", ["BertForSequenceClassification", "BertModel"])
def test_we_read_what_transformers_writes(tmp_path: Path, kind: str) -> None:
    """With a head or, as a bare encoder, without; then pooler and encoder are the same."""
    theirs = getattr(transformers, kind)(config(SHAPE))
    theirs.save_pretrained(tmp_path / "m")
    ours = load_model(str(tmp_path / "m"), "", 3, 0).eval()
    encoder = getattr(theirs, "bert", theirs).eval()
    with torch.no_grad():
        torch.testing.assert_close(
            encoder(input_ids=TOKENS).pooler_output, ours.bert(input_ids=TOKENS).pooler_output
        )
    if encoder is not theirs:
        torch.testing.assert_close(said(theirs), said(ours))


def test_a_head_for_another_number_of_classes_is_drawn_from_the_seed(tmp_path: Path) -> None:
    """The pooler stays."""
    arrays = written(tmp_path / "m")
    heads = [
        arrays_of(load_model(str(tmp_path / "m"), "", 5, seed), whole(SHAPE)) for seed in (1, 1, 2)
    ]
    np.testing.assert_array_equal(arrays["pooler.weight"], heads[0]["pooler.weight"])
    np.testing.assert_array_equal(heads[0]["head.weight"], heads[1]["head.weight"])
    assert (5, 16) == heads[0]["head.weight"].shape
    assert not np.array_equal(heads[0]["head.weight"], heads[2]["head.weight"])


def test_weights_as_a_pickle_are_not_opened(tmp_path: Path) -> None:
    """A file of that kind could run anything."""
    written(tmp_path / "m")
    (tmp_path / "m" / "model.safetensors").unlink()
    torch.save(build(config(SHAPE), {}).state_dict(), tmp_path / "m" / "pytorch_model.bin")
    with pytest.raises(InvalidInput, match=r"model.safetensors: must be weights as safetensors"):
        load_model(str(tmp_path / "m"), "", 3, 0)


def test_damaged_weights_are_refused(tmp_path: Path) -> None:
    """With the file's name."""
    written(tmp_path / "m")
    (tmp_path / "m" / "model.safetensors").write_bytes(b"\xff" * 40)
    with pytest.raises(InvalidInput, match=r"model.safetensors: must be weights as safetensors"):
        read_arrays(tmp_path / "m")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (json.dumps({"model_type": "gpt2"}), r"model_type must be bert \(got gpt2\)"),
        ("[]", "model_type must be bert"),
        ("{", "must be JSON"),
        (None, "must be a folder with config.json"),
    ],
)
def test_a_folder_without_a_bert_is_refused(tmp_path: Path, text: str | None, reason: str) -> None:
    """Before anything is loaded."""
    if text is not None:
        (tmp_path / "config.json").write_text(text)
    with pytest.raises(InvalidInput, match=reason):
        read_settings(tmp_path)
