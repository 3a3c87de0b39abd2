"""A process whose QoS ilgov looks after, as those who read and place it need to know it."""

from typing import Literal

from msgspec import Struct

RateUnit = Literal["instructions/s", "heartbeats/s"]


class ProcessKey(Struct, frozen=True, gc=False, cache_hash=True):
    """A process for ever: its number may be given to another one, its start then differs.

    `start_ticks` is field 22 of ``/proc/PID/stat``, clock ticks since boot.
    """

    pid: int
    start_ticks: int


class Target(Struct, frozen=True, gc=False):
    """The rate that an application must reach."""

    value: float
    unit: RateUnit


class Heartbeats:
    """How many heartbeats of an application came so far (`count`): who receives them adds them."""

    __slots__ = ("count",)

    def __init__(self, count: int = 0) -> None:
        self.count = count


class ManagedProcess(Struct, frozen=True, kw_only=True):
    """An application: the process `key` with all its threads and descendants.

    `id` is given once and never again. `heartbeats` is None for an application that sends none.
    `priority`: the larger, the more important.
    """

    id: int
    name: str
    key: ProcessKey
    target: Target
    priority: int = 0
    source: Literal["configuration", "client"] = "configuration"
    heartbeats: Heartbeats | None = None


class TrainingProcess(Struct, frozen=True, gc=False):
    """A training job: the process `key` with all its threads and descendants.

    `id` is the job's, never given again. `memory_bytes`: what it may hold, None for no limit. `uid`
    is who has registered it, whose processes alone are held; root's job is held whoever is in it.
    """

    id: int
    key: ProcessKey
    memory_bytes: float | None = None
    uid: int = 0
