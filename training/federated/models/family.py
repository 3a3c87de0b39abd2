"""The tiny models: their names and sizes."""

import re
from typing import NamedTuple

from platforms.errors import InvalidInput
from training.federated.models.shape import Shape
from training.federated.tasks import source

LAYERS = (2, 4, 6)
"""Layers of the members of a family."""
FAMILIES = ("tiny", "source")
"""`tiny` is pre-trained on text, `source` on the synthetic language of the tasks tokens, labels."""

TEXT_VOCABULARY = 1000

_NAME = re.compile(r"(tiny|source)-([1-9]\d?)(:random)?")
_POSITIONS = {"tiny": 128, "source": source.TOKENS}
_VOCABULARY = {"tiny": TEXT_VOCABULARY, "source": source.VOCABULARY}


class Member(NamedTuple):
    """A member of a family; `random` is one whose weights are drawn, not pre-trained."""

    family: str
    layers: int
    random: bool

    @property
    def name(self) -> str:
        """Its name without ":random": that of its folder."""
        return f"{self.family}-{self.layers}"


def member(name: str) -> Member | None:
    """The member of that name; None for a name of another kind.

    >>> member("tiny-4:random")
    Member(family='tiny', layers=4, random=True)
    >>> member("/some/folder")
    """
    found = _NAME.fullmatch(name)
    return Member(found[1], int(found[2]), bool(found[3])) if found else None


def sized(name: str, layers: int) -> str:
    """The name of another member of the same family.

    >>> sized("source-4:random", 6)
    'source-6:random'
    """
    found = member(name)
    if found is None:
        raise InvalidInput(f"model must be of the family tiny or source (got {name})")
    return f"{found.family}-{layers}" + (":random" if found.random else "")


def shape_of_member(found: Member, classes: int) -> Shape:
    """The sizes of a member."""
    return Shape(
        layers=found.layers,
        hidden=64,
        heads=4,
        ffn=256,
        vocabulary=_VOCABULARY[found.family],
        positions=_POSITIONS[found.family],
        types=1,
        classes=classes,
    )
