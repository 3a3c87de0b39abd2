"""What CAFF and each of its baselines lets a device train: suffixes by their depth."""

from collections.abc import Mapping

from platforms.errors import InvalidInput
from training.federated.suffix import Suffix

Offers = Mapping[int, Suffix]
"""A suffix for every depth that is on offer; a device takes the deepest that fits."""

LORA_RANKS = {"lora-r2": 2, "lora-r8": 8, "lora-r24": 24}
METHODS = ("caff", *LORA_RANKS, "lora-depth", "drop-weak", "head")


def offers(method: str, layers: int, rank: int) -> Offers:
    """What a device may train of a model of so many layers.

    - caff: its last layers, as many as fit
    - lora-rN: LoRA of rank N on all layers, or it does not take part
    - lora-depth: LoRA of `rank` on its last layers, as many as fit
    - drop-weak: all layers, or it does not take part
    - head: pooler and head alone

    >>> sorted(offers("caff", 2, 8)), sorted(offers("drop-weak", 2, 8))
    ([0, 1, 2], [2])
    """
    depths = range(layers + 1)
    if method == "caff":
        return {depth: Suffix(depth) for depth in depths}
    if method == "lora-depth":
        return {depth: Suffix(depth, (rank,) * depth) for depth in depths}
    if method in LORA_RANKS:
        return {layers: Suffix(layers, (LORA_RANKS[method],) * layers)}
    if method == "drop-weak":
        return {layers: Suffix(layers)}
    if method == "head":
        return {0: Suffix(0)}
    raise InvalidInput(f"method must be one of {', '.join(METHODS)} (got {method})")
