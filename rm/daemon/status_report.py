"""The daemon's status, made of what its parts say at the moment of the question."""

import os
from collections.abc import Iterator, Mapping
from importlib.metadata import version
from types import MappingProxyType

from npu_runtime.isolation import Counts as IsolationCounts
from npu_runtime.isolation import IsolatedBackend
from npu_runtime.load import LoadedPolicy
from platforms.linux.applications.followed_application import ReadApplication
from platforms.linux.managed import ManagedProcess
from platforms.platform import Observation
from rm.daemon.opened_board import OpenedBoard
from rm.daemon.status import (
    ApplicationStatus,
    BackendStatus,
    ClusterStatus,
    CoreStatus,
    TemperatureStatus,
)

NEARLY = 0.98
"""A rate counts as met from this share of the target on: rates are measured, not exact."""

VERSION = version("ilgov")
PID = os.getpid()


def cluster_statuses(opened: OpenedBoard) -> Iterator[ClusterStatus]:
    """The clusters as of the last observation."""
    described = opened.platform.board.clusters
    for cluster, reading in zip(described, opened.platform.clusters, strict=False):
        yield ClusterStatus(
            name=cluster.name,
            cores=cluster.cores,
            freq_hz=reading.freq_hz,
            asked_hz=reading.asked_hz,
            cap_hz=reading.cap_hz,
        )


def core_statuses(opened: OpenedBoard, observation: Observation | None) -> Iterator[CoreStatus]:
    """The cores as of an observation."""
    board = opened.platform.board
    for core in range(board.core_count):
        yield CoreStatus(
            core=core,
            cluster=board.clusters[board.cluster_of_core[core]].name,
            online=core in opened.platform.cores_online,
            utilisation=observation.core_utilisation[core] if observation else 0.0,
        )


def temperature_statuses(
    opened: OpenedBoard,
    observation: Observation | None,
    *,
    now_s: float,
    problems: Mapping[str, str],
) -> Iterator[TemperatureStatus]:
    """Every sensor of the board; ages are as of `now_s`."""
    found = {t.sensor: t for t in observation.temperatures} if observation else {}
    since_s = now_s - observation.time_s if observation else 0.0
    for sensor in opened.platform.board.sensors:
        reading = found.get(sensor.name)
        yield TemperatureStatus(
            sensor=sensor.name,
            temp_c=reading.temp_c if reading else None,
            age_s=reading.age_s + since_s if reading else None,
            problem=problems.get(sensor.name),
        )


def application_status(
    process: ManagedProcess,
    read: ReadApplication | None,
    eased: Mapping[int, float] = MappingProxyType({}),
) -> ApplicationStatus:
    """An application against its target; `read` is None until it was looked at.

    `eased` is by id what counts of those targets of which not all does.
    """
    in_beats = process.target.unit == "heartbeats/s"
    rate = None if read is None else read.heartbeats_per_s if in_beats else read.rate_ips
    return ApplicationStatus(
        id=process.id,
        name=process.name,
        pid=process.key.pid,
        source=process.source,
        priority=process.priority,
        threads=read.threads if read else 0,
        cores=read.cores if read else (),
        rate=rate,
        target=process.target.value,
        unit=process.target.unit,
        met=None if rate is None else rate >= NEARLY * process.target.value,
        measured_by=read.measured_by if read else "nothing yet",
        counted=eased.get(process.id, 1.0),
    )


def backend_status(network: LoadedPolicy | None) -> BackendStatus | None:
    """What rates the mappings; None for a policy without a network."""
    if network is None:
        return None
    able, backend = network.capabilities, network.backend
    isolated = backend if isinstance(backend, IsolatedBackend) else None
    counts = isolated.counts if isolated else IsolationCounts(answers=network.answers)
    return BackendStatus(
        name=isolated.name if isolated else able.name,
        device=able.device,
        answers=counts.answers,
        late=counts.late,
        crashed=counts.crashed,
        wrong=counts.wrong,
        restarts=counts.restarts,
        why=network.why,
    )
