"""Quantities and names as people read them: rates, frequencies, times, sets of cores."""

from collections.abc import Iterable

_SECOND_STEPS = ((86_400, "d"), (3_600, "h"), (60, "min"), (1, "s"))
_PREFIXES = ((1e9, "G"), (1e6, "M"), (1e3, "k"))
_THREE_DIGITS = 100
_TWO_DIGITS = 10


def duration(time_s: float) -> str:
    """A time in its two largest units, seconds in.

    >>> [duration(t) for t in (0.25, 59.7, 752, 11525, 200000)]
    ['0 s', '59 s', '12 min 32 s', '3 h 12 min', '2 d 7 h']
    """
    left, parts = int(time_s), []
    for size, unit in _SECOND_STEPS:
        if left >= size:
            parts.append(f"{left // size} {unit}")
            left %= size
        elif parts:
            parts.append("")
    return " ".join(part for part in parts[:2] if part) or "0 s"


def megahertz(freq_hz: int | None) -> str:
    """A frequency in MHz, hertz in; a dash for none.

    >>> megahertz(1_402_000_000), megahertz(None)
    ('1402', '-')
    """
    return "-" if freq_hz is None else f"{freq_hz / 1e6:.0f}"


def rate(per_s: float | None) -> str:
    """A rate in three digits with a decimal prefix; a dash for none.

    >>> [rate(r) for r in (30.42, 8.5e8, 1.2e9, 0.5, 12_500, None)]
    ['30.4', '850 M', '1.20 G', '0.50', '12.5 k', '-']
    """
    if per_s is None:
        return "-"
    for size, prefix in _PREFIXES:
        if per_s >= size:
            return f"{_three_digits(per_s / size)} {prefix}"
    return _three_digits(per_s)


def _three_digits(number: float) -> str:
    digits = 0 if number >= _THREE_DIGITS else 1 if number >= _TWO_DIGITS else 2
    return f"{number:.{digits}f}"


def core_list(cores: Iterable[int]) -> str:
    """Cores as Linux writes them; a dash for none.

    >>> core_list((4, 0, 1, 2, 3)), core_list((0, 2)), core_list(())
    ('0-4', '0,2', '-')
    """
    ranges: list[list[int]] = []
    for core in sorted(cores):
        if ranges and core == ranges[-1][1] + 1:
            ranges[-1][1] = core
        else:
            ranges.append([core, core])
    texts = (str(a) if a == b else f"{a}-{b}" for a, b in ranges)
    return ",".join(texts) or "-"


def printable(text: str) -> str:
    r"""A text that others chose, without what would steer the terminal.

    >>> printable("video\x1b[2J\n")
    'video?[2J?'
    """
    return "".join(character if character.isprintable() else "?" for character in text)
