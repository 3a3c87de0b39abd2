"""MergeSFL and its baselines as combinations of their parts."""

from dataclasses import dataclass
from typing import Literal

from platforms.errors import InvalidInput

TopKind = Literal["merged", "shared", "copies", "none"]
Selection = Literal["genetic", "greedy", "random", "everyone"]


@dataclass(frozen=True, kw_only=True)
class Method:
    """One method: what the top does, whether batches are regulated, who takes part.

    `top` "none": workers train the whole network (FedAvg).
    """

    top: TopKind
    regulated: bool
    selection: Selection


METHODS: dict[str, Method] = {
    "mergesfl": Method(top="merged", regulated=True, selection="genetic"),
    "merge-only": Method(top="merged", regulated=False, selection="genetic"),
    "regulate-only": Method(top="copies", regulated=True, selection="genetic"),
    "greedy": Method(top="merged", regulated=True, selection="greedy"),
    "random": Method(top="merged", regulated=True, selection="random"),
    "splitfed-v1": Method(top="copies", regulated=False, selection="everyone"),
    "splitfed-v2": Method(top="shared", regulated=False, selection="everyone"),
    "regulated-v2": Method(top="shared", regulated=True, selection="genetic"),
    "adasfl-like": Method(top="copies", regulated=True, selection="everyone"),
    "fedavg": Method(top="none", regulated=False, selection="everyone"),
}


def method_of(name: str) -> Method:
    """A method by its name; InvalidInput where there is none.

    >>> method_of("splitfed-v1").top
    'copies'
    """
    if name not in METHODS:
        raise InvalidInput(f"method must be one of {', '.join(METHODS)} (got {name})")
    return METHODS[name]
