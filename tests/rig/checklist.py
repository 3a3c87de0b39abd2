"""A list of checks that a program in the guest goes through, whatever becomes of each one."""

import json
import traceback
from collections.abc import Callable
from pathlib import Path

Check = Callable[[], object]
"""Returns what it saw, for the reader; raises AssertionError or OSError where that is wrong."""


class Checklist:
    """Checks by name, in the order in which they were added.

    >>> checks = Checklist()
    >>> @checks.add
    ... def one_is_one() -> str:
    ...     return "one"
    >>> checks.run()
    ok   one_is_one: one
    {'one_is_one': ''}
    """

    def __init__(self) -> None:
        """An empty list."""
        self._checks: dict[str, Check] = {}

    @property
    def names(self) -> list[str]:
        """The checks' names."""
        return list(self._checks)

    def add(self, check: Check) -> Check:
        """Add a function; for use as a decorator."""
        self._checks[getattr(check, "__name__", repr(check))] = check
        return check

    def run(self, report: Path | None = None) -> dict[str, str]:
        """Run all; by name what is wrong, empty where nothing is. Writes it as JSON too."""
        wrong = {}
        for name, check in self._checks.items():
            wrong[name] = _run(name, check)
            if report is not None:
                report.write_text(json.dumps(wrong))
        return wrong


def _run(name: str, check: Check) -> str:
    try:
        seen = check()
    except Exception:  # noqa: BLE001 the other checks must still run
        wrong = traceback.format_exc(limit=-2)
        print(f"BAD  {name}: {wrong}", flush=True)
        return wrong
    print(f"ok   {name}: {seen}", flush=True)
    return ""
