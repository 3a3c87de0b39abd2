"""Foreground and training on the simulated board's own models, for the tests of the search."""

import itertools
import math
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from oracle.training import Asked
from oracle.whatif import WhatIf
from platforms.errors import ThermalLimit
from platforms.simulated.equilibrium import settle
from platforms.simulated.performance import Placed, speeds
from platforms.training_work import training_profile


class Outcome(NamedTuple):
    """What comes of one decision on cores."""

    met: bool
    progress: float
    peak_c: float
    power_w: float


def truth(
    models: WhatIf,
    asked: Asked,
    placement: tuple[int, ...],
    opps: tuple[int, ...],
    setting: int | None,
    cores: tuple[int, ...],
) -> Outcome:
    """The steady state, by the models that the board steps with."""
    placed = []
    for app, core in zip(asked.apps, placement, strict=True):
        phase = app.profile.cycle[app.phase]
        scales = (phase.cpi_scale, phase.stall_scale)
        placed.append(Placed(app.profile, *scales, (core,), phase.activity_scale))
    if setting is not None:
        profile = training_profile(asked.works[setting], models.board, len(cores))
        placed.append(Placed(profile, 1.0, 1.0, cores))
    result = speeds(models.board, opps, placed)
    rates = zip(asked.apps, result.rate_ips, strict=False)
    met = all(rate >= app.target_ips * (1.0 - 1e-6) for app, rate in rates)
    progress = 0.0 if setting is None else result.rate_ips[-1] * asked.worth[setting]
    load = models.power.load(opps, result.core_activity)
    try:
        state = settle(models.network, load, models.power.shape, models.power.core_nodes)
    except ThermalLimit:
        return Outcome(met, progress, math.inf, math.inf)
    peak_c = float(state.temp_c[models.power.core_nodes].max())
    return Outcome(met, progress, peak_c, float(np.sum(state.power_w)))


def every(models: WhatIf, asked: Asked) -> Iterator[Outcome]:
    """All decisions: every core for everybody, every set of cores of a cluster for training."""
    board = models.board
    places: list[tuple[int | None, tuple[int, ...]]] = [(None, ())]
    for cluster in board.clusters:
        for count in range(1, len(cluster.cores) + 1):
            for cores in itertools.combinations(cluster.cores, count):
                places += [(setting, cores) for setting in range(len(asked.works))]
    points = [range(len(cluster.opps)) for cluster in board.clusters]
    for placement in itertools.product(range(board.core_count), repeat=len(asked.apps)):
        for setting, cores in places:
            if not set(cores) & set(placement):
                for opps in itertools.product(*points):
                    yield truth(models, asked, placement, opps, setting, cores)
