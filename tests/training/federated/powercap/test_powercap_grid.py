"""Tests of the cells: what each method takes, and that the optimum is one."""

import statistics
from math import inf
from typing import Any

import pytest
from msgspec.structs import replace

from platforms.board_file import load_board
from rm.planner.capability import modelled_capability
from tests.training.federated.powercap.small import BATCHES, made_up, network, some_cells
from training.federated.powercap.chosen import BATCH_FIRST, CAPPING, PLANNER
from training.federated.powercap.counting import FIRST_TARGET_SEED, count_rule
from training.federated.powercap.curves import curve_of
from training.federated.powercap.grid import OPTIMUM, Cell, Taken, units_of
from training.federated.powercap.simulated import Bench


def taken(cell: Cell, method: str) -> Taken:
    """What a method took; it must have had a mode."""
    found = cell.taken[method]
    assert found is not None
    return found


def test_the_optimum_is_that_of_brute_force() -> None:
    """Every batch at every clock under the cap, run anew, by the target's own samples."""
    board, counted = load_board("jetson-nano"), made_up()
    works = network().works
    bench = Bench(board, "fan", works)
    capability = modelled_capability(board, works, None)
    (gpu,) = units_of(board)
    unit = len(board.clusters) + [one.name for one in board.accelerators].index(gpu)
    for cell in some_cells(counted):
        times_s = [
            bench.run(setting, unit, 0, opp).sample_s * statistics.mean(counted.target[work.batch])
            for setting, work in enumerate(works)
            for opp, freq_hz in enumerate(board.accelerators[unit - len(board.clusters)].freqs_hz)
            for x, place in enumerate(capability.places)
            if (place.unit, place.freq_hz) == (gpu, freq_hz)
            and capability.peak_w[setting][x] <= cell.cap_w
        ]
        assert min(times_s) == pytest.approx(taken(cell, OPTIMUM).mean_s)


@pytest.mark.parametrize("method", [PLANNER, CAPPING, BATCH_FIRST])
def test_no_method_sees_the_target(method: str) -> None:
    """Other samples of the target change what comes of a choice, and no choice."""
    before = some_cells(made_up())
    after = some_cells(made_up(target=(9000.0, 5000.0, 100.0)))

    def choices(cells: list[Cell]) -> list[Any]:
        found = [cell.taken[method] for cell in cells]
        return [one and (one.batch, one.unit, one.cores, one.freq_hz) for one in found]

    assert choices(before) == choices(after)
    assert [cell.taken[OPTIMUM] for cell in before] != [cell.taken[OPTIMUM] for cell in after]


def test_the_planner_follows_the_proxy() -> None:
    """A proxy that likes large batches makes it take one."""
    small, large = some_cells(made_up()), some_cells(made_up(proxy=(9000.0, 5000.0, 100.0)))
    assert taken(small[-1], PLANNER).batch < taken(large[-1], PLANNER).batch
    assert max(BATCHES) == taken(large[-1], PLANNER).batch


def test_a_right_proxy_has_no_regret() -> None:
    """The simulated board says what its models say."""
    same = (500.0, 600.0, 2400.0)
    for cell in some_cells(made_up(proxy=same, target=same)):
        assert 0.0 == pytest.approx(cell.regret(PLANNER), abs=1e-3)


@pytest.mark.parametrize("board", ["jetson-nano", "hikey970"])
def test_nobody_passes_the_cap(board: str) -> None:
    """By modelled peak power, and on the simulated board by its mean."""
    for cell in some_cells(made_up(), load_board(board)):
        for found in filter(None, cell.taken.values()):
            assert found.mean_w <= cell.cap_w


def test_who_never_gets_there_has_infinite_regret() -> None:
    """A choice that fails is not left out of the percentiles."""
    counted = made_up(proxy=(300.0, 7000.0, 21000.0))
    never = replace(counted, target={**counted.target, BATCHES[0]: [inf, inf]})
    cells = some_cells(never)
    assert BATCHES[0] == taken(cells[-1], PLANNER).batch
    assert [inf] * len(cells) == [cell.regret(PLANNER) for cell in cells]


def test_a_batch_that_the_proxy_never_gets_there_with_is_the_optimums_alone() -> None:
    """The planner cannot know; the optimum knows the target."""
    counted = made_up(target=(9000.0, 9000.0, 100.0))
    blind = replace(counted, proxy={**counted.proxy, BATCHES[-1]: [2000.0, inf]})
    last = some_cells(blind)[-1]
    assert BATCHES[-1] == taken(last, OPTIMUM).batch
    assert BATCHES[-1] not in {taken(last, name).batch for name in (PLANNER, CAPPING)}
    assert BATCHES[:-1] == curve_of(blind.proxy).batches


def test_target_and_proxy_share_no_seed_and_no_digit() -> None:
    """Equal seeds would share luck."""
    counted = count_rule("sqrt", 2, batches=(64,))
    assert 2 < FIRST_TARGET_SEED
    assert counted.proxy[64] != counted.target[64]
