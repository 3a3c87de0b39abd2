"""The system and its baselines: how a device's batch and place are chosen."""

from collections.abc import Mapping

from platforms.errors import InvalidInput
from training.federated.systems.joint_batch_frequency.choose import (
    batch_then_cap,
    choose_bf,
    fixed_batch,
    samples_first,
    time_per_sample,
)
from training.federated.systems.joint_batch_frequency.tables import Place, Tables

JOINT = "joint"
FIXED = "fixed-batch"
REACTIVE = "reactive"
ORACLE = "oracle"

METHODS = {
    JOINT: "time per sample x samples by a proxy, least under the cap (the paper's)",
    FIXED: "the largest batch, the highest frequency under the cap",
    "time-per-sample": "the least time per sample under the cap",
    "samples-first": "the batch of fewest samples by a proxy, then the highest frequency",
    "batch-then-cap": "the joint choice without a cap, then the highest frequency under it",
    REACTIVE: "the largest batch, a governor by load, a controller that reacts to the cap",
    ORACLE: "time per sample x the target's own samples, least under the cap",
}
"""Name -> what it does."""


def chosen(
    method: str,
    tables: Tables[Place],
    samples: Mapping[int, float],
    cap_w: float,
    *,
    own: Mapping[int, float],
) -> tuple[int, Place]:
    """The batch and place of a method; NoPlace where it has none under the cap.

    `samples` are the proxy's, `own` the target's, which only the oracle may know. The reactive
    baseline has no place of its own: what is returned is where its controller would settle.
    """
    if method == JOINT:
        return choose_bf(tables, samples, cap_w)
    if method == ORACLE:
        return choose_bf(tables, own, cap_w)
    if method == "time-per-sample":
        return time_per_sample(tables, cap_w)
    if method == "samples-first":
        return samples_first(tables, samples, cap_w)
    if method == "batch-then-cap":
        return batch_then_cap(tables, samples, cap_w)
    if method in (FIXED, REACTIVE):
        return fixed_batch(tables, tables.batches[-1], cap_w)
    raise InvalidInput(f"method must be one of {', '.join(METHODS)} (got {method})")
