"""Control groups: whether applications can be placed by cpuset."""

from collections.abc import Iterator

from platforms.linux.files.maybe_file import text_at
from rm.doctor.finding import Finding, degraded, ok
from rm.doctor.subject import Machine


def examine_groups(machine: Machine) -> Iterator[Finding]:
    """Version 2 with a cpuset, or what happens without."""
    top = machine.root / "sys/fs/cgroup"
    controllers = text_at(top / "cgroup.controllers")
    handed_on = (text_at(top / "cgroup.subtree_control") or "").split()
    wanted = machine.settings.placement == "cpuset"
    means = "applications are placed by the affinity masks of their threads"
    if controllers is None:
        way_out = "boot with systemd.unified_cgroup_hierarchy=1" if wanted else ""
        yield degraded("cgroups", "no version 2 at /sys/fs/cgroup", means, way_out)
    elif "cpuset" not in controllers.split():
        yield degraded("cgroups", "version 2 without a cpuset controller", means)
    elif "cpuset" not in handed_on:
        way_out = "echo +cpuset > /sys/fs/cgroup/cgroup.subtree_control" if wanted else ""
        yield degraded("cgroups", "version 2, cpuset not handed on to groups", means, way_out)
    else:
        yield ok("cgroups", "version 2 with cpuset")
