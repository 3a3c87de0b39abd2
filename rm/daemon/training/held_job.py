"""A training job of the daemon: whose it is, and what a daemon before has left of its round."""

from dataclasses import dataclass

from platforms.linux.managed import ProcessKey


@dataclass
class HeldJob:
    """The process `key` trains as the job `id`; user `uid` has registered it.

    `memory_bytes` is what it may hold (None: no limit). `done_before` are reference samples of its
    round that were done under an earlier daemon.
    """

    id: int
    name: str
    key: ProcessKey
    uid: int
    memory_bytes: int | None = None
    done_before: float = 0.0
