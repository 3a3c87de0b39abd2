"""Training jobs: whether they can be held to what they are granted."""

from collections.abc import Iterator

from platforms.linux.files.maybe_file import text_at
from rm.doctor.finding import Finding, degraded, ok
from rm.doctor.subject import Machine

_NEEDED = ("cpuset", "cpu", "memory")
_SUBJECT = "training jobs"


def examine_training(machine: Machine) -> Iterator[Finding]:
    """Control groups with all that holds a job, or what holds it instead; nothing without jobs."""
    training = machine.settings.training
    if not training.enabled:
        return
    if training.enforcement == "none":
        yield ok(_SUBJECT, "keep to their grants by themselves, as configured")
    elif training.enforcement == "affinity":
        yield ok(_SUBJECT, "held by masks of their threads and by signals, as configured")
    else:
        yield _by_groups(machine)


def _by_groups(machine: Machine) -> Finding:
    top = machine.root / "sys/fs/cgroup"
    controllers = (text_at(top / "cgroup.controllers") or "").split()
    missing = [name for name in _NEEDED if name not in controllers]
    if not controllers or "cpuset" in missing:
        return degraded(
            _SUBJECT,
            "no control groups of version 2 with a cpuset",
            "jobs are held by masks of their threads and by signals",
        )
    if missing:
        return degraded(
            _SUBJECT,
            f"control groups without {' and '.join(missing)}",
            "jobs are held to their cores, but not to a share of their time or to their memory",
        )
    return ok(_SUBJECT, "held by control groups: cores, time, memory, freezer")
