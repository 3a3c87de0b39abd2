"""Check what a command line says, in the same words for every command."""

import argparse
from collections.abc import Mapping

from platforms.errors import InvalidInput


def check_ranges(args: argparse.Namespace, ranges: Mapping[str, tuple[float, float]]) -> None:
    """Raise InvalidInput for the first option outside its range; one that was not given is fine.

    `ranges` maps the names of attributes (``max_background`` for ``--max-background``) to the
    lowest and the highest value allowed.
    """
    for name, (low, high) in ranges.items():
        value = getattr(args, name)
        if value is not None and not low <= value <= high:
            raise InvalidInput(f"{option(name)} must lie in {low} ... {high} (got {value})")


def check_order(args: argparse.Namespace, low_name: str, high_name: str) -> None:
    """Raise InvalidInput where one option exceeds another."""
    low, high = getattr(args, low_name), getattr(args, high_name)
    if low > high:
        raise InvalidInput(
            f"{option(low_name)} must not exceed {option(high_name)} (got {low} and {high})"
        )


def option(name: str) -> str:
    """An attribute's option, as the user types it.

    >>> option("max_background")
    '--max-background'
    """
    return "--" + name.replace("_", "-")


def comma_separated(text: str) -> list[str]:
    """Names that are separated by commas, blanks around them left out, each once.

    >>> comma_separated("a, b,a")
    ['a', 'b']
    """
    return list(dict.fromkeys(name for part in text.split(",") if (name := part.strip())))
