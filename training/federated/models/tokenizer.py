"""Text as token ids: byte-level pieces, learnt from the text that models are pre-trained on."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from platforms.errors import InvalidInput
from training.federated.models.family import TEXT_VOCABULARY

if TYPE_CHECKING:
    from tokenizers import Tokenizer

PAD = "[PAD]"
BEGIN = "[CLS]"
HIDDEN = "[MASK]"
SPECIAL = (PAD, BEGIN, "[SEP]", HIDDEN)
"""Ids 0, 1, 2, 3 of a tokenizer that is learnt here."""


def learn(text: str) -> "Tokenizer":
    """A tokenizer of `TEXT_VOCABULARY` pieces; equal text gives an equal one."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=TEXT_VOCABULARY,
        special_tokens=list(SPECIAL),
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    tokenizer.train_from_iterator(text.splitlines(keepends=True), trainer)
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{BEGIN} $A", special_tokens=[(BEGIN, SPECIAL.index(BEGIN))]
    )
    return tokenizer


def read(path: Path) -> "Tokenizer":
    """The tokenizer in a tokenizer.json; InvalidInput where it is none, or 0 does not pad."""
    from tokenizers import Tokenizer

    try:
        tokenizer = Tokenizer.from_file(str(path))
    except Exception as error:
        raise InvalidInput(f"{path}: must be a tokenizer ({error})") from error
    if tokenizer.token_to_id(PAD) != 0:
        raise InvalidInput(f"{path}: {PAD} must be token 0 (got {tokenizer.token_to_id(PAD)})")
    tokenizer.no_padding()
    return tokenizer


def encode(tokenizer: "Tokenizer", texts: Sequence[str], tokens: int) -> NDArray[Any]:
    """A row of `tokens` ids for each text: cut at the end, or filled with 0."""
    tokenizer.enable_truncation(tokens)
    rows = np.zeros((len(texts), tokens), np.int64)
    for row, encoded in zip(rows, tokenizer.encode_batch(list(texts)), strict=True):
        row[: len(encoded.ids)] = encoded.ids
    return rows
