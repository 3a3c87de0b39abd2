"""The shipped policies, and networks of any shape."""

from pathlib import Path

import numpy as np
import pytest

from npu_runtime.policy_file import PolicyFile, read_policy_file

SHIPPED = sorted((Path(__file__).parents[3] / "rm" / "policies" / "shipped").glob("*.onnx"))


@pytest.fixture(params=SHIPPED, ids=lambda path: path.stem)
def shipped(request: pytest.FixtureRequest) -> PolicyFile:
    """Each shipped policy in turn."""
    return read_policy_file(request.param)


@pytest.fixture
def rows(shipped: PolicyFile) -> np.ndarray:
    """Raw rows from all over the features' ranges: 40, which no batch in these tests divides."""
    ends = [(feature.low, feature.high) for feature in shipped.metadata.features]
    low, high = np.array(ends).T
    return np.random.default_rng(6).uniform(low, high, (40, len(ends))).astype(np.float32)
