"""A training job of the daemon: whose it is, and what a daemon before has left of its round."""

from dataclasses import dataclass

from platforms.linux.managed import ProcessKey


@dataclass
class HeldJob:
    """The process `key` trains as the job `id`; user `uid` has registered it.

    `done_before` are reference samples of its round that were done under an earlier daemon.
    """

    id: int
    name: str
    key: ProcessKey
    uid: int
    done_before: float = 0.0
