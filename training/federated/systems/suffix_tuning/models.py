"""Models as server and devices hold them: one per suffix, filled anew before each use."""

from functools import lru_cache
from typing import TYPE_CHECKING

from training.federated.exchange import Arrays
from training.federated.models.load import load_model
from training.federated.models.names import parameters_of
from training.federated.models.shape import shape_of
from training.federated.suffix import Suffix, arrays_of, load_arrays, merged, prepare, whole

if TYPE_CHECKING:
    from transformers import BertForSequenceClassification


@lru_cache(maxsize=4)
def pretrained(name: str, models: str, classes: int, seed: int) -> Arrays:
    """All arrays of a model as everybody has it before training, by canonical names."""
    model = load_model(name, models, classes, seed)
    return arrays_of(model, whole(shape_of(model)))


@lru_cache(maxsize=8)
def prepared(
    name: str, models: str, classes: int, seed: int, suffix: Suffix
) -> "BertForSequenceClassification":
    """A model for a suffix; its arrays are those of whoever used it last."""
    return prepare(load_model(name, models, classes, seed), suffix, seed=seed)


def fill(model: "BertForSequenceClassification", base: Arrays, arrays: Arrays) -> None:
    """Put `arrays` into a model that is else as `base`.

    LoRA of a layer in which the model has none is added to the layer's own weights.
    """
    names = parameters_of(model)
    own = {name: array for name, array in arrays.items() if name in names}
    others = {name: array for name, array in arrays.items() if name not in names}
    load_arrays(model, merged(base, others) | own)
