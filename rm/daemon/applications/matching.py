"""Which process belongs to which application of the configuration."""

import re
from collections.abc import Callable, Iterable
from pathlib import Path

from platforms.linux.managed import Target
from platforms.linux.processes.processes import ProcessInfo
from rm.daemon.configuration.path_glob import compiled_glob
from rm.daemon.configuration.settings import ApplicationRule
from rm.daemon.configuration.users import user_id

MOST_CHARACTERS = 4096
"""So much of a command line is looked at: whoever starts a process chooses its length."""

_Test = Callable[[ProcessInfo], bool]


class Rule:
    """An application's rule, ready to be asked often."""

    def __init__(self, settings: ApplicationRule, *, root: Path = Path("/")) -> None:
        """`root` is the system whose users the rule names."""
        self.name = settings.name
        self.target = Target(settings.target, settings.target_unit)
        self.priority = settings.priority
        self._tests: tuple[_Test, ...] = tuple(_tests(settings, root))

    def matches(self, process: ProcessInfo) -> bool:
        """Whether the process fulfils every criterion that the rule gives."""
        return all(test(process) for test in self._tests)


def compiled(rules: Iterable[ApplicationRule], *, root: Path = Path("/")) -> tuple[Rule, ...]:
    """The rules in their order."""
    return tuple(Rule(rule, root=root) for rule in rules)


def first_match(rules: Iterable[Rule], process: ProcessInfo) -> Rule | None:
    """The first rule that the process fulfils: the order of the file decides."""
    return next((rule for rule in rules if rule.matches(process)), None)


def _tests(settings: ApplicationRule, root: Path) -> Iterable[_Test]:
    """The cheapest first."""
    if settings.user is not None:
        yield _user_is(user_id(settings.user, root))
    for criterion in ("executable", "unit", "cgroup"):
        glob = getattr(settings, criterion)
        if glob is not None:
            yield _fits(criterion, compiled_glob(glob))
    if settings.command_line is not None:
        yield _command_line_has(re.compile(settings.command_line))


def _user_is(uid: int | None) -> _Test:
    return lambda process: process.uid == uid


def _fits(criterion: str, pattern: re.Pattern[str]) -> _Test:
    return lambda process: pattern.fullmatch(getattr(process, criterion) or "") is not None


def _command_line_has(pattern: re.Pattern[str]) -> _Test:
    return lambda process: pattern.search(process.command_line[:MOST_CHARACTERS]) is not None
