"""What one peer may ask for, and what it gets: the requests' meaning, without any socket."""

import time
from collections.abc import Callable
from dataclasses import dataclass

from platforms.linux.managed import ProcessKey, Target
from platforms.linux.processes.processes import ProcessInfo
from rm.daemon.applications.applications import Applications, Refused
from rm.daemon.applications.grant import Grant
from rm.daemon.clients.messages import (
    Answer,
    End,
    Ended,
    Error,
    Heartbeat,
    OfTraining,
    Paused,
    Progress,
    Register,
    Registered,
    Request,
    State,
    StateAnswer,
    StatusOfAll,
    Train,
    Training,
    TrainingRound,
    Unregister,
    Unregistered,
    encode,
)
from rm.daemon.clients.peer import Peer
from rm.daemon.status import ApplicationStatus
from rm.daemon.training.held_job import HeldJob
from rm.daemon.training.training_desk import TrainingDesk

_MOST_ENDED = 512
_ROOT_UID = 0


@dataclass(frozen=True)
class Service:
    """What all peers share. `status` gives the daemon's status as JSON.

    `application_status` gives an application's by its id, None while nothing is known of it.
    `training` None: no process may train. `now_s` is the daemon's clock, seconds.
    """

    applications: Applications
    status: Callable[[], bytes]
    application_status: Callable[[int], ApplicationStatus | None] = lambda _id: None
    training: TrainingDesk | None = None
    now_s: Callable[[], float] = time.monotonic


class Session:
    """A peer's grants, from its connection to its end."""

    def __init__(self, peer: Peer, service: Service) -> None:
        self.peer = peer
        self._service = service
        self._grants: dict[int, Grant] = {}
        self._job: HeldJob | None = None

    def answer(self, request: Request) -> bytes | None:
        """Fulfil a request, give the line to answer; what is not granted is answered so."""
        if isinstance(request, StatusOfAll):
            return self._service.status() + b"\n"
        try:
            answer = self._fulfil(request)
        except Refused as refused:
            return None if isinstance(request, Heartbeat) else encode(Error(error=str(refused)))
        return None if answer is None else encode(answer)

    def close(self) -> None:
        """The peer is gone: what it registered is managed no longer, its job is over."""
        for grant in self._grants.values():
            self._service.applications.end(grant)
        self._grants.clear()
        if self._job is not None and self._service.training is not None:
            self._service.training.end(self._job, self._service.now_s(), "its client is gone")
            self._job = None

    def _fulfil(
        self, request: Register | Heartbeat | State | Unregister | OfTraining
    ) -> Answer | None:
        if isinstance(request, OfTraining):
            return self._of_training(request)
        if isinstance(request, Heartbeat):
            self._service.applications.beat(self._grant(request.pid), request.count)
            return None
        if isinstance(request, Register):
            return self._register(request)
        if isinstance(request, State):
            return StateAnswer(application=self._state(self._grant(request.pid)))
        return self._unregister(self._grant(request.pid))

    def _unregister(self, grant: Grant) -> Unregistered:
        self._service.applications.end(grant)
        del self._grants[grant.key.pid]
        return Unregistered(pid=grant.key.pid)

    def _grant(self, pid: int | None) -> Grant:
        """The peer's grant of a process that still runs. Raises Refused."""
        wanted = self.peer.pid if pid is None else pid
        grant = self._grants.get(wanted)
        if grant is None or self._service.applications.grant_of(grant.key) is not grant:
            raise Refused(f"pid must be that of a process registered here (got {wanted})")
        return grant

    def _register(self, wish: Register) -> Registered:
        if self.peer.uid != _ROOT_UID and (wish.priority or 0) > 0:
            raise Refused(f"priority must be at most 0 for who is not root (got {wish.priority})")
        process = self._own_process(self.peer.pid if wish.pid is None else wish.pid)
        grant = self._service.applications.register(
            process,
            uid=self.peer.uid,
            target=None if wish.target is None else Target(wish.target, wish.unit),
            name=wish.name,
            priority=wish.priority,
        )
        self._forget_ended()
        self._grants[process.key.pid] = grant
        return Registered(id=grant.id, pid=process.key.pid)

    def _of_training(self, request: OfTraining) -> Answer:
        desk, now_s = self._service.training, self._service.now_s()
        if desk is None:
            raise Refused("training jobs must be let in by the daemon (this one lets in none)")
        if isinstance(request, Train):
            return self._train(desk, request, now_s)
        job = self._job
        if job is None:
            raise Refused("a job must be registered by this connection first (got none)")
        if isinstance(request, End):
            desk.end(job, now_s)
            self._job = None
            return Ended(job=job.id)
        if isinstance(request, TrainingRound):
            return desk.begin_round(job, request, now_s)
        if isinstance(request, Progress):
            return desk.progress(job, request, now_s)
        assert isinstance(request, Paused)
        return desk.paused(job, now_s)

    def _train(self, desk: TrainingDesk, wish: Train, now_s: float) -> Training:
        if self._job is not None and desk.get(self._job.id) is self._job:
            raise Refused(f"a connection must have one job at most (has job {self._job.id})")
        process = self._own_process(self.peer.pid if wish.pid is None else wish.pid)
        if self._service.applications.is_clients(process.key):
            raise Refused(f"process {process.key.pid} must not be registered as an application too")
        self._job = desk.register(
            process,
            uid=self.peer.uid,
            capability=wish.capability,
            limits=wish.limits,
            name=wish.name,
            now_s=now_s,
        )
        return Training(job=self._job.id, grant=desk.answer(self._job, now_s))

    def _own_process(self, pid: int) -> ProcessInfo:
        """A process that the peer may have managed. Raises Refused.

        Its user was read after its start time; the process must still be the same afterwards, else
        the user may be that of another one with the same number.
        """
        processes = self._service.applications.processes
        process = processes.info(pid)
        if process is None or not processes.is_alive(process.key):
            raise Refused(f"pid must be that of a running process (got {pid})")
        if self.peer.uid not in (_ROOT_UID, process.uid):
            raise Refused(
                f"pid must be that of a process of user {self.peer.uid} (process {pid} is one of "
                f"user {process.uid}); only root registers others' processes"
            )
        return process

    def _forget_ended(self) -> None:
        if len(self._grants) > _MOST_ENDED:
            holds = self._service.applications.grant_of
            self._grants = {
                pid: grant for pid, grant in self._grants.items() if holds(grant.key) is grant
            }

    def _state(self, grant: Grant) -> ApplicationStatus:
        return self._service.application_status(grant.id) or nothing_known(grant)


def nothing_known(grant: Grant) -> ApplicationStatus:
    """The status of an application that was not measured yet."""
    key: ProcessKey = grant.key
    return ApplicationStatus(
        id=grant.id,
        name=grant.name,
        pid=key.pid,
        source=grant.source,
        priority=grant.priority,
        threads=0,
        cores=(),
        rate=None,
        target=grant.target.value,
        unit=grant.target.unit,
        met=None,
        measured_by="nothing yet",
    )
