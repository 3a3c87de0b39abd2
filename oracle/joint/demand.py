"""What the applications ask for, as the arrays that the search works on.

Axes: k applications, x clusters, o operating points (padded). All have one thread.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from oracle.joint.hardware import Flags, Floats, Hardware, Ints
from oracle.whatif import Wanted, WhatIf


class Demand(NamedTuple):
    """What the applications ask for.

    An instruction takes `compute_s` (k, x, o) at a core's clock and `stall_s` (k, x) of waiting on
    an idle memory; it moves `pull_s` (k) bytes, counted in seconds of the memory's bandwidth.
    `activity` (k) is that of a core that does not stall, `target_ips` (k) instructions/s. `allowed`
    (k, x) says where an application may go, `home` (k) on which core it is now, `most_sharing` how
    many may share a core. `alike` (k) is the previous application that differs in nothing, or -1.
    """

    compute_s: Floats
    stall_s: Floats
    pull_s: Floats
    activity: Floats
    target_ips: Floats
    allowed: Flags
    home: Ints
    most_sharing: int
    alike: Ints


def demand(
    models: WhatIf,
    board: Hardware,
    apps: Sequence[Wanted],
    allowed_clusters: Sequence[frozenset[int]] | None,
    *,
    sharing: bool,
    homes_count: bool,
) -> Demand:
    """The arrays of these applications; `homes_count`: where they are now makes a difference."""
    clusters = models.board.clusters
    phases = [app.profile.cycle[app.phase] for app in apps]
    speeds = [[app.profile.on(cluster) for cluster in clusters] for app in apps]
    cpi = np.array([[core.cpi for core in row] for row in speeds])
    stall_s = np.array([[core.stall_s for core in row] for row in speeds])
    cpi *= np.array([phase.cpi_scale for phase in phases])[:, None]
    stall_s *= np.array([phase.stall_scale for phase in phases])[:, None]
    bandwidth = models.board.memory.bandwidth_bytes_per_s
    activity = [a.profile.activity * p.activity_scale for a, p in zip(apps, phases, strict=True)]
    asked = Demand(
        compute_s=cpi[:, :, None] / board.freqs_hz,
        stall_s=stall_s,
        pull_s=np.array([app.profile.bytes_per_instruction / bandwidth for app in apps]),
        activity=np.array(activity),
        target_ips=np.array([app.target_ips for app in apps]),
        allowed=_allowed(len(apps), len(clusters), allowed_clusters),
        home=np.array([app.cores[0] if app.cores else -1 for app in apps]),
        most_sharing=len(apps) if sharing else 1,
        alike=np.full(len(apps), -1),
    )
    return asked._replace(alike=_alike(asked, homes_count=homes_count))


def _allowed(count: int, clusters: int, allowed_clusters: Sequence[frozenset[int]] | None) -> Flags:
    allowed = np.ones((count, clusters), dtype=np.bool_)
    for row, names in zip(allowed, allowed_clusters or (), strict=False):
        row[:] = [x in names for x in range(clusters)]
    return allowed


def _alike(asked: Demand, *, homes_count: bool) -> Ints:
    """For every application the previous one that differs in nothing, or -1."""
    seen: dict[tuple[object, ...], int] = {}
    alike = np.full(len(asked.target_ips), -1)
    for k in range(len(alike)):
        key = (
            asked.compute_s[k].tobytes(),
            asked.stall_s[k].tobytes(),
            float(asked.pull_s[k]),
            float(asked.activity[k]),
            float(asked.target_ips[k]),
            asked.allowed[k].tobytes(),
            int(asked.home[k]) if homes_count else -1,
        )
        alike[k] = seen.get(key, -1)
        seen[key] = k
    return alike
