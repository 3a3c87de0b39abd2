"""What people read of a training job: its knobs, its state, what is expected of its round."""

from collections.abc import Mapping

from rm.daemon.status import TrainingRoundStatus, TrainingStatus


def knobs(values: Mapping[str, float]) -> str:
    """Names and values, in the order of the capability.

    >>> knobs({"batch": 16.0, "depth": 4.0, "keep": 0.5}), knobs({})
    ('batch 16, depth 4, keep 0.5', '-')
    """
    return ", ".join(f"{name} {value:g}" for name, value in values.items()) or "-"


def job_state(job: TrainingStatus) -> str:
    """The state, and what holds the job where it does not keep to its grant."""
    return job.state if job.held_by is None else f"{job.state}, {job.held_by}"


def round_outlook(round_: TrainingRoundStatus | None) -> str:
    """What is expected of a round; a dash between two rounds."""
    if round_ is None:
        return "-"
    if round_.meets:
        return "in time" if round_.finish_s is None else f"in time, in {round_.finish_s:.0f} s"
    missing = max(round_.samples - round_.samples_possible, 0.0)
    return f"late, {missing:.0f} samples short: {round_.reason}"
