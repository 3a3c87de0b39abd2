"""A model by its name, ready to be trained."""

import hashlib
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray

from training.federated.models.family import member, shape_of_member
from training.federated.models.files import read_arrays, read_settings
from training.federated.models.shape import Shape, shape_of
from training.federated.models.store import folder_of
from training.federated.models.weights import HEAD, POOLER, drawn

if TYPE_CHECKING:
    from transformers import BertForSequenceClassification


def load_model(
    name: str, models: Path | str, classes: int, seed: int
) -> "BertForSequenceClassification":
    """A BERT classifier for so many classes, in float32, without dropout, nothing frozen.

    `name` is tiny-N or source-N (N layers), the same with ":random" (weights drawn, always the
    same ones), minilm, or a folder with a Hugging Face BERT. `models` is the store of pre-trained
    ones; "" is the default store, and what is missing there is made first. The pooler comes from
    the stored model where it has one, the head where it has one for as many classes and both are
    from the same training; else they are drawn from `seed`.
    """
    from training.federated.models.build import build

    settings, arrays = _stored(name, str(models), classes)
    missing = [part for part in (*POOLER, *HEAD) if part not in arrays]
    return build(settings, arrays | drawn(shape_of(settings), seed, missing))


def shape_of_name(name: str, models: Path | str, classes: int) -> Shape:
    """The shape of the model that `load_model` gives, without making one."""
    return shape_of(_stored(name, str(models), classes)[0])


_READ: dict[str, str] = {}


def fingerprints() -> Mapping[str, str]:
    """SHA-256 of the weights of every model that this process has read from a folder, by name.

    Who shares a model by its name alone compares them: equal names in two stores may be two models.
    """
    return dict(_READ)


@lru_cache(maxsize=16)
def _stored(name: str, models: str, classes: int) -> tuple[Any, dict[str, NDArray[Any]]]:
    """Configuration and arrays by canonical names; of the head, what fits."""
    from training.federated.models.build import config

    found = member(name)
    if found is not None and found.random:
        shape = shape_of_member(found, classes)
        arrays = drawn(shape, 0)
        return config(shape), {k: a for k, a in arrays.items() if k not in (*POOLER, *HEAD)}
    folder = folder_of(name, models)
    settings = _settings(folder, classes)
    arrays = read_arrays(folder)
    _READ[name] = _digest(arrays)
    if len(arrays.get("head.bias", ())) != classes:
        arrays = {k: a for k, a in arrays.items() if k not in HEAD}
    return settings, arrays


def _digest(arrays: Mapping[str, NDArray[Any]]) -> str:
    """Of names, shapes and values."""
    digest = hashlib.sha256()
    for name in sorted(arrays):
        digest.update(f"{name} {arrays[name].shape} {arrays[name].dtype.str}\n".encode())
        digest.update(arrays[name].tobytes())
    return digest.hexdigest()


def _settings(folder: Path, classes: int) -> Any:
    from transformers import BertConfig

    settings = read_settings(folder) | {
        "hidden_dropout_prob": 0.0,
        "attention_probs_dropout_prob": 0.0,
        "classifier_dropout": None,
        "num_labels": classes,
    }
    for labels in ("id2label", "label2id", "architectures", "transformers_version", "torch_dtype"):
        settings.pop(labels, None)
    return BertConfig(**settings, attn_implementation="sdpa")
