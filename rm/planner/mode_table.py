"""A capability as the planner reads it: one row for every setting at every place."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from platforms.board import Board
from rm.planner.capability import Capability, check_capability

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True)
class ModeTable:
    """The modes of a job, one a row of every array.

    `setting` is an index into the capability's settings, `unit` into the board's clusters and, from
    `clusters` on, its accelerators; `cores` (0 on an accelerator) and `opp` say where on it. Times
    are seconds per sample of the setting, powers watts of the SoC as in the capability.
    `samples_to_goal` is by mode; `progress_per_s` is in reference samples: one of the first setting
    counts 1, another setting's as much less as the goal takes more of them.
    """

    clusters: int
    setting: Ints
    unit: Ints
    cores: Ints
    opp: Ints
    sample_s: Floats
    peak_w: Floats
    mean_w: Floats
    memory_bytes: Floats
    bytes_per_sample: Floats
    samples_to_goal: Floats
    progress_per_s: Floats

    def __len__(self) -> int:
        """Number of modes."""
        return len(self.setting)


def mode_table(board: Board, capability: Capability) -> ModeTable:
    """All modes; settings vary slowest.

    Raises InvalidInput for a capability that is not of this board.
    """
    check_capability(board, capability)
    units = [cluster.name for cluster in board.clusters]
    units += [accelerator.name for accelerator in board.accelerators]
    freqs_hz = [cluster.freqs_hz for cluster in board.clusters]
    freqs_hz += [accelerator.freqs_hz for accelerator in board.accelerators]
    places = capability.places
    settings = range(len(capability.settings))
    unit = [units.index(place.unit) for place in places]
    opp = [freqs_hz[x].index(place.freq_hz) for x, place in zip(unit, places, strict=True)]
    per_setting = [capability.samples_to_goal(setting) for setting in settings]
    samples = np.repeat(np.array(per_setting), len(places))
    memory_bytes = np.array([float(one.memory_bytes) for one in capability.settings])
    sample_s = np.array(capability.sample_s).ravel()
    return ModeTable(
        clusters=len(board.clusters),
        setting=np.repeat(np.arange(len(settings)), len(places)),
        unit=np.tile(unit, len(settings)),
        cores=np.tile([place.cores for place in places], len(settings)),
        opp=np.tile(opp, len(settings)),
        sample_s=sample_s,
        peak_w=np.array(capability.peak_w).ravel(),
        mean_w=np.array(capability.mean_w).ravel(),
        memory_bytes=np.repeat(memory_bytes, len(places)),
        bytes_per_sample=np.repeat(np.array(capability.bytes_per_sample), len(places)),
        samples_to_goal=samples,
        progress_per_s=samples[0] / samples / sample_s,
    )
