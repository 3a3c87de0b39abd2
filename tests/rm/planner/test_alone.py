"""Training alone under a power cap: the joint choice against trying every mode, and the paper's."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from platforms.board_file import load_board
from platforms.training_work import load_training
from rm.planner.alone import NoMode, best_under_cap
from rm.planner.capability import modelled_capability
from rm.planner.mode_table import mode_table
from training.federated.systems.joint_batch_frequency.choose import choose_bf
from training.federated.systems.joint_batch_frequency.tables import Tables

HIKEY, NANO = load_board("hikey970"), load_board("jetson-nano")
TRAININGS = [load_training(name) for name in ("tiny-4", "transformer-6x256", "resnet18")]
TABLES = {
    board.name: [
        mode_table(board, modelled_capability(board, one.works, one.curve)) for one in TRAININGS
    ]
    for board in (HIKEY, NANO)
}


@pytest.mark.parametrize("name", TABLES)
@settings(max_examples=40, deadline=None, derandomize=True)
@given(cap_w=st.floats(0.05, 12.0), which=st.integers(0, 2), memory=st.floats(1e7, 1e10))
def test_no_mode_under_the_caps_reaches_the_goal_sooner(
    name: str, cap_w: float, which: int, memory: float
) -> None:
    """Over clusters, clocks, cores, batches and depths; and NoMode only where there is none."""
    table = TABLES[name][which]
    allowed = [
        row
        for row in range(len(table))
        if table.peak_w[row] <= cap_w and table.memory_bytes[row] <= memory
    ]
    if not allowed:
        with pytest.raises(NoMode, match="cap must be at least"):
            best_under_cap(table, cap_w, memory)
        return
    best = best_under_cap(table, cap_w, memory)
    assert best in allowed
    times_s = table.sample_s * table.samples_to_goal
    assert min(times_s[row] for row in allowed) == times_s[best]


def test_on_frequencies_and_batches_it_is_the_paper_s_choice() -> None:
    """`choose_bf` of arXiv 2502.18323's joint choice, on the Jetson Nano's GPU."""
    training = load_training("resnet18")
    works = training.works
    gpu = NANO.compute_accelerators[0]
    table = mode_table(NANO, modelled_capability(NANO, works, training.curve))
    rows = np.flatnonzero(table.unit == len(NANO.clusters))
    batches = {int(row): int(works[table.setting[row]].batch) for row in rows}
    pairs = {(batches[row], gpu.freqs_hz[table.opp[row]]): row for row in rows.tolist()}
    assert len(pairs) == len(rows)
    paper = Tables(
        {pair: float(table.sample_s[row]) for pair, row in pairs.items()},
        {pair: float(table.peak_w[row]) for pair, row in pairs.items()},
        {pair: float(table.mean_w[row]) for pair, row in pairs.items()},
        "modelled",
    )
    samples = {batches[int(row)]: float(table.samples_to_goal[row]) for row in rows}
    only = table.peak_w.copy()
    only[table.unit < len(NANO.clusters)] = np.inf
    on_gpu = dataclasses.replace(table, peak_w=only)
    for cap_w in np.linspace(table.peak_w[rows].min(), table.peak_w[rows].max(), 12):
        assert pairs[choose_bf(paper, samples, cap_w)] == best_under_cap(on_gpu, cap_w)
