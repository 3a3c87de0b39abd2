"""Any Hugging Face dataset that the user has in a folder, as `save_to_disk` writes it."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from platforms.errors import InvalidInput
from training.federated.dice import dice
from training.federated.tasks.task import Examples, Pool

if TYPE_CHECKING:
    from tokenizers import Tokenizer

MODEL = "tiny-4"
TOKENS = 48

_MOST = {"train": 8000, "validation": 256, "test": 512}
_SHARE = {"validation": 0.1, "test": 0.2}  # of a dataset without that split


def local_dataset(folder: Path, tokenizer: "Tokenizer") -> Pool:
    """The task of a folder: column `text` is read, `label` (text or a whole number) is learnt.

    Splits `train`, `validation` and `test` are taken where there are such; a split that is
    missing is drawn from `train`, and of a large one a part. InvalidInput says what is not there.
    """
    from training.federated.models.tokenizer import encode

    splits = _splits(folder)
    classes = sorted({label for _, labels in splits.values() for label in labels})
    if len(classes) < 2:
        raise InvalidInput(f"{folder}: label must have two values at least (got {classes})")
    number = {label: place for place, label in enumerate(classes)}

    def examples(split: str) -> Examples:
        texts, labels = splits[split]
        y = np.array([number[label] for label in labels], np.int64)
        return Examples(x=encode(tokenizer, texts, TOKENS), y=y)

    return Pool(
        classes=len(classes),
        tokens=TOKENS,
        train=examples("train"),
        validation=examples("validation"),
        test=examples("test"),
        model=MODEL,
    )


_Rows = tuple[list[str], list[Any]]


def _splits(folder: Path) -> dict[str, _Rows]:
    found = {name: _rows(folder, data) for name, data in _loaded(folder).items()}
    if "train" not in found:
        raise InvalidInput(f"{folder}: must have a split train (got {sorted(found)})")
    rng = dice(0, "local dataset")
    order = rng.permutation(len(found["train"][1]))
    for name, share in _SHARE.items():
        if name not in found:
            count = max(1, min(_MOST[name], int(share * len(found["train"][1]))))
            found[name] = _picked(found["train"], order[:count])
            order = order[count:]
    found["train"] = _picked(found["train"], order)
    return {
        name: _picked(found[name], rng.permutation(len(found[name][1]))[:most])
        for name, most in _MOST.items()
    }


def _loaded(folder: Path) -> dict[str, Any]:
    try:
        import datasets
    except ImportError as error:
        raise InvalidInput(
            f"task hf:{folder}: needs the package datasets (pip install it)"
        ) from error
    try:
        data = datasets.load_from_disk(str(folder))
    except (OSError, ValueError) as error:
        raise InvalidInput(
            f"task hf:{folder}: must be a folder that a dataset's save_to_disk made ({error})"
        ) from error
    return dict(data) if isinstance(data, dict) else {"train": data}


def _rows(folder: Path, data: Any) -> _Rows:
    missing = {"text", "label"} - set(data.column_names)
    if missing:
        raise InvalidInput(
            f"{folder}: must have columns text and label (got {', '.join(data.column_names)})"
        )
    return list(data["text"]), list(data["label"])


def _picked(rows: _Rows, which: Sequence[int] | np.ndarray) -> _Rows:
    texts, labels = rows
    return [texts[row] for row in which], [labels[row] for row in which]
