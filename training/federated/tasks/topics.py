"""Real text: which kind of text, of which Python package, is a piece of?"""

import json
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import numpy as np
from msgspec import Struct

from platforms.atomic_file import replacing
from platforms.errors import InvalidInput
from training.federated.dice import dice
from training.federated.tasks.machine_text import KINDS, digest, texts, versions, windows
from training.federated.tasks.task import Examples, Pool

if TYPE_CHECKING:
    from tokenizers import Tokenizer

MODEL = "tiny-4"
TOKENS = 24

_CHARACTERS = 100  # of a piece; some more than TOKENS tokens
_PER_FILE = 20  # pieces at most, so that no file stands for its kind
_PER_CLASS = {"train": 700, "validation": 43, "test": 86}


class Pieces(Struct, frozen=True, kw_only=True):
    """Pieces of text for each kind, by split; a file's pieces are all in one split."""

    origin: str
    train: list[list[str]]
    validation: list[list[str]]
    test: list[list[str]]


def topics(tokenizer: "Tokenizer", kept: Path) -> Pool:
    """The task, its texts cut by that tokenizer; what was found is kept in the folder `kept`.

    Packages of another version say other things: the pieces are then gathered anew.
    """
    from training.federated.models.tokenizer import encode

    pieces = _pieces(kept / "topics.json")

    def examples(split: str) -> Examples:
        per_class: list[list[str]] = getattr(pieces, split)
        x = encode(tokenizer, [text for of_one in per_class for text in of_one], TOKENS)
        y = np.repeat(np.arange(len(per_class)), [len(of_one) for of_one in per_class])
        order = dice(0, "topics", split).permutation(len(y))
        return Examples(x=x[order], y=y[order].astype(np.int64))

    return Pool(
        classes=len(KINDS),
        tokens=TOKENS,
        train=examples("train"),
        validation=examples("validation"),
        test=examples("test"),
        model=MODEL,
    )


def _pieces(path: Path) -> Pieces:
    wanted = f"{versions()}; {', '.join(KINDS)}; {_PER_CLASS}"
    try:
        found = msgspec.json.decode(path.read_bytes(), type=Pieces)
    except (OSError, msgspec.MsgspecError):
        found = None
    if found is not None and found.origin == wanted:
        return found
    gathered = [gather(name) for name in KINDS]
    by_split = {split: [pieces[split] for pieces in gathered] for split in _PER_CLASS}
    with replacing(path) as part:
        part.write_text(json.dumps({"origin": wanted, **by_split}), encoding="utf-8")
    return Pieces(origin=wanted, **by_split)


def gather(kind: str) -> dict[str, list[str]]:
    """A kind's pieces by split; InvalidInput where there are too few."""
    found: dict[str, list[str]] = {split: [] for split in _PER_CLASS}
    for name, text in texts(KINDS[kind]):
        split = _split_of(name)
        pieces = list(windows(text, _CHARACTERS))[:_PER_FILE]
        found[split] = (found[split] + pieces)[: _PER_CLASS[split]]
        if all(len(found[split]) == count for split, count in _PER_CLASS.items()):
            return found
    counts = {split: len(pieces) for split, pieces in found.items()}
    raise InvalidInput(f"task topics: {kind} must give {_PER_CLASS} pieces (got {counts})")


def _split_of(name: str) -> str:
    """By the file's digest: one in ten for validation, two for the test."""
    return ("validation", "test", "test", *["train"] * 7)[digest(name) % 10]
