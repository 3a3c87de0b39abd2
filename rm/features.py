"""The features of TOP-IL: one row per application of interest, the same on the board and offline.

The table (`table`) is data: it travels in the policy file, and a policy made from another table is
refused. The oracle builds its demonstrations with `row` as well, so nothing is computed in two
places.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from npu_runtime.policy_file import Feature
from platforms.board import Board
from platforms.platform import ApplicationReading, Observation
from rm.dvfs import demanded_hz

HIGHEST_RATIO = 4.0
"""A demand is cut at this multiple of the present frequency (who stands still demands infinity)."""


def table(board: Board) -> tuple[Feature, ...]:
    """Index, name, unit and range of every feature for a board: 21 on the HiKey 970."""
    top_hz = max(cluster.freqs_hz[-1] for cluster in board.clusters)
    rate_high, l2d_high = 4.0 * top_hz, 1.0 * top_hz
    rows: list[tuple[str, str, float]] = [
        ("aoi_rate_ips", "instructions/s", rate_high),
        ("aoi_l2d_per_s", "accesses/s", l2d_high),
    ]
    rows += [(f"aoi_on_{core}", "0 or 1", 1.0) for core in board.core_names]
    rows += [("aoi_target_ips", "instructions/s", rate_high)]
    rows += [(f"others_freq_ratio_{c.name}", "1", HIGHEST_RATIO) for c in board.clusters]
    rows += [(f"utilisation_{core}", "1", 1.0) for core in board.core_names]
    return tuple(Feature(i, name, unit, 0.0, high) for i, (name, unit, high) in enumerate(rows))


def row(
    *,
    rate_ips: float,
    l2d_per_s: float,
    cores: Sequence[int],
    target_ips: float,
    others_freq_ratio: Sequence[float],
    utilisation: Sequence[float],
) -> list[float]:
    """One row; `others_freq_ratio` is per cluster what the others demand over the present f."""
    on_core = [0.0] * len(utilisation)
    for core in cores:
        on_core[core] = 1.0
    ratios = [min(ratio, HIGHEST_RATIO) for ratio in others_freq_ratio]
    return [rate_ips, l2d_per_s, *on_core, target_ips, *ratios, *utilisation]


def rows(
    board: Board, observation: Observation, applications: Sequence[ApplicationReading]
) -> NDArray[np.float32]:
    """The batch (apps, features): each of `applications` once as the application of interest."""
    owner, freqs_hz = board.cluster_of_core, board.freqs_hz_at(observation.opp_index)
    demand: list[tuple[int, int, float]] = []
    for app in observation.applications:
        cluster = owner[app.cores[0]]
        demand.append((app.id, cluster, demanded_hz(app, freqs_hz[cluster]) / freqs_hz[cluster]))
    batch = []
    for app in applications:
        ratio = [0.0] * len(freqs_hz)
        for other, cluster, wanted in demand:
            if other != app.id and wanted > ratio[cluster]:
                ratio[cluster] = wanted
        batch.append(
            row(
                rate_ips=app.rate_ips,
                l2d_per_s=app.l2d_per_s,
                cores=app.cores,
                target_ips=app.target_ips,
                others_freq_ratio=ratio,
                utilisation=observation.core_utilisation,
            )
        )
    width = 3 + 2 * board.core_count + len(freqs_hz)
    return np.array(batch, dtype=np.float32).reshape(len(batch), width)
