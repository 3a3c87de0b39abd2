"""Numbers as text: accuracies in per cent, quantities with units, intervals, multiples."""

import math

from rm.evaluation.summary import Interval

_PREFIXES = ("", "k", "M", "G", "T", "P", "E")
NOTHING = "–"


def percent(value: float) -> str:
    """An accuracy or share in per cent.

    >>> percent(0.8215)
    '82.2'
    """
    return f"{100 * value:.1f}"


def accuracy(value: Interval) -> str:
    """A mean accuracy in per cent, with half of its interval.

    >>> accuracy(Interval(mean=0.8, low=0.75, high=0.85, n=5))
    '80.0 ± 5.0'
    """
    if value.high is None:
        return percent(value.mean)
    return f"{percent(value.mean)} ± {percent(value.high - value.mean)}"


def points(value: Interval | None) -> str:
    """A difference of accuracies in points of a per cent, with its interval.

    >>> points(Interval(mean=-0.012, low=-0.03, high=0.006, n=5))
    '−1.2 [−3.0, +0.6]'
    """
    if value is None:
        return NOTHING
    mean, *ends = (
        _minus(f"{100 * one:+.1f}")
        for one in (value.mean, value.low, value.high)
        if one is not None
    )
    return f"{mean} [{', '.join(ends)}]" if ends else mean


def multiple(value: Interval | None) -> str:
    """A ratio with its interval.

    >>> multiple(Interval(mean=1.32, low=1.1, high=1.58, n=5))
    '1.32× [1.10, 1.58]'
    """
    if value is None:
        return NOTHING
    mean, *ends = (_digits(one) for one in (value.mean, value.low, value.high) if one is not None)
    return f"{mean}× [{', '.join(ends)}]" if ends else f"{mean}×"


def quantity(value: float, unit: str) -> str:
    """Three digits and a prefix for thousands.

    >>> quantity(34_200_000, "B"), quantity(0.5, "s"), quantity(0, "J"), quantity(123456, "s")
    ('34.2 MB', '0.50 s', '0 J', '123 ks')
    """
    if value == 0:
        return f"0 {unit}"
    power = int(max(math.log10(abs(value)) // 3, 0))
    power = min(power, len(_PREFIXES) - 1)
    return f"{_digits(value / 1000**power)} {_PREFIXES[power]}{unit}"


def number(value: str | float | None) -> str:
    """A cell of a study's own table: text as it is, four digits of a number.

    >>> number(0.123456), number(3), number("rank 4"), number(None), number(1234567.0)
    ('0.1235', '3', 'rank 4', '–', '1234567')
    """
    if value is None:
        return NOTHING
    if isinstance(value, str):
        return value
    if isinstance(value, int) or (value == round(value) and abs(value) < 1e15):
        return _minus(f"{value:.0f}")
    return _minus(f"{value:.0f}" if abs(value) >= 1000 else f"{value:.4g}")


def _digits(value: float) -> str:
    if value != 0 and (abs(value) < 0.01 or abs(value) >= 10_000):
        return _minus(f"{value:.2e}")
    whole = len(f"{abs(value):.0f}")
    return _minus(f"{value:.{max(3 - whole, 0)}f}")


def _minus(text: str) -> str:
    return text.replace("-", "−")
