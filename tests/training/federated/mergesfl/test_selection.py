"""Tests of who is chosen: within the line, with the guest, and nearly as well as can be."""

import numpy as np
import pytest

from training.federated.dice import dice
from training.federated.systems.mergesfl.selection.at_random import at_random
from training.federated.systems.mergesfl.selection.brute_force import brute_force
from training.federated.systems.mergesfl.selection.genetic import genetic
from training.federated.systems.mergesfl.selection.greedy import greedy
from training.federated.systems.mergesfl.selection.pool import Members, Pool, mixes_of
from training.federated.systems.mergesfl.selection_quality import cost, drawn_pool

SEEDS = range(60)


@pytest.mark.parametrize("alpha", [0.1, 1.0])
@pytest.mark.parametrize(("tolerance", "price"), [(0.0, 0.0), (0.02, 0.05)])
def test_the_genetic_algorithm_finds_what_brute_force_finds(
    alpha: float, tolerance: float, price: float
) -> None:
    """600 looks instead of 4,096: the best choice nearly always, and never far from it."""
    above = []
    for seed in SEEDS:
        pool = drawn_pool(seed, alpha=alpha, tolerance=tolerance, price=price)
        found = genetic(pool, dice(seed, "genetic"), population=20, generations=30)
        above.append(cost(pool, found) - cost(pool, brute_force(pool)))
    assert min(above) >= -1e-12
    assert np.mean(np.array(above) < 1e-9) >= 0.85
    assert np.mean(above) < 0.002
    assert max(above) < 0.05


def test_the_genetic_algorithm_is_better_than_greed_and_greed_than_dice() -> None:
    """In the mean over many draws; greed stops at the first choice that no one worker betters."""
    pools = [drawn_pool(seed, alpha=0.1) for seed in SEEDS]
    genes = np.mean([cost(p, genetic(p, dice(i, "genetic"))) for i, p in enumerate(pools)])
    greed = np.mean([cost(p, greedy(p)) for p in pools])
    chance = np.mean([cost(p, at_random(p, dice(i, "random"))) for i, p in enumerate(pools)])
    assert genes < greed < chance


def chosen(kind: str, pool: Pool, seed: int) -> Members:
    """The choice of one of the selections."""
    if kind == "genetic":
        return genetic(pool, dice(seed, "g"), generations=5)
    if kind == "random":
        return at_random(pool, dice(seed, "r"))
    return greedy(pool) if kind == "greedy" else brute_force(pool)


@pytest.mark.parametrize("kind", ["genetic", "greedy", "random", "brute force"])
def test_every_choice_fits_the_line_and_has_the_guest(kind: str) -> None:
    """Whatever the labels say."""
    for seed in SEEDS:
        pool = drawn_pool(seed, alpha=0.1)
        members = chosen(kind, pool, seed)
        assert members[pool.guest]
        assert members @ pool.loads <= 1 + 1e-9


def test_a_guest_that_fills_the_line_is_alone() -> None:
    """A bound that nobody can keep must not leave the round empty."""
    mixes, wanted = mixes_of(np.eye(3))
    pool = Pool(mixes=mixes, batches=np.ones(3), loads=np.full(3, 2.0), wanted=wanted, guest=1)
    for members in (genetic(pool, dice(0, "g")), greedy(pool), at_random(pool, dice(0, "r"))):
        assert [False, True, False] == members.tolist()
    assert [False, True, False] == brute_force(pool).tolist()


def test_the_pair_whose_labels_make_the_whole_is_chosen() -> None:
    """Workers 0 and 3 together are uniform; no other pair with the guest 0 is."""
    counts = np.array([[2.0, 2, 0, 0], [2, 0, 2, 0], [0, 2, 0, 2], [0, 0, 2, 2]])
    mixes, wanted = mixes_of(counts)
    pool = Pool(mixes=mixes, batches=np.ones(4), loads=np.full(4, 0.5), wanted=wanted, guest=0)
    expected = [True, False, False, True]
    assert expected == brute_force(pool).tolist()
    assert expected == genetic(pool, dice(0, "g")).tolist()
    assert 0.0 == cost(pool, np.array(expected))


def test_greed_leaves_a_guest_who_is_best_alone() -> None:
    """Each of the others makes it worse, all three of them make it perfect."""
    mixes = np.array([[0.34, 0.22, 0.22, 0.22], [0, 1.0, 0, 0], [0, 0, 1.0, 0], [0, 0, 0, 1.0]])
    pool = Pool(
        mixes=mixes,
        batches=np.array([100.0, 12, 12, 12]),
        loads=np.full(4, 0.25),
        wanted=np.full(4, 0.25),
        guest=0,
    )
    alone, pair = np.array([True, False, False, False]), np.array([True, True, False, False])
    assert cost(pool, alone) < cost(pool, pair)
    assert greedy(pool).all()


def test_an_unused_line_has_its_price() -> None:
    """All divergences are within the tolerance, so the fullest choice is the cheapest."""
    mixes, wanted = mixes_of(np.ones((4, 2)))
    pool = Pool(
        mixes=mixes,
        batches=np.ones(4),
        loads=np.array([0.3, 0.3, 0.3, 0.4]),
        wanted=wanted,
        guest=0,
        tolerance=0.02,
        price=0.05,
    )
    assert [True, True, False, True] == brute_force(pool).tolist() or [
        True,
        False,
        True,
        True,
    ] == brute_force(pool).tolist()
    assert 0.02 == pytest.approx(cost(pool, genetic(pool, dice(0, "g"))))


def test_the_same_dice_choose_the_same() -> None:
    """A run that is resumed chooses as it would have."""
    pool = drawn_pool(5, alpha=0.1)
    assert genetic(pool, dice(1, "g")).tolist() == genetic(pool, dice(1, "g")).tolist()


def test_brute_force_refuses_what_it_cannot_finish() -> None:
    """2^17 rows would be gigabytes."""
    mixes, wanted = mixes_of(np.ones((17, 2)))
    pool = Pool(mixes=mixes, batches=np.ones(17), loads=np.zeros(17), wanted=wanted, guest=0)
    with pytest.raises(ValueError, match=r"brute force must have at most 16 workers \(got 17\)"):
        brute_force(pool)
