"""An application that is managed: who asked for it, what it needs, how often it beat."""

from dataclasses import dataclass, field
from typing import Literal

from platforms.linux.managed import Heartbeats, ManagedProcess, ProcessKey, Target

Source = Literal["configuration", "client"]


@dataclass
class Grant:
    """One managed process. `uid` is who registered it (0 for the configuration).

    `id` is given once and never again.
    """

    id: int
    name: str
    key: ProcessKey
    target: Target
    priority: int
    source: Source
    uid: int = 0
    heartbeats: Heartbeats = field(default_factory=Heartbeats)
    has_beaten: bool = False

    def beat(self, count: int) -> bool:
        """Count heartbeats; whether they are the first."""
        self.heartbeats.count += count
        first, self.has_beaten = not self.has_beaten, True
        return first

    @property
    def sends_heartbeats(self) -> bool:
        """Whether heartbeats come, or are promised by a client that wants a rate of them."""
        promised = self.source == "client" and self.target.unit == "heartbeats/s"
        return self.has_beaten or promised

    def managed(self) -> ManagedProcess:
        """The application as those who read and place it know it."""
        return ManagedProcess(
            id=self.id,
            name=self.name,
            key=self.key,
            target=self.target,
            priority=self.priority,
            source=self.source,
            heartbeats=self.heartbeats if self.sends_heartbeats else None,
        )


def printable(text: str, *, longest: int = 64) -> str:
    r"""A name as it may stand in logs and on screens: processes call themselves as they like.

    >>> printable("a\x1b[2Jb"), printable("")
    ('a?[2Jb', '?')
    """
    kept = "".join(char if char.isprintable() else "?" for char in text[:longest])
    return kept.strip() or "?"
