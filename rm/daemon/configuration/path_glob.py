"""Globs of paths and names: `*` stays within a folder, `**` does not."""

import functools
import re

_MOST_STARS = 8


def glob_problem(glob: str) -> str | None:
    """Why a text is no glob that can be used, to come after "must"."""
    if len(re.findall(r"\*+", glob)) > _MOST_STARS:
        return f"have at most {_MOST_STARS} places with '*'"
    return None


@functools.lru_cache(maxsize=1024)
def compiled_glob(glob: str) -> re.Pattern[str]:
    """A pattern whose `fullmatch` tells whether a text fits.

    `?` is one character other than ``/``, `*` any number of them, `**` any number of any; all else
    means itself.

    >>> bool(compiled_glob("/usr/bin/*").fullmatch("/usr/bin/mpv"))
    True
    >>> bool(compiled_glob("/usr/*").fullmatch("/usr/bin/mpv"))
    False
    >>> bool(compiled_glob("/usr/**").fullmatch("/usr/bin/mpv"))
    True
    """
    parts = re.split(r"(\*+|\?)", glob)
    return re.compile("".join(_as_regex(part) for part in parts), re.DOTALL)


def _as_regex(part: str) -> str:
    if part == "?":
        return "[^/]"
    if part.startswith("**"):
        return ".*"
    return "[^/]*" if part == "*" else re.escape(part)
