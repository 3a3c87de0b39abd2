"""How many joint scenarios a second a sweep solves on each engine, its start and end included."""

from contextlib import suppress
from pathlib import Path

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from rm.main import main

SCENARIOS = 8000

ENGINES = {
    "one process": ["--jobs", "1"],
    "two processes": ["--jobs", "2"],
    "ray with two workers": ["--jobs", "2", "--engine", "ray"],
}


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the sweeps of all engines lie, to be compared."""
    folder = tmp_path_factory.mktemp("sweeps")
    warm_up = ["--scenarios", "1", "--out", str(folder / "warm-up.parquet")]
    assert main(["oracle", "joint", *warm_up]) == 0
    return folder


@pytest.mark.parametrize("engine", ENGINES)
def test_joint_scenarios_per_second(benchmark: BenchmarkFixture, engine: str, files: Path) -> None:
    """Once: it takes long enough. The file is the same each time."""
    if "ray" in engine:
        pytest.importorskip("ray", reason="Ray is an extra")
    out = files / f"{engine}.parquet"
    words = ["--scenarios", str(SCENARIOS), "--out", str(out), *ENGINES[engine]]
    assert benchmark.pedantic(main, (["oracle", "joint", *words],), rounds=1) == 0
    speed = SCENARIOS / benchmark.stats.stats.median
    benchmark.extra_info["scenarios_per_s"] = round(speed)
    print(f"\nsweep, {engine}: {speed:.0f} joint scenarios per second")
    with suppress(FileNotFoundError):
        assert (files / "one process.parquet").read_bytes() == out.read_bytes()
