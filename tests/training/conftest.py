"""Toy demonstrations with a rule that can be learnt: two weak and two strong cores."""

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from traces.store import arrow_schema, write_table
from training.imitation.dataset import read_demonstrations, split_by_application
from training.imitation.fit import fit, network_of
from training.imitation.fit_data import FitData, FitOptions

CORES = 4
WEAK = np.arange(CORES) < 2
NAMES = tuple(f"app{number}" for number in range(8))
FEATURES = (
    ("aoi_rate_ips", "1/s", 1e10),
    ("aoi_l2d_per_s", "1/s", 1e9),
    *((f"aoi_on_core{core}", "1", 1.0) for core in range(CORES)),
    ("aoi_target_ips", "1/s", 1e10),
    ("others_freq_ratio_little", "1", 1.0),
    ("others_freq_ratio_big", "1", 1.0),
    *((f"utilisation_core{core}", "1", 1.0) for core in range(CORES)),
)
METADATA: dict[str, Any] = {
    "board": "toy",
    "board_sha256": "ab" * 32,
    "cooling": "fan",
    "oracle": {"alpha_per_k": 1.0, "current": "free", "seed": 0},
    "outputs": [f"core{core}" for core in range(CORES)],
    "features": [
        {"index": index, "name": name, "unit": unit, "low": 0.0, "high": high}
        for index, (name, unit, high) in enumerate(FEATURES)
    ],
}


def scenario(number: int, rng: np.random.Generator) -> dict[str, Any]:
    """One row: strong cores cost less heat at high targets, weak ones miss the highest."""
    application = int(rng.integers(len(NAMES)))
    rate_ips, target_ips = rng.uniform(0, 1e10), rng.uniform(0, 1e10)
    occupied = rng.random(CORES) < 0.3
    weak_ratio, strong_ratio = rng.random(2)
    load = target_ips / 1e10
    temp_c = np.where(WEAK, 40 + 12 * load + 3 * weak_ratio, 44 + 4 * load + 3 * strong_ratio)
    feasible = ~occupied & (~WEAK | (load < 0.7))
    coolest_c = temp_c[feasible].min() if feasible.any() else 0.0
    labels = np.where(feasible, np.exp(-np.maximum(temp_c - coolest_c, 0)), 0)
    present = np.eye(CORES)[int(rng.integers(CORES))]
    ratios = [weak_ratio, strong_ratio]
    others = rng.choice(len(NAMES), size=int(occupied.sum() > 0), replace=False)
    return {
        "scenario": number,
        "application": NAMES[application],
        "background": [NAMES[other] for other in others],
        "features": [rate_ips, rate_ips / 50, *present, target_ips, *ratios, *(1.0 * occupied)],
        "labels": np.where(occupied, -1.0, labels),
        "temp_c": np.where(feasible, temp_c, np.nan),
        "status": np.where(occupied, 2, np.where(feasible, 0, 1)),
    }


def write(
    path: Path,
    rows: int = 1500,
    *,
    change: Callable[[dict[str, Any]], dict[str, Any]] = dict,
    **metadata: Any,
) -> Path:
    """Write demonstrations; `change` is made to every row, `metadata` replace those of the file."""
    rng = np.random.default_rng(3)
    given = [change(scenario(number, rng)) for number in range(rows)]
    widths = {name: len(given[0][name]) for name in ("features", "labels", "temp_c", "status")}
    table = pa.Table.from_pylist(given, arrow_schema("demonstrations", lengths=widths))
    write_table(path, table, kind="demonstrations", metadata=METADATA | metadata)
    return path


@pytest.fixture(scope="session")
def toy() -> SimpleNamespace:
    """`write` and the names, for tests that make files of their own."""
    return SimpleNamespace(write=write, names=NAMES, cores=CORES)


@pytest.fixture(scope="session")
def demonstrations_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A sound file of demonstrations."""
    return write(tmp_path_factory.mktemp("demonstrations") / "demos.parquet")


@pytest.fixture(scope="session")
def trained(demonstrations_path: Path) -> SimpleNamespace:
    """A split, and a network that was trained on it."""
    demonstrations = read_demonstrations(demonstrations_path)
    split = split_by_application(demonstrations, ["app1", "app5"])
    options = FitOptions(max_epochs=40, batch_size=64)
    result = fit(FitData.of(split), seed=1, options=options)
    return SimpleNamespace(
        split=split,
        data=FitData.of(split),
        options=options,
        result=result,
        network=network_of(result.weights),
        task=demonstrations.task,
    )
