"""A short recording that the oracle's tests share."""

from pathlib import Path

import pytest

from rm.main import main


@pytest.fixture(scope="session")
def traces_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four scenarios at three operating points per cluster of the reference board."""
    path = tmp_path_factory.mktemp("traces") / "traces.parquet"
    words = ["--scenarios", "4", "--opps", "3", "--window-s", "5", "--jobs", "1", "--seed", "5"]
    assert 0 == main(["trace", "record", "--out", str(path), *words])
    return path
