"""Which settings of the knobs are meant: ``batch=4,16 depth=1,4``."""

from collections.abc import Mapping, Sequence
from itertools import product

from platforms.errors import InvalidInput

Knobs = Mapping[str, float]
Choice = Mapping[str, frozenset[float]]


def parse_choice(words: Sequence[str]) -> Choice:
    """Values by knob.

    >>> parse_choice(["batch=4,16"]) == {"batch": frozenset({4.0, 16.0})}
    True
    """
    choice = {}
    for word in words:
        name, equals, values = word.partition("=")
        try:
            choice[name] = frozenset(float(value) for value in values.split(","))
        except ValueError:
            equals = ""
        if not equals or not name:
            raise InvalidInput(f"--settings must be KNOB=VALUE[,VALUE] (got {word})")
    return choice


def chosen(settings: Sequence[Knobs], choice: Choice) -> list[int]:
    """Indices of the settings that have one of the values of every knob that is named.

    InvalidInput for a knob that no setting has, or where no setting is left.
    """
    known = {name for knobs in settings for name in knobs}
    for name in choice:
        if name not in known:
            raise InvalidInput(
                f"--settings must name a knob out of {', '.join(sorted(known))} (got {name})"
            )
    kept = [
        index
        for index, knobs in enumerate(settings)
        if all(knobs.get(name) in values for name, values in choice.items())
    ]
    if not kept:
        raise InvalidInput(f"--settings must leave a setting out of {len(settings)} (got none)")
    return kept


def grid(choice: Choice) -> tuple[dict[str, float], ...]:
    """Every combination of values, for a loop of which nothing else is known.

    InvalidInput where no batch is named.

    >>> grid(parse_choice(["batch=8,4", "depth=1"]))
    ({'batch': 4.0, 'depth': 1.0}, {'batch': 8.0, 'depth': 1.0})
    """
    if "batch" not in choice:
        raise InvalidInput(f"--settings must name batch=VALUES (got {sorted(choice) or 'none'})")
    return tuple(
        dict(zip(choice, values, strict=True))
        for values in product(*(sorted(values) for values in choice.values()))
    )
