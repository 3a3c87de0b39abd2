"""What an observation of a board must not hold: what `platforms.platform` rules out."""

import math
from collections.abc import Iterator, Sequence

from platforms.board import Board
from platforms.decision_check import placement_problems
from platforms.platform import ApplicationReading, Observation, TrainingReading


def observation_problems(board: Board, observation: Observation) -> Iterator[str]:
    """Everything in one observation that cannot be, as ``key must ... (got ...)``."""
    try:
        hash(observation)
    except TypeError as error:
        yield f"an observation must be immutable, its lists tuples (got {error})"
    for key in ("time_s", "window_s"):
        value = getattr(observation, key)
        if not math.isfinite(value):
            yield f"{key} must be finite (got {value})"
    if observation.window_s < 0:
        yield f"window_s must not be negative (got {observation.window_s})"
    ids = [app.id for app in observation.applications]
    if len(set(ids)) != len(ids):
        yield f"applications must have an id of their own each (got {ids})"
    for app in observation.applications:
        for problem in _application_problems(board, app):
            yield f"application {app.id}: {problem}"
    yield from _opp_problems(board, observation)
    yield from _utilisation_problems(board, observation.core_utilisation)
    yield from _temperature_problems(board, observation)
    jobs = [job.id for job in observation.training]
    if len(set(jobs)) != len(jobs):
        yield f"training must have an id of its own for each job (got {jobs})"
    for job in observation.training:
        for problem in _training_problems(board, job):
            yield f"training job {job.id}: {problem}"
    yield from _accelerator_problems(board, observation.accelerator_opp)


def _application_problems(board: Board, app: ApplicationReading) -> Iterator[str]:
    for key in ("rate_ips", "l2d_per_s"):
        value = getattr(app, key)
        if not 0 <= value < math.inf:
            yield f"{key} must be finite and not negative (got {value})"
    if not 0 < app.target_ips < math.inf:
        yield f"target_ips must be finite and positive (got {app.target_ips})"
    if app.threads < 1:
        yield f"threads must be at least 1 (got {app.threads})"
    for problem in placement_problems(board, app.threads, app.cores):
        yield f"cores {problem}"


def _training_problems(board: Board, job: TrainingReading) -> Iterator[str]:
    for key in ("samples", "rate"):
        value = getattr(job, key)
        if not 0 <= value < math.inf:
            yield f"{key} must be finite and not negative (got {value})"
    highest, got = board.core_count - 1, f"(got {list(job.cores)})"
    if len(set(job.cores)) != len(job.cores) or not all(0 <= c <= highest for c in job.cores):
        yield f"cores must be out of 0 ... {highest}, each once {got}"
    known = [accelerator.name for accelerator in board.compute_accelerators]
    if job.accelerator is not None and job.accelerator not in known:
        yield f"accelerator must be one of {known or 'none'} (got {job.accelerator!r})"


def _accelerator_problems(board: Board, opps: Sequence[int]) -> Iterator[str]:
    accelerators = board.compute_accelerators
    if opps and len(opps) != len(accelerators):
        names = [accelerator.name for accelerator in accelerators]
        yield f"accelerator_opp must have one entry for each of {names}, or none (got {list(opps)})"
        return
    for accelerator, opp in zip(accelerators, opps, strict=False):
        top = len(accelerator.opps) - 1
        if not 0 <= opp <= top:
            yield f"accelerator_opp of {accelerator.name} must be out of 0 ... {top} (got {opp})"


def _opp_problems(board: Board, observation: Observation) -> Iterator[str]:
    opps, caps, count = observation.opp_index, observation.opp_cap, len(board.clusters)
    for key, values in (("opp_index", opps), ("opp_cap", caps)):
        if len(values) != count:
            yield f"{key} must have one entry per cluster, {count} (got {list(values)})"
            return
    for cluster, opp, cap in zip(board.clusters, opps, caps, strict=True):
        top = len(cluster.opps) - 1
        if not 0 <= cap <= top:
            yield f"opp_cap of {cluster.name} must be out of 0 ... {top} (got {cap})"
        if not 0 <= opp <= top:
            yield f"opp_index of {cluster.name} must be out of 0 ... {top} (got {opp})"
        elif opp > cap:
            yield f"opp_index of {cluster.name} must not exceed opp_cap = {cap} (got {opp})"


def _utilisation_problems(board: Board, utilisation: Sequence[float]) -> Iterator[str]:
    if len(utilisation) != board.core_count:
        count = board.core_count
        yield f"core_utilisation must have one entry per core, {count} (got {len(utilisation)})"
    for core, share in enumerate(utilisation):
        if not 0 <= share <= 1:
            yield f"core_utilisation of core {core} must lie in 0 ... 1 (got {share})"


def _temperature_problems(board: Board, observation: Observation) -> Iterator[str]:
    shown = sorted(reading.sensor for reading in observation.temperatures)
    known = sorted(sensor.name for sensor in board.sensors)
    if shown != known:
        yield f"temperatures must have one reading of each sensor, {known} (got {shown})"
    for reading in observation.temperatures:
        if not math.isfinite(reading.temp_c):
            yield f"temp_c of {reading.sensor} must be finite (got {reading.temp_c})"
        if not 0 <= reading.age_s < math.inf:
            yield f"age_s of {reading.sensor} must be finite, not negative (got {reading.age_s})"
