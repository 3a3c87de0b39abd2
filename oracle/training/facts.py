"""The truth about applications, training and board, as the arrays that the search works on.

Axes: k applications, x clusters, o operating points (padded), s settings, m cores of training. A
sample of training takes `compute` and `pull` seconds on a core, alone: its traffic is its stall.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from oracle.joint.hardware import Hardware, hardware
from oracle.training.question import Asked
from oracle.whatif import WhatIf
from platforms.accelerator_model import accelerator_point
from platforms.training_point import TrainingPoint
from platforms.training_work import training_profile

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Facts:
    """What the models say.

    `compute_s` (k, x, o), `stall_s` (k, x), `pull_s`, `activity` and `target_ips` (k) as in
    `oracle.joint.demand`; `train_s` (s, x, m, o) and `train_pull_s` (s) are of a training thread.
    `rise` (nodes, nodes) is kelvin per watt, `base_c` (nodes) without power: in the steady state,
    or a while after a known field.
    """

    models: WhatIf
    board: Hardware
    asked: Asked
    compute_s: Floats
    stall_s: Floats
    pull_s: Floats
    activity: Floats
    target_ips: Floats
    train_s: Floats
    train_pull_s: Floats
    rise: Floats
    base_c: Floats

    @property
    def count(self) -> int:
        """Number of applications."""
        return len(self.pull_s)

    @cached_property
    def clusters(self) -> tuple[tuple[int, ...], ...]:
        """The cores of every cluster."""
        return tuple(cluster.cores for cluster in self.models.board.clusters)

    def point(self, accelerator: int, opp: int, setting: int) -> TrainingPoint:
        """What one of the board's compute accelerators makes of a setting."""
        described = self.models.board.compute_accelerators[accelerator]
        return accelerator_point(described, self.asked.works[setting], opp)

    def node_of(self, accelerator: int) -> int:
        """The thermal node that an accelerator heats."""
        power = self.models.board.compute_accelerators[accelerator].power
        assert power is not None
        return self.models.network.names.index(power.node)

    def leaks(self, temp_c: Floats) -> Floats:
        """Leakage at temperatures, relative to its reference."""
        return self.models.power.shape.value(temp_c)


def facts(models: WhatIf, asked: Asked) -> Facts:
    """Everything that the search needs to know."""
    board, clusters = hardware(models), models.board.clusters
    phases = [app.profile.cycle[app.phase] for app in asked.apps]
    cores = [[app.profile.on(cluster) for cluster in clusters] for app in asked.apps]
    shape = (len(asked.apps), len(clusters))
    cpi = np.array([[core.cpi for core in row] for row in cores]).reshape(shape)
    stall_s = np.array([[core.stall_s for core in row] for row in cores]).reshape(shape)
    cpi *= np.array([phase.cpi_scale for phase in phases])[:, None]
    stall_s *= np.array([phase.stall_scale for phase in phases])[:, None]
    bandwidth = models.board.memory.bandwidth_bytes_per_s
    pairs = zip(asked.apps, phases, strict=True)
    rise, base_c = _heat(models, asked)
    return Facts(
        models,
        board,
        asked,
        cpi[:, :, None] / board.freqs_hz,
        stall_s,
        np.array([app.profile.bytes_per_instruction / bandwidth for app in asked.apps]),
        np.array([app.profile.activity * phase.activity_scale for app, phase in pairs]),
        np.array([app.target_ips for app in asked.apps]),
        _training_s(models, asked, board),
        np.array([work.traffic_bytes / work.batch / bandwidth for work in asked.works]),
        rise,
        base_c,
    )


def _training_s(models: WhatIf, asked: Asked, board: Hardware) -> Floats:
    """(s, x, m, o): seconds of computing per sample of one of m threads; m = 0 is not used."""
    clusters, most = models.board.clusters, int(board.sizes.max())
    cpi = np.zeros((len(asked.works), len(clusters), most + 1))
    for s, work in enumerate(asked.works):
        for cores in range(1, most + 1):
            profile = training_profile(work, models.board, cores)
            cpi[s, :, cores] = [profile.on(cluster).cpi for cluster in clusters]
    found: Floats = cpi[..., None] / board.freqs_hz[None, :, None, :]
    return found


def _heat(models: WhatIf, asked: Asked) -> tuple[Floats, Floats]:
    network = models.network
    if asked.field_c is None:
        return network.resistance, np.full(len(network.names), network.ambient_c)
    left, gain = network.kernel(asked.horizon_s)
    base_c = network.temperatures(left * network.modes(asked.field_c))
    return (network.rise_of_modes * gain) @ network.modes_of_power, base_c
