"""The text that models are pre-trained on."""

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from platforms.errors import InvalidInput

LEAST = 20_000
"""Characters that a text must have to be worth learning from."""


class Text(NamedTuple):
    """Text, and in words where it is from."""

    text: str
    origin: str

    @property
    def sha256(self) -> str:
        """The digest of the text."""
        return hashlib.sha256(self.text.encode()).hexdigest()


def python_topics() -> Text:
    """What every Python carries as its help on the language: English, some 465,000 characters."""
    from pydoc_data.topics import topics

    return Text("\n".join(topics[name] for name in sorted(topics)), "pydoc_data.topics")


def files(paths: Sequence[Path]) -> Text:
    """The user's own files, as UTF-8; InvalidInput where one cannot be read, or all are short."""
    texts = []
    for path in paths:
        try:
            texts.append(path.read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError) as error:
            raise InvalidInput(f"{path}: must be text in UTF-8 ({error})") from error
    text = "\n".join(texts)
    if len(text) < LEAST:
        raise InvalidInput(f"text must have at least {LEAST} characters (got {len(text)})")
    return Text(text, ", ".join(path.name for path in paths))
