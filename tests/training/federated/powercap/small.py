"""A small study: one network of three batches, one rule, counts that are made up."""

from pathlib import Path

from msgspec.structs import replace

from platforms.board import Board
from platforms.board_file import load_board
from platforms.training_work import TrainingFile, load_training
from training.federated.powercap.counting import Counted
from training.federated.powercap.grid import Cell, cells_of

BATCHES = (8, 32, 128)
SHARES = (0.05, 0.3, 1.0)

SMALL = """
schema = 1
name = "small"
title = "Two batches"

[[works]]
knobs = { batch = 16 }
flops = 3e7
sample_bytes = 1.5e6
step_bytes = 5e6
kernels = 160
memory_bytes = 8_000_000
samples_factor = 1.0

[[works]]
knobs = { batch = 128 }
flops = 3e7
sample_bytes = 1.5e6
step_bytes = 5e6
kernels = 160
memory_bytes = 60_000_000
samples_factor = 1.0

[sources]
"works.knobs" = "assumed: two batches"
"works.flops" = "assumed: as a small network"
"works.sample_bytes" = "assumed: as a small network"
"works.step_bytes" = "assumed: as a small network"
"works.kernels" = "assumed: as a small network"
"works.memory_bytes" = "assumed: as a small network"
"works.samples_factor" = "assumed: as a small network"
"""


def small_file(folder: Path) -> Path:
    """A training's file of two batches."""
    path = folder / "small.toml"
    path.write_text(SMALL)
    return path


def network() -> TrainingFile:
    """tiny-4 with some of its batches."""
    tiny = load_training("tiny-4")
    return replace(
        tiny,
        works=tuple(w for w in tiny.works if w.batch in BATCHES and w.knobs["depth"] == 4),
    )


def made_up(
    proxy: tuple[float, ...] = (300.0, 700.0, 2100.0),
    target: tuple[float, ...] = (500.0, 600.0, 2400.0),
) -> Counted:
    """Two seeds of each: the samples, and a tenth more."""
    return Counted(
        rule="sqrt",
        rates=dict.fromkeys(BATCHES, 0.1),
        proxy={batch: [x, 1.1 * x] for batch, x in zip(BATCHES, proxy, strict=True)},
        target={batch: [x, 1.1 * x] for batch, x in zip(BATCHES, target, strict=True)},
    )


def some_cells(counted: Counted, board: Board | None = None) -> list[Cell]:
    """Its cells, by default on the Jetson Nano."""
    return list(
        cells_of(
            board or load_board("jetson-nano"),
            network(),
            [counted],
            cooling="fan",
            cap_shares=SHARES,
        )
    )
