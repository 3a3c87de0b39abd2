"""Pre-training on text: hidden tokens are guessed.

Each hidden token is guessed twice, at its own place and from the pooler's summary of the whole
window, so that the summary, which classifiers are built on, has learnt to be one.
"""

from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from training.federated.dice import dice
from training.federated.models.build import build, config
from training.federated.models.family import Member, shape_of_member
from training.federated.models.made import Made
from training.federated.models.progress import Told
from training.federated.models.steps import Stepper
from training.federated.models.text import Text
from training.federated.models.tokenizer import BEGIN, HIDDEN, SPECIAL, learn
from training.federated.models.weights import HEAD, drawn
from training.federated.suffix import arrays_of, whole

STEPS = 1500
_BATCH = 32
_WINDOW = 32  # tokens, the first of them the beginning
_LEARNING_RATE = 3e-3
_HIDDEN_SHARE = 0.2
_SHOWN_AS_HIDDEN = 0.85  # of the hidden ones; the others keep their face, so that faces count too
_HELD_OUT = 0.05  # of the text, its end


class _Batch(NamedTuple):
    shown: Tensor
    rows: Tensor
    places: Tensor
    wanted: Tensor


def pretrain_text(found: Member, text: Text, *, seed: int, steps: int, told: Told) -> Made:
    """A member of the family `tiny`, with the tokenizer that the text gives."""
    tokenizer = learn(text.text)
    ids = np.array(tokenizer.encode(text.text, add_special_tokens=False).ids, np.int64)
    cut = int(len(ids) * (1 - _HELD_OUT))
    rng = dice(seed, "pretrain", found.name)
    shape = shape_of_member(found, classes=1)
    model = build(config(shape), drawn(shape, seed))
    guesser = _Guesser(shape.hidden)
    stepper = Stepper(
        [*model.parameters(), *guesser.parameters()], learning_rate=_LEARNING_RATE, steps=steps
    )
    for step in range(steps):
        at_place, by_summary = guesser.losses(model, _batch(ids[:cut], rng))
        stepper.step(at_place + by_summary)
        told(found.name, step + 1, steps)
    arrays = arrays_of(model, whole(shape))
    return Made(
        shape=shape,
        arrays={name: array for name, array in arrays.items() if name not in HEAD},
        quality=_quality(guesser, model, ids[cut:]),
        tokenizer=tokenizer.to_str(),
        origin={"seed": seed, "steps": steps, "text": text.origin, "text_sha256": text.sha256},
    )


class _Guesser(nn.Module):
    """Guesses tokens out of vectors by the embeddings themselves; thrown away in the end."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.at_place = nn.Linear(width, width)
        self.by_summary = nn.Linear(width, width)
        for part in (self.at_place, self.by_summary):
            nn.init.eye_(part.weight)
            nn.init.zeros_(part.bias)

    def losses(self, model: Any, batch: _Batch) -> tuple[Tensor, Tensor]:
        """Mean surprise (nats) at the hidden tokens: at their place, and by the summary."""
        vectors, summary = model.bert(input_ids=batch.shown, return_dict=False)
        words = model.bert.embeddings.word_embeddings.weight
        place = self.at_place(vectors[batch.rows, batch.places]) @ words.T
        whole_ = self.by_summary(summary[batch.rows]) @ words.T
        return cross_entropy(place, batch.wanted), cross_entropy(whole_, batch.wanted)


def _batch(ids: NDArray[Any], rng: np.random.Generator, size: int = _BATCH) -> _Batch:
    starts = rng.integers(len(ids) - _WINDOW + 1, size=size)
    windows = ids[starts[:, None] + np.arange(_WINDOW)]
    windows[:, 0] = SPECIAL.index(BEGIN)
    hidden = rng.random(windows.shape) < _HIDDEN_SHARE
    hidden[:, 0] = False
    rows, places = np.nonzero(hidden)
    covered = hidden & (rng.random(windows.shape) < _SHOWN_AS_HIDDEN)
    shown = np.where(covered, SPECIAL.index(HIDDEN), windows)
    return _Batch(*map(torch.from_numpy, (shown, rows, places, windows[rows, places])))


def _quality(guesser: _Guesser, model: Any, ids: NDArray[Any]) -> dict[str, float]:
    with torch.no_grad():
        losses = guesser.losses(model, _batch(ids, dice(0, "held out"), size=1000))
    return {"surprise_nats": losses[0].item(), "surprise_by_summary_nats": losses[1].item()}
