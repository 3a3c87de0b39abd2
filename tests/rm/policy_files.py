"""Policy files for the HiKey 970 with a network of one layer, made without any training."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from npu_runtime.policy_file import Feature, graph_sha256
from tests.npu_runtime.conftest import described, network
from tests.rm.readings import HIKEY
from traces.schema import board_digest


def write_policy(
    path: Path, *, features: Sequence[Feature], outputs: Sequence[str], **changes: Any
) -> Path:
    """Every score is the sum of the features, traffic left out; metadata are sound but for these.

    Returns `path`.
    """
    weights = np.ones((len(features), len(outputs)), np.float32)
    weights[[feature.unit == "accesses/s" for feature in features]] = 0.0
    rows = np.eye(2, len(features), dtype=np.float32)
    model = network(weights)
    sound = {
        "board": HIKEY.name,
        "board_sha256": board_digest(HIKEY),
        "outputs": tuple(outputs),
        "features": tuple(features),
        "parity_inputs": tuple(map(tuple, rows.tolist())),
        "parity_outputs": tuple(map(tuple, (rows @ weights).tolist())),
        "graph_sha256": graph_sha256(model.SerializeToString()),
    }
    path.write_bytes(described(model, **(sound | changes)))
    return path
