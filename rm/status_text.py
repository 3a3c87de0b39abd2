"""The daemon's status as plain text, for a terminal or a mail."""

from collections.abc import Iterable, Iterator, Sequence

from rm.daemon.status import ApplicationStatus, CoreStatus, Status, TrainingStatus
from rm.quantities import core_list, duration, megahertz, printable, rate
from rm.training_words import job_state, knobs, round_outlook

_PERCENT = 100
_LEFT = {"cluster", "application", "sensor", "cores", "unit", "state", "measured by", "trusted"}
_LEFT |= {"training job", "knobs", "round"}
"""Columns of text; all others are numbers and end at the right."""


def status_text(status: Status) -> str:
    """All of it: who steers what since when, then a table for each kind of reading."""
    blocks = (
        _head(status),
        _temperatures(status),
        _clusters(status),
        _applications(status.applications),
        *_training(status),
        _events(status),
    )
    return "\n\n".join("\n".join(map(printable, block)) for block in blocks)


def _head(status: Status) -> Iterator[str]:
    dry = ", dry run: nothing is written" if status.dry_run else ""
    yield f"ilgov {status.version}, process {status.pid}, up {duration(status.uptime_s)}{dry}"
    yield f"state     {status.state} for {duration(status.state_for_s)}"
    if status.reason:
        yield f"because   {status.reason}"
    yield f"board     {status.board}"
    yield f"policy    {status.policy}"
    if status.backend:
        yield f"back end  {status.backend.name} on {status.backend.device}"
        if status.backend.why:
            yield f"          {status.backend.why}"
    if status.memory:
        left, total = status.memory.available_bytes >> 20, status.memory.total_bytes >> 20
        yield f"memory    {left} of {total} MiB available"
    yield f"features  {', '.join(status.features) or '-'}"
    if status.training_refused:
        yield f"training  no jobs: {status.training_refused}"


def _temperatures(status: Status) -> Iterator[str]:
    rows = [
        (
            sensor.sensor,
            "-" if sensor.temp_c is None else f"{sensor.temp_c:.1f}",
            "-" if sensor.age_s is None else f"{sensor.age_s:.2f}",
            f"no: {sensor.problem}" if sensor.problem else "yes",
        )
        for sensor in status.temperatures
    ]
    yield from _table(("sensor", "degC", "age/s", "trusted"), rows)


def _clusters(status: Status) -> Iterator[str]:
    rows = [
        (
            cluster.name,
            core_list(cluster.cores),
            megahertz(cluster.freq_hz),
            megahertz(cluster.asked_hz),
            megahertz(cluster.cap_hz),
            " ".join(_load(core) for core in status.cores if core.core in cluster.cores),
        )
        for cluster in status.clusters
    ]
    yield from _table(("cluster", "cores", "MHz", "asked", "allowed", "busy/%"), rows)


def _load(core: CoreStatus) -> str:
    return f"{_PERCENT * core.utilisation:3.0f}" if core.online else "off"


def _applications(applications: Sequence[ApplicationStatus]) -> Iterator[str]:
    if not applications:
        yield "no application has a target"
        return
    rows = [
        (
            app.name,
            str(app.pid),
            core_list(app.cores),
            str(app.threads),
            rate(app.rate),
            rate(app.target),
            app.unit,
            _target_state(app),
            app.measured_by,
        )
        for app in applications
    ]
    headers = ("application", "pid", "cores", "threads", "rate", "target", "unit", "state")
    yield from _table((*headers, "measured by"), rows)


def _target_state(app: ApplicationStatus) -> str:
    """Whether the target is met; if not, whether more important ones are the reason."""
    if app.met is not True and app.counted < 1.0:
        return f"gives way ({_PERCENT * app.counted:.0f} % counts)"
    return {True: "met", False: "missed", None: "unknown"}[app.met]


def _training(status: Status) -> Iterator[Iterator[str]]:
    """A table, where there are jobs."""
    if status.training:
        yield _jobs(status.training)


def _jobs(jobs: Sequence[TrainingStatus]) -> Iterator[str]:
    rows = [
        (
            job.name,
            str(job.pid),
            job_state(job),
            knobs(job.knobs),
            job.accelerator or core_list(job.cores),
            rate(job.rate),
            "-" if job.round is None else f"{job.round.done:.0f} / {job.round.samples:.0f}",
            "-" if job.round is None else f"{job.round.deadline_s:.0f}",
            round_outlook(job.round),
        )
        for job in jobs
    ]
    headers = ("training job", "pid", "state", "knobs", "cores", "samples/s", "done", "due/s")
    yield from _table((*headers, "round"), rows)


def _events(status: Status) -> Iterator[str]:
    counts, loop = status.counts, status.loop
    yield (
        f"since the start: {counts.migrations} migrations, {counts.opp_changes} changes of "
        f"operating points, {counts.writes} writes ({counts.writes_refused} refused, "
        f"{counts.clamped} clamped)"
    )
    yield (
        f"                 {counts.hands_off} times hands-off, {counts.failsafe_rounds} rounds of "
        f"the failsafe"
    )
    yield (
        f"rounds:          {loop.rounds}, {loop.missed_rounds} missed; {1e3 * loop.least_s:.2f} / "
        f"{1e3 * loop.mean_s:.2f} / {1e3 * loop.most_s:.2f} ms (least / mean / most), "
        f"sd {1e3 * loop.sd_s:.2f} ms"
    )
    if counts.training_grants:
        yield (
            f"training:        {counts.training_grants} grants, {counts.training_pauses} pauses, "
            f"{counts.training_held} times a job was frozen or throttled"
        )
    if counts.log_lines_lost:
        yield f"decision log:    {counts.log_lines_lost} lines lost, they could not be written"
    if status.backend:
        backend = status.backend
        yield (
            f"back end:        {backend.answers} answers, {backend.late} late, {backend.wrong} "
            f"wrong, {backend.crashed} crashes, {backend.restarts} restarts"
        )


def _table(headers: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    """Columns as wide as their widest cell, two spaces apart."""
    lines = [headers, *rows]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    for line in lines:
        cells = (
            cell.ljust(width) if header in _LEFT else cell.rjust(width)
            for header, cell, width in zip(headers, line, widths, strict=True)
        )
        yield "  ".join(cells).rstrip()
