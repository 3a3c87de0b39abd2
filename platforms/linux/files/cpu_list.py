"""Lists of cores as the kernel writes them: ``0-3,5``."""

from collections.abc import Iterable


def parse_cpu_list(text: str) -> tuple[int, ...]:
    """Read a list of cores, ascending; ValueError for anything else.

    >>> parse_cpu_list("0-3,5")
    (0, 1, 2, 3, 5)
    >>> parse_cpu_list(" ")
    ()
    """
    cores: set[int] = set()
    for part in filter(None, text.strip().split(",")):
        first, dash, last = part.partition("-")
        cores.update(range(int(first), int(last if dash else first) + 1))
    return tuple(sorted(cores))


def format_cpu_list(cores: Iterable[int]) -> str:
    """Write cores as the kernel does.

    >>> format_cpu_list({5, 0, 1, 2})
    '0-2,5'
    """
    runs: list[list[int]] = []
    for core in sorted(set(cores)):
        if runs and runs[-1][1] == core - 1:
            runs[-1][1] = core
        else:
            runs.append([core, core])
    return ",".join(f"{a}-{b}" if a != b else f"{a}" for a, b in runs)
