"""A model by its name, ready to be trained."""

from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray

from platforms.errors import InvalidInput
from training.federated.models.family import config, member, shape_of_member
from training.federated.models.shape import Shape, shape_of
from training.federated.models.weights import drawn
from training.federated.suffix import load_arrays

if TYPE_CHECKING:
    from transformers import BertForSequenceClassification

_HEAD = ("pooler.weight", "pooler.bias", "head.weight", "head.bias")


def load_model(
    name: str, models: Path | str, classes: int, seed: int
) -> "BertForSequenceClassification":
    """A BERT classifier for so many classes, in float32, without dropout, nothing frozen.

    `name` is tiny-N or source-N (N layers), the same with ":random" (weights drawn, always the
    same ones), minilm, or a folder with a Hugging Face BERT. `models` is the store of pre-trained
    ones; "" is the default store, and what is missing there is made first. Pooler and head come
    from the stored model where it has them for as many classes, else from `seed`.
    """
    import torch
    from transformers import BertForSequenceClassification

    torch.set_num_threads(1)
    settings, arrays = _stored(name, str(models), classes)
    with torch.random.fork_rng(devices=[]):
        model = BertForSequenceClassification(settings)
    missing = [part for part in _HEAD if part not in arrays]
    load_arrays(model, arrays | (drawn(shape_of(settings), seed, missing) if missing else {}))
    return model


def shape_of_name(name: str, models: Path | str, classes: int) -> Shape:
    """The shape of the model that `load_model` gives, without making one."""
    return shape_of(_stored(name, str(models), classes)[0])


@lru_cache(maxsize=16)
def _stored(name: str, models: str, classes: int) -> tuple[Any, dict[str, NDArray[Any]]]:
    """Configuration and arrays by canonical names; of the head, what fits."""
    found = member(name)
    if found is not None and found.random:
        shape = shape_of_member(found, classes)
        arrays = {k: v for k, v in drawn(shape, 0).items() if k not in _HEAD}
        return config(shape), arrays
    del models
    raise InvalidInput(f"model {name}: only ':random' ones are there yet")
