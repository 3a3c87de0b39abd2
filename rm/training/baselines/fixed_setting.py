"""The one setting of the knobs that a baseline trains with, and what the tables promise of a place.

Stock devices train with the knobs as the server wrote them down: the job's first setting, its
reference. The policies whose names end in ``-tuned`` take the setting instead that makes most
progress with the board to itself, on all cores of the strongest cluster at its highest frequency,
by the job's own tables, out of those whose batch gives every core of the policy a sample: what
somebody would choose who tried them all once.
"""

from msgspec import Struct

from platforms.board import Board, Cluster
from platforms.training_work import BATCH
from rm.planner.capability import Capability


class Promise(Struct, frozen=True):
    """What a job's tables say of some cores of a cluster at its highest frequency, at a setting.

    `rate` is in samples/s, `energy_j` the training's energy per sample.
    """

    rate: float
    energy_j: float


REFERENCE = 0
"""The setting that the job was written with."""


def tuned_setting(board: Board, capability: Capability, cores: int) -> int:
    """The index of the setting with most progress on the strongest cluster; ties: the first.

    Of the settings whose batch is at least `cores`, if there is one, else of all.
    """
    strongest = board.clusters[board.clusters_by_capacity[-1]]
    place = _place(capability, strongest, len(strongest.cores))
    every = range(len(capability.settings))
    return min(
        [s for s in every if capability.settings[s].knobs[BATCH] >= cores] or every,
        key=lambda setting: (
            capability.sample_s[setting][place] * capability.samples_to_goal(setting)
        ),
    )


def promise(board: Board, capability: Capability, setting: int, cores: tuple[int, ...]) -> Promise:
    """What the tables say of `cores`, all of one cluster, while they have nothing else to do."""
    cluster = board.clusters[board.cluster_of_core[cores[0]]]
    place = _place(capability, cluster, len(cores))
    sample_s = capability.sample_s[setting][place]
    return Promise(1.0 / sample_s, capability.mean_w[setting][place] * sample_s)


def _place(capability: Capability, cluster: Cluster, cores: int) -> int:
    """The place of so many cores of a cluster at its highest frequency that the tables hold."""
    found = [
        (place.freq_hz, number)
        for number, place in enumerate(capability.places)
        if (place.unit, place.cores) == (cluster.name, cores)
    ]
    return max(found)[1]
