"""Every metric that the daemon shows: name, kind, labels, what it means, and where it comes from.

Names follow Prometheus' conventions: prefix, base units, ``_total`` for what only grows. Times of
loops are seconds, frequencies hertz, shares ratios from 0 to 1.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import Literal, NamedTuple, get_args

from platforms.linux.managed import RateUnit
from rm.daemon.status import (
    ApplicationStatus,
    ClusterStatus,
    State,
    Status,
    TrainingRoundStatus,
    TrainingStatus,
)
from rm.training.job import State as JobState

Kind = Literal["gauge", "counter", "summary"]
Sample = tuple[tuple[str, ...], float]
"""Values of the labels, and the value."""


class Metric(NamedTuple):
    """One family. A summary's sample is its sum; its number is that of the rounds."""

    name: str
    kind: Kind
    help: str
    labels: tuple[str, ...]
    samples: Callable[[Status], Iterable[Sample]]


def _info(status: Status) -> Iterator[Sample]:
    yield (status.version, status.board, status.policy, str(status.dry_run).lower()), 1.0


def _states(status: Status) -> Iterator[Sample]:
    for state in get_args(State):
        yield (state,), float(state == status.state)


def _clusters(value: Callable[[ClusterStatus], float | None]) -> Callable[[Status], list[Sample]]:
    def samples(status: Status) -> list[Sample]:
        found = ((cluster.name, value(cluster)) for cluster in status.clusters)
        return [((name,), number) for name, number in found if number is not None]

    return samples


def _utilisation(status: Status) -> Iterator[Sample]:
    for core in status.cores:
        yield (str(core.core), core.cluster), core.utilisation


def _online(status: Status) -> Iterator[Sample]:
    for core in status.cores:
        yield (str(core.core), core.cluster), float(core.online)


def _temperatures(status: Status) -> Iterator[Sample]:
    for sensor in status.temperatures:
        if sensor.temp_c is not None:
            yield (sensor.sensor,), sensor.temp_c


def _temperature_ages(status: Status) -> Iterator[Sample]:
    for sensor in status.temperatures:
        if sensor.age_s is not None:
            yield (sensor.sensor,), sensor.age_s


def _trusted(status: Status) -> Iterator[Sample]:
    for sensor in status.temperatures:
        yield (sensor.sensor,), float(sensor.problem is None and sensor.temp_c is not None)


def _applications(
    value: Callable[[ApplicationStatus], float | None], unit: RateUnit | None = None
) -> Callable[[Status], list[Sample]]:
    """A number per application, of those whose target is in `unit` (None: of all)."""

    def samples(status: Status) -> list[Sample]:
        chosen = (app for app in status.applications if unit in {None, app.unit})
        found = ((app, value(app)) for app in chosen)
        return [((str(app.id), app.name), number) for app, number in found if number is not None]

    return samples


def _jobs(
    value: Callable[[TrainingStatus], float | None],
) -> Callable[[Status], list[Sample]]:
    """A number per training job, of those that have one."""

    def samples(status: Status) -> list[Sample]:
        found = ((job, value(job)) for job in status.training)
        return [((str(job.id), job.name), number) for job, number in found if number is not None]

    return samples


def _rounds(
    value: Callable[[TrainingRoundStatus], float | None],
) -> Callable[[Status], list[Sample]]:
    """A number per training job that works on a round."""
    return _jobs(lambda job: None if job.round is None else value(job.round))


def _job_states(status: Status) -> Iterator[Sample]:
    for job in status.training:
        for state in get_args(JobState):
            yield (str(job.id), job.name, state), float(state == job.state)


def _job_knobs(status: Status) -> Iterator[Sample]:
    for job in status.training:
        for knob, value in job.knobs.items():
            yield (str(job.id), job.name, knob), value


def _backend(field: str) -> Callable[[Status], list[Sample]]:
    def samples(status: Status) -> list[Sample]:
        used = status.backend
        return [] if used is None else [((used.name, used.device), float(getattr(used, field)))]

    return samples


def _count(field: str) -> Callable[[Status], list[Sample]]:
    return lambda status: [((), float(getattr(status.counts, field)))]


def _one(value: Callable[[Status], float]) -> Callable[[Status], list[Sample]]:
    return lambda status: [((), value(status))]


_CLUSTER = ("cluster",)
_CORE = ("core", "cluster")
_SENSOR = ("sensor",)
_APPLICATION = ("id", "application")
_BACKEND = ("backend", "device")

_DAEMON = (
    Metric(
        "ilgov_info",
        "gauge",
        "What runs on what; always 1.",
        ("version", "board", "policy", "dry_run"),
        _info,
    ),
    Metric("ilgov_state", "gauge", "1 for the state that the daemon is in.", ("state",), _states),
    Metric(
        "ilgov_state_duration_seconds",
        "gauge",
        "Time since the state was entered.",
        (),
        _one(lambda status: status.state_for_s),
    ),
    Metric(
        "ilgov_uptime_seconds",
        "gauge",
        "Time since the daemon started.",
        (),
        _one(lambda status: status.uptime_s),
    ),
)

_BOARD = (
    Metric(
        "ilgov_cluster_frequency_hertz",
        "gauge",
        "Clock that the cluster runs at.",
        _CLUSTER,
        _clusters(lambda cluster: cluster.freq_hz),
    ),
    Metric(
        "ilgov_cluster_asked_frequency_hertz",
        "gauge",
        "Clock that was asked for; absent while the cluster is not steered.",
        _CLUSTER,
        _clusters(lambda cluster: cluster.asked_hz),
    ),
    Metric(
        "ilgov_cluster_allowed_frequency_hertz",
        "gauge",
        "Highest clock that the kernel allows now.",
        _CLUSTER,
        _clusters(lambda cluster: cluster.cap_hz),
    ),
    Metric(
        "ilgov_core_utilization_ratio",
        "gauge",
        "Busy share of the core in the last period.",
        _CORE,
        _utilisation,
    ),
    Metric("ilgov_core_online", "gauge", "Whether the core is plugged in.", _CORE, _online),
    Metric(
        "ilgov_temperature_celsius",
        "gauge",
        "Last reading of the sensor.",
        _SENSOR,
        _temperatures,
    ),
    Metric(
        "ilgov_temperature_age_seconds",
        "gauge",
        "Age of the sensor's last reading.",
        _SENSOR,
        _temperature_ages,
    ),
    Metric(
        "ilgov_temperature_trusted",
        "gauge",
        "Whether the sensor's reading is believed.",
        _SENSOR,
        _trusted,
    ),
)

_OF_APPLICATIONS = (
    Metric(
        "ilgov_application_instructions_per_second",
        "gauge",
        "Rate of an application whose target is in instructions/s.",
        _APPLICATION,
        _applications(lambda app: app.rate, "instructions/s"),
    ),
    Metric(
        "ilgov_application_target_instructions_per_second",
        "gauge",
        "Target of an application in instructions/s.",
        _APPLICATION,
        _applications(lambda app: app.target, "instructions/s"),
    ),
    Metric(
        "ilgov_application_heartbeats_per_second",
        "gauge",
        "Rate of an application whose target is in heartbeats/s.",
        _APPLICATION,
        _applications(lambda app: app.rate, "heartbeats/s"),
    ),
    Metric(
        "ilgov_application_target_heartbeats_per_second",
        "gauge",
        "Target of an application in heartbeats/s.",
        _APPLICATION,
        _applications(lambda app: app.target, "heartbeats/s"),
    ),
    Metric(
        "ilgov_application_attainment_ratio",
        "gauge",
        "Rate divided by target.",
        _APPLICATION,
        _applications(lambda app: None if app.rate is None else app.rate / app.target),
    ),
    Metric(
        "ilgov_application_target_met",
        "gauge",
        "Whether the application meets its target; absent where nothing measures it.",
        _APPLICATION,
        _applications(lambda app: None if app.met is None else float(app.met)),
    ),
    Metric(
        "ilgov_application_threads",
        "gauge",
        "Threads of the application and its descendants.",
        _APPLICATION,
        _applications(lambda app: app.threads),
    ),
)

_JOB = ("id", "job")

_OF_TRAINING = (
    Metric(
        "ilgov_training_accepted",
        "gauge",
        "Whether training jobs are let in.",
        (),
        _one(lambda status: float(status.training_refused is None)),
    ),
    Metric(
        "ilgov_training_state",
        "gauge",
        "1 for the state that the training job is in.",
        (*_JOB, "state"),
        _job_states,
    ),
    Metric(
        "ilgov_training_knob",
        "gauge",
        "Value of a knob that the training job was told to use, in the knob's own unit.",
        (*_JOB, "knob"),
        _job_knobs,
    ),
    Metric(
        "ilgov_training_cores",
        "gauge",
        "Cores that the training job has.",
        _JOB,
        _jobs(lambda job: float(len(job.cores))),
    ),
    Metric(
        "ilgov_training_samples_per_second",
        "gauge",
        "Rate of the training job.",
        _JOB,
        _jobs(lambda job: job.rate),
    ),
    Metric(
        "ilgov_training_samples_total",
        "counter",
        "Samples that the training job has done.",
        _JOB,
        _jobs(lambda job: job.samples),
    ),
    Metric(
        "ilgov_training_rounds_total",
        "counter",
        "Rounds that the training job has done.",
        _JOB,
        _jobs(lambda job: float(job.rounds_done)),
    ),
    Metric(
        "ilgov_training_rounds_missed_total",
        "counter",
        "Rounds that the training job has not done before another one began.",
        _JOB,
        _jobs(lambda job: float(job.rounds_missed)),
    ),
    Metric(
        "ilgov_training_round_progress_ratio",
        "gauge",
        "Share of the round's samples that is done; absent between two rounds.",
        _JOB,
        _rounds(lambda round_: round_.done / round_.samples),
    ),
    Metric(
        "ilgov_training_round_deadline_seconds",
        "gauge",
        "Time until the round must be done.",
        _JOB,
        _rounds(lambda round_: round_.deadline_s),
    ),
    Metric(
        "ilgov_training_round_finish_seconds",
        "gauge",
        "Time until the round is expected to be done; absent where it will not be.",
        _JOB,
        _rounds(lambda round_: round_.finish_s),
    ),
    Metric(
        "ilgov_training_round_in_time",
        "gauge",
        "Whether the round is expected to be done in time.",
        _JOB,
        _rounds(lambda round_: float(round_.meets)),
    ),
    Metric(
        "ilgov_training_held",
        "gauge",
        "Whether the training job is frozen or throttled, as it does not keep to its grant.",
        _JOB,
        _jobs(lambda job: float(job.held_by is not None)),
    ),
)

_OF_THE_BACKEND = tuple(
    Metric(f"ilgov_backend_{name}_total", "counter", text, _BACKEND, _backend(field))
    for name, field, text in (
        ("answers", "answers", "Batches of mappings that the network's back end has rated."),
        ("late_answers", "late", "Answers that came after their deadline or not at all."),
        ("crashes", "crashed", "Times that the back end's process has died."),
        ("wrong_answers", "wrong", "Answers that failed their check."),
        ("restarts", "restarts", "Times that the back end's process was started again."),
    )
)

_OF_THE_LOOP = (
    Metric(
        "ilgov_round_duration_seconds",
        "summary",
        "How long rounds of the loop took.",
        (),
        _one(lambda status: status.loop.rounds * status.loop.mean_s),
    ),
    Metric(
        "ilgov_round_shortest_seconds",
        "gauge",
        "The shortest round since the start.",
        (),
        _one(lambda status: status.loop.least_s),
    ),
    Metric(
        "ilgov_round_longest_seconds",
        "gauge",
        "The longest round since the start.",
        (),
        _one(lambda status: status.loop.most_s),
    ),
    Metric(
        "ilgov_round_deviation_seconds",
        "gauge",
        "Standard deviation of the rounds' durations since the start.",
        (),
        _one(lambda status: status.loop.sd_s),
    ),
    Metric(
        "ilgov_rounds_missed_total",
        "counter",
        "Rounds that were skipped because an earlier one took too long.",
        (),
        _one(lambda status: status.loop.missed_rounds),
    ),
)

_COUNTS = tuple(
    Metric(f"ilgov_{name}_total", "counter", text, (), _count(field))
    for name, field, text in (
        ("migrations", "migrations", "Applications moved to other cores."),
        ("frequency_changes", "opp_changes", "Operating points changed, over all clusters."),
        ("writes", "writes", "Values written to the kernel's files."),
        ("writes_refused", "writes_refused", "Writes that the kernel refused."),
        ("writes_clamped", "clamped", "Frequencies that read back lower than they were asked."),
        ("failsafe_rounds", "failsafe_rounds", "Rounds in which the failsafe acted."),
        ("hands_off", "hands_off", "Times that control was given back to the kernel."),
        ("connections", "connections", "Connections of clients."),
        (
            "connections_closed_for_cause",
            "connections_closed_for_cause",
            "Connections closed because the client broke the protocol or a limit.",
        ),
        ("log_lines_lost", "log_lines_lost", "Lines of the decision log that were not written."),
        ("training_grants", "training_grants", "Grants to training jobs."),
        ("training_pauses", "training_pauses", "Times that a training job was told to pause."),
        ("training_holds", "training_held", "Times that a training job was frozen or throttled."),
    )
)

METRICS = (
    *_DAEMON,
    *_BOARD,
    *_OF_APPLICATIONS,
    *_OF_TRAINING,
    *_OF_THE_BACKEND,
    *_OF_THE_LOOP,
    *_COUNTS,
)
