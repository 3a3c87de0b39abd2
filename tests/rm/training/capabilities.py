"""A training job that is easy to reckon with: what it says it can do on the HiKey 970."""

from platforms.training_work import Efficiency
from rm.planner.capability import Capability, Place, Setting
from tests.platforms.programs import HIKEY

BATCHES = (4, 16)


def capability(curve: Efficiency | None = None) -> Capability:
    """Two settings, at every operating point and number of cores.

    A LITTLE core does 10 samples/s per GHz and a big one 20, n cores n times as many; a step of the
    larger batch is a tenth faster per sample. Watts are a core's busy power and the cluster's.
    """
    places, little_s, watts = [], [], []
    for cluster, per_ghz in zip(HIKEY.clusters, (10.0, 20.0), strict=True):
        for opp in cluster.opps:
            for cores in range(1, len(cluster.cores) + 1):
                places.append(Place(unit=cluster.name, cores=cores, freq_hz=opp.freq_hz))
                little_s.append(1e9 / (per_ghz * opp.freq_hz * cores))
                watts.append(cores * opp.core_busy_w + opp.cluster_busy_w)
    sample_s = tuple(tuple(time_s * share for time_s in little_s) for share in (1.0, 0.9))
    power_w = (tuple(watts), tuple(watts))
    return Capability(
        settings=tuple(
            Setting(knobs={"batch": float(batch)}, memory_bytes=batch * 10**6) for batch in BATCHES
        ),
        places=tuple(places),
        sample_s=sample_s,
        peak_w=power_w,
        mean_w=power_w,
        bytes_per_sample=(0.0, 0.0),
        curve=curve,
        origin="modelled",
    )
