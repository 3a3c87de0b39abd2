"""A list of checks that a program in the guest goes through, whatever becomes of each one."""

import json
import time
import traceback
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Generic, TypeVar

Check = Callable[[], object]
"""Returns what it saw, for the reader; raises where that is wrong."""

Scene = TypeVar("Scene")


class SceneChecklist(Generic[Scene]):
    """Checks by name, in the order in which they were added; each is given the same scene.

    >>> checks: SceneChecklist[int] = SceneChecklist()
    >>> @checks.add
    ... def the_number_is_one(number: int) -> str:
    ...     assert 1 == number
    ...     return "one"
    >>> checks.run(1)
    ok   the_number_is_one: one
    {'the_number_is_one': ''}
    """

    def __init__(self) -> None:
        """An empty list."""
        self._checks: dict[str, Callable[[Scene], object]] = {}

    @property
    def names(self) -> list[str]:
        """The checks' names."""
        return list(self._checks)

    def add(self, check: Callable[[Scene], object]) -> Callable[[Scene], object]:
        """Add a function; for use as a decorator."""
        self._checks[_name(check)] = check
        return check

    def run(self, scene: Scene, report: Path | None = None) -> dict[str, str]:
        """Run all; by name what is wrong, empty where nothing is.

        After each check `report` gets all findings so far as JSON: by name ``wrong``, ``seen`` and
        ``took_s``.
        """
        return _run({name: partial(c, scene) for name, c in self._checks.items()}, report)


class Checklist:
    """The same without a scene: what the checks need, they find themselves."""

    def __init__(self) -> None:
        """An empty list."""
        self._checks: dict[str, Check] = {}

    @property
    def names(self) -> list[str]:
        """The checks' names."""
        return list(self._checks)

    def add(self, check: Check) -> Check:
        """Add a function; for use as a decorator."""
        self._checks[_name(check)] = check
        return check

    def run(self, report: Path | None = None) -> dict[str, str]:
        """As `SceneChecklist.run`."""
        return _run(self._checks, report)


def _name(check: Callable[..., object]) -> str:
    return getattr(check, "__name__", repr(check))


def _run(checks: Mapping[str, Check], report: Path | None) -> dict[str, str]:
    findings: dict[str, dict[str, object]] = {}
    wrongs: dict[str, str] = {}
    for name, check in checks.items():
        start_s = time.monotonic()
        seen, wrongs[name] = _outcome(name, check)
        took_s = round(time.monotonic() - start_s, 3)
        findings[name] = {"wrong": wrongs[name], "seen": seen, "took_s": took_s}
        if report is not None:
            report.write_text(json.dumps(findings, default=str))
    return wrongs


def _outcome(name: str, check: Check) -> tuple[object, str]:
    """What a check saw, and what is wrong."""
    try:
        seen = check()
    except Exception:  # noqa: BLE001 the other checks must still run
        wrong = traceback.format_exc(limit=-4)
        print(f"BAD  {name}: {wrong}", flush=True)
        return None, wrong
    print(f"ok   {name}: {seen}", flush=True)
    return seen, ""
