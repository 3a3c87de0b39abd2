"""Where a sweep's shards are computed: in processes of this machine, or on Ray.

The engine decides nothing but the time: shards come out the same, byte for byte.
"""

from functools import partial

from traces.parts import FinishedJobs
from traces.workers import finished_jobs


def engine_named(name: str, *, workers: int, ray_address: str | None = None) -> FinishedJobs:
    """An engine that computes `workers` shards at a time; `ray_address` as `oracle.ray_engine` has.

    Raises KeyError for an unknown name, and ImportError where Ray is asked for and not installed.
    """
    if name == "ray":
        from oracle.ray_engine import ray_jobs

        return partial(ray_jobs, workers=workers, address=ray_address)
    return {"local": partial(finished_jobs, workers=workers)}[name]
