"""The applications that are managed: those that rules name, and those that clients register.

What a client says of a process goes before what a rule says. A process whose ancestor fits a rule
is part of that application and does not become one of its own by a rule; a client may make it one.
"""

import logging
import math
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence, Set
from pathlib import Path
from typing import Protocol

from platforms.linux.managed import Heartbeats, ManagedProcess, ProcessKey, Target
from platforms.linux.processes.processes import ProcessInfo
from rm.daemon.applications.grant import Grant, printable
from rm.daemon.applications.matching import Rule
from rm.daemon.applications.verdicts import Verdicts
from rm.daemon.clients.token_bucket import TokenBucket
from rm.daemon.configuration.settings import ApplicationRule

MOST = 256
"""Applications managed at the same time."""

MOST_PER_USER = 64
"""Of those, registered by one user other than root."""

SAY_AGAIN_S = 60.0

LINES_PER_S = 2.0
BURST_LINES = 600.0
"""Log lines on who comes and goes; what is more is for debugging: clients cause them."""

_log = logging.getLogger(__name__)


class Refused(Exception):
    """What a client asks for is not granted; the message says why, and what would be."""


class Processes(Protocol):
    """What is asked of a `ProcessTable`."""

    def info(self, pid: int) -> ProcessInfo | None:
        """The process that has this number now."""
        ...

    def is_alive(self, key: ProcessKey) -> bool:
        """Whether this process still runs."""
        ...

    @property
    def parents(self) -> Mapping[int, int]:
        """The parent of every process as of the last scan."""
        ...


class Applications:
    """All grants, by process. Nothing here reads or writes the machine but through `processes`."""

    def __init__(
        self,
        rules: Iterable[ApplicationRule],
        processes: Processes,
        *,
        root: Path = Path("/"),
        most: int = MOST,
        most_per_user: int = MOST_PER_USER,
        trains: Callable[[ProcessKey], bool] = lambda _key: False,
    ) -> None:
        """`root` is the system whose users the rules name.

        Processes of which `trains` holds are placed by their training jobs: they are none of ours.
        """
        self._verdicts = Verdicts(rules, root=root)
        self.processes = processes
        self._most = most
        self._most_per_user = most_per_user
        self._trains = trains
        self._grants: dict[ProcessKey, Grant] = {}
        self._next_id = 1
        self._managed: tuple[ManagedProcess, ...] | None = ()
        self._scanned: Sequence[ProcessInfo] = ()
        self._living: frozenset[ProcessKey] = frozenset()
        self._said_full_s = -math.inf
        self._now_s = 0.0
        self._lines = TokenBucket(LINES_PER_S, BURST_LINES, self._now_s)

    def set_rules(self, rules: Iterable[ApplicationRule]) -> None:
        """Other rules from the next `update` on; who stays managed keeps its id."""
        self._verdicts.set_rules(rules)

    def managed(self) -> tuple[ManagedProcess, ...]:
        """The applications now; the same tuple as long as nothing changes."""
        if self._managed is None:
            self._managed = tuple([grant.managed() for grant in self._grants.values()])
        return self._managed

    def grant_of(self, key: ProcessKey) -> Grant | None:
        """The grant of a process, None where it is not managed."""
        return self._grants.get(key)

    def is_clients(self, key: ProcessKey) -> bool:
        """Whether a client has registered this process."""
        grant = self._grants.get(key)
        return grant is not None and grant.source == "client"

    def update(self, processes: Sequence[ProcessInfo], now_s: float) -> None:
        """Take over what a scan has found: drop who has ended, manage who fits a rule now.

        `processes` is not to change afterwards: where it comes again nothing in it is new.
        """
        self._now_s = now_s
        if processes is not self._scanned:
            self._scanned = processes
            self._living = frozenset([process.key for process in processes])
        living = self._living
        self._drop_ended(living)
        matched = {
            key: found
            for key, found in self._verdicts.matched(processes, self.processes.parents).items()
            if not self._trains(key)
        }
        for key, grant in list(self._grants.items()):
            if grant.source == "configuration" and key in living and key not in matched:
                self._remove(key, "it trains" if self._trains(key) else "fits no rule any more")
        for key, (process, rule) in matched.items():
            self._follow_rule(key, process, rule)

    def register(
        self,
        process: ProcessInfo,
        *,
        uid: int,
        target: Target | None,
        name: str | None = None,
        priority: int | None = None,
    ) -> Grant:
        """Manage `process` as a client of user `uid` wants it; replaces what stood there.

        Without a target, those of a rule that fits the process hold. Raises Refused.
        """
        if self._trains(process.key):
            raise Refused(f"process {process.key.pid} must not have a training job (it has one)")
        rule = self._verdicts.rule_for(process)
        target = target or (rule.target if rule else None)
        if target is None:
            raise Refused(
                "target must be given, as no rule of the configuration fits this process "
                f"(got none for process {process.key.pid})"
            )
        old = self._grants.get(process.key)
        self._check_room(old, uid)
        default = rule.priority if rule else 0
        grant = Grant(
            id=old.id if old else self._new_id(),
            name=printable(name or (rule.name if rule else process.name)),
            key=process.key,
            target=target,
            priority=default if priority is None else priority,
            source="client",
            uid=uid,
            heartbeats=Heartbeats(old.heartbeats.count if old else 0),
        )
        self._put(grant)
        return grant

    def end(self, grant: Grant) -> None:
        """End a client's grant, if it still holds; a rule may take its place at the next scan."""
        if self._grants.get(grant.key) is grant:
            self._remove(grant.key, "its client has ended it")

    def beat(self, grant: Grant, count: int) -> None:
        """Count heartbeats of an application; one whose grant has ended is passed over."""
        if self._grants.get(grant.key) is grant and grant.beat(count):
            self._managed = None

    def _new_id(self) -> int:
        self._next_id += 1
        return self._next_id - 1

    def _put(self, grant: Grant) -> None:
        self._grants[grant.key] = grant
        self._managed = None
        self._say(
            "managed, target %g %s, priority %d, by %s",
            grant,
            grant.target.value,
            grant.target.unit,
            grant.priority,
            grant.source,
        )

    def _remove(self, key: ProcessKey, why: str) -> None:
        grant = self._grants.pop(key)
        self._managed = None
        self._say("no longer managed, %s", grant, why)

    def _check_room(self, old: Grant | None, uid: int) -> None:
        if old is not None and old.source == "client" and uid not in (0, old.uid):
            raise Refused(
                f"process {old.key.pid} must not be registered by another user already "
                f"(is by user {old.uid})"
            )
        if old is None and len(self._grants) >= self._most:
            raise Refused(f"applications must be at most {self._most} (got one more)")
        mine = Counter(grant.uid for grant in self._grants.values() if grant.source == "client")
        known = old is not None and old.source == "client"
        if uid != 0 and not known and mine[uid] >= self._most_per_user:
            raise Refused(f"applications of a user must be at most {self._most_per_user}")

    def _drop_ended(self, living: Set[ProcessKey]) -> None:
        """A scan may leave out who is new; it is asked for by itself."""
        for key in [key for key in self._grants if key not in living]:
            if not self.processes.is_alive(key):
                self._remove(key, "it has ended")

    def _follow_rule(self, key: ProcessKey, process: ProcessInfo, rule: Rule) -> None:
        old = self._grants.get(key)
        if old is not None and (old.source == "client" or _says_the_same(rule, old)):
            return
        if old is None and len(self._grants) >= self._most:
            self._say_full(process)
            return
        self._put(
            Grant(
                id=old.id if old else self._new_id(),
                name=printable(rule.name),
                key=key,
                target=rule.target,
                priority=rule.priority,
                source="configuration",
            )
        )

    def _say(self, text: str, grant: Grant, *more: object) -> None:
        level = logging.INFO if self._lines.take(self._now_s) else logging.DEBUG
        head = "application %d %r, process %d: "
        _log.log(level, head + text, grant.id, grant.name, grant.key.pid, *more)

    def _say_full(self, process: ProcessInfo) -> None:
        if self._now_s - self._said_full_s >= SAY_AGAIN_S:
            self._said_full_s = self._now_s
            _log.warning(
                "process %d %r fits a rule and is left alone: there are %d applications, no more "
                "are managed; narrower rules help",
                process.key.pid,
                printable(process.name),
                self._most,
            )


def _says_the_same(rule: Rule, grant: Grant) -> bool:
    said = (printable(rule.name), rule.target, rule.priority)
    return said == (grant.name, grant.target, grant.priority)
