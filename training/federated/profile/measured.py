"""A capability that was measured on this device, point by point."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from platforms.board import Board
from platforms.errors import InvalidInput
from platforms.training_point import core_point
from platforms.training_work import BATCH, Efficiency, TrainingWork
from rm.planner.capability import Capability, Place, Setting
from training.federated.profile.clocks import Clocks
from training.federated.profile.points import Point, Points
from training.federated.profile.power_sensor import PowerSensor
from training.federated.profile.power_watch import watching
from training.federated.profile.stopwatch import Timed, timed

OVERHEAD_S = 1.0
"""What a point takes beside the seconds that it is measured for: a process, a model, warming up."""

_TOUCHES = 2
"""Times that a step of an unknown loop moves what it holds: written and read (assumed)."""


@dataclass(frozen=True, kw_only=True)
class Subject:
    """What is measured: `worker` as `workers.find_worker` takes it, by `settings` of its knobs.

    `works` are what the cost model knows of the same settings: their traffic, their samples, and
    their power where there is no sensor. There are none for the user's own loop.
    """

    worker: str
    settings: tuple[Mapping[str, float], ...]
    works: tuple[TrainingWork, ...] = ()
    curve: Efficiency | None = None


def places_of(board: Board, clocks: Clocks) -> tuple[Place, ...]:
    """Every number of cores of every cluster, at the frequencies that can be had."""
    return tuple(
        Place(unit=cluster.name, cores=cores, freq_hz=freq_hz)
        for cluster in board.clusters
        for freq_hz in clocks.freqs_hz(cluster)
        for cores in range(1, len(cluster.cores) + 1)
    )


def measure(
    clocks: Clocks,
    subject: Subject,
    places: tuple[Place, ...],
    points: Points,
    *,
    seconds: float,
    sensor: PowerSensor | None = None,
    on_point: Callable[[Point], None] = lambda point: None,
    stopwatch: Callable[..., Timed] = timed,
) -> None:
    """Measure what is not measured yet; `points` keeps each at once.

    InvalidInput where a step fails, or a clock cannot be set.
    """
    cores = {cluster.name: cluster.cores for cluster in clocks.board.clusters}
    missing = [(p, k) for p in places for k in subject.settings if points.find(k, p) is None]
    if not missing:
        return
    with watching(sensor) as watch:
        for place, knobs in missing:
            clocks.go_to(place)
            on = cores[place.unit][: place.cores]
            found = stopwatch(subject.worker, knobs, on, seconds=seconds)
            watts = watch.above_idle_w(found.began_s, found.ended_s) if watch else None
            peak_w, mean_w = watts or (None, None)
            point = Point(knobs=dict(knobs), place=place, timed=found, peak_w=peak_w, mean_w=mean_w)
            points.add(point)
            on_point(point)


def measured_capability(
    board: Board, subject: Subject, places: tuple[Place, ...], points: Points
) -> Capability:
    """The capability of what was measured; InvalidInput where points are missing.

    Power is the sensor's only where it was seen at every point, else the model's at every point: a
    table of both would compare what cannot be compared.
    """
    table = [[_found(points, knobs, place) for place in places] for knobs in subject.settings]
    has_sensor = all(point.mean_w is not None for row in table for point in row)
    watts = [
        [
            (point.peak_w or 0.0, point.mean_w or 0.0)
            if has_sensor
            else _modelled_w(board, subject, x, point.place)
            for point in row
        ]
        for x, row in enumerate(table)
    ]
    return Capability(
        settings=tuple(_setting(subject, x, row) for x, row in enumerate(table)),
        places=places,
        sample_s=tuple(tuple(point.timed.wall_s for point in row) for row in table),
        peak_w=tuple(tuple(peak_w for peak_w, _ in row) for row in watts),
        mean_w=tuple(tuple(mean_w for _, mean_w in row) for row in watts),
        bytes_per_sample=tuple(_traffic(subject, x, row) for x, row in enumerate(table)),
        curve=subject.curve,
        origin="measured",
        power_origin="measured" if has_sensor else "modelled",
    )


def _found(points: Points, knobs: Mapping[str, float], place: Place) -> Point:
    point = points.find(knobs, place)
    if point is None:
        raise InvalidInput(
            f"{points.path} must hold all points (there is none of {knobs}, {place})"
        )
    return point


def _setting(subject: Subject, x: int, row: list[Point]) -> Setting:
    return Setting(
        knobs=dict(subject.settings[x]),
        memory_bytes=max(point.timed.resident_bytes for point in row),
        samples_factor=subject.works[x].samples_factor if subject.works else 1.0,
    )


def _traffic(subject: Subject, x: int, row: list[Point]) -> float:
    if subject.works:
        return subject.works[x].traffic_bytes / subject.works[x].batch
    held = max(point.timed.allocated_bytes for point in row)
    return _TOUCHES * held / subject.settings[x][BATCH]


def _modelled_w(board: Board, subject: Subject, x: int, place: Place) -> tuple[float, float]:
    """Peak and mean by the board's model; an unknown loop is taken to compute all the time."""
    names = [cluster.name for cluster in board.clusters]
    number = names.index(place.unit)
    cluster = board.clusters[number]
    opp = cluster.freqs_hz.index(place.freq_hz)
    if subject.works:
        modelled = core_point(board, subject.works[x], number, opp, place.cores)
        return modelled.peak_w, modelled.mean_w
    point = cluster.opps[opp]
    busy_w = place.cores * point.core_busy_w + point.cluster_busy_w
    return busy_w, busy_w
