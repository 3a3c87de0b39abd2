"""Names in the order in which people count them."""

import re


def natural(name: str) -> list[tuple[int, str]]:
    """A key to sort names by: numbers in them by their value.

    >>> sorted(["A15", "A7", "GPU"], key=natural)
    ['A7', 'A15', 'GPU']
    """
    parts = re.split(r"(\d+)", name)
    return [(int(part), "") if part.isdigit() else (-1, part) for part in parts]
