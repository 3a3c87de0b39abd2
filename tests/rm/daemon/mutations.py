"""Damages text and documents at random, the same way in every run."""

import datetime as dt
import random
from collections.abc import Sequence
from typing import Any

NUMBERS = [0, -1, 1, 255, 1 << 31, 1 << 63, 1 << 64, 10**400, 0.0, -0.0, 1e-320, 1e308]
WORDS = ["", "a", "/", "//", "/etc/shadow", "/dev/zero", "~", "\0", "\x1b[2J", "é", "\U0001f600"]
PATTERNS = ["(", "(a+)+$", "[", "*" * 20, "a{9999999999}", "(?P<a>", "\\", "((((((((((", "(?i"]
UNUSUAL = [float("nan"), float("inf"), True, False, dt.date(2020, 1, 1), [], {}, [[]], [{}]]


def damaged(
    text: bytes, others: Sequence[bytes], tokens: Sequence[bytes], dice: random.Random
) -> bytes:
    """A text after one to four accidents."""
    data = bytearray(text)
    for _ in range(dice.randint(1, 4)):
        start = dice.randint(0, len(data))
        end = min(len(data), start + dice.choice((1, 1, 2, 8, 40)))
        accident = dice.randrange(6)
        if accident == 0:
            data[start:end] = dice.randbytes(end - start)
        elif accident == 1:
            del data[start:end]
        elif accident == 2:
            data[start:start] = data[start:end] * dice.choice((1, 2, 30))
        elif accident == 3:
            data[start:start] = dice.choice(tokens)
        elif accident == 4:
            other = dice.choice(others)
            begin = dice.randint(0, len(other))
            data[start:end] = other[begin : begin + dice.choice((4, 30, 200))]
        elif end > start:
            data[start] ^= 1 << dice.randrange(8)
    return bytes(data)


def strange_value(dice: random.Random, depth: int = 0) -> Any:
    """Something that TOML can say and nobody would."""
    kind = dice.randrange(6)
    if kind < 4 or depth > 3:
        return dice.choice((NUMBERS, WORDS, PATTERNS, UNUSUAL)[kind % 4])
    if kind == 4:
        return [strange_value(dice, depth + 1) for _ in range(dice.randrange(4))]
    return {
        dice.choice(WORDS[:9]): strange_value(dice, depth + 1) for _ in range(dice.randrange(4))
    }


def damaged_document(document: Any, dice: random.Random) -> Any:
    """A document in which some values are strange, missing, or under another name."""
    if dice.random() < 0.06:
        return strange_value(dice)
    if isinstance(document, dict):
        return {
            (dice.choice(WORDS) if dice.random() < 0.03 else key): damaged_document(value, dice)
            for key, value in document.items()
            if dice.random() > 0.03
        }
    if isinstance(document, list):
        return [
            damaged_document(value, dice)
            for value in document
            for _ in range(dice.choice((1, 1, 1, 2)))
        ]
    return document
