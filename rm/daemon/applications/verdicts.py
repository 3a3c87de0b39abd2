"""Which of all processes belong to a rule: judged once, as long as they look the same."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from platforms.linux.managed import ProcessKey
from platforms.linux.processes.processes import ProcessInfo
from rm.daemon.applications.matching import Rule, compiled, first_match
from rm.daemon.configuration.settings import ApplicationRule


class Verdicts:
    """The rules with what they said of each process."""

    def __init__(self, rules: Iterable[ApplicationRule], *, root: Path = Path("/")) -> None:
        """`root` is the system whose users the rules name."""
        self._root = root
        self._known: dict[ProcessKey, tuple[ProcessInfo, Rule | None]] = {}
        self._rules = compiled(rules, root=root)
        self._asked: tuple[Sequence[ProcessInfo], Mapping[int, int]] = ((), {})
        self._matched: dict[ProcessKey, tuple[ProcessInfo, Rule]] = {}

    def set_rules(self, rules: Iterable[ApplicationRule]) -> None:
        """Judge by other rules from now on."""
        self._rules = compiled(rules, root=self._root)
        self._known.clear()
        self._asked = ((), {})

    def rule_for(self, process: ProcessInfo) -> Rule | None:
        """The first rule that fits a process."""
        return first_match(self._rules, process)

    def matched(
        self, processes: Sequence[ProcessInfo], parents: Mapping[int, int]
    ) -> dict[ProcessKey, tuple[ProcessInfo, Rule]]:
        """Those of all `processes` that fit a rule, but for who has an ancestor that does.

        The same objects as before say the same as before: both must be left as they are.
        """
        if processes is not self._asked[0] or parents is not self._asked[1]:
            self._asked = (processes, parents)
            self._matched = self._judged(processes, parents)
        return self._matched

    def _judged(
        self, processes: Sequence[ProcessInfo], parents: Mapping[int, int]
    ) -> dict[ProcessKey, tuple[ProcessInfo, Rule]]:
        found = {}
        before, self._known = self._known, {}
        for process in processes:
            known = before.get(process.key)
            if known is None or (known[0] is not process and known[0] != process):
                known = (process, self.rule_for(process))
            self._known[process.key] = known
            if known[1] is not None:
                found[process.key] = (process, known[1])
        pids = {key.pid for key in found}
        return {
            key: pair for key, pair in found.items() if not _has_ancestor(key.pid, pids, parents)
        }


def _has_ancestor(pid: int, among: set[int], parents: Mapping[int, int]) -> bool:
    """Whether one of the ancestors of a process is `among` these."""
    seen = {pid}
    while (pid := parents.get(pid, 0)) and pid not in seen:
        if pid in among:
            return True
        seen.add(pid)
    return False
