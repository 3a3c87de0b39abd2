"""Tests of situations: what is drawn, and what a governor that knows it all makes of it."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from oracle.whatif import Wanted, WhatIf
from platforms.application_file import shipped_applications
from platforms.board_file import load_board
from rm.mapping.demand import MARGIN
from rm.mapping.packing import groups_of_cores
from rm.mapping.rows import describe
from tests.oracle import small_boards
from training.joint.situations import (
    HIGHEST_TARGET,
    LOWEST_TARGET,
    MOST_APPLICATIONS,
    USUAL_ACTIVITY,
    another,
    drawn,
    true_demand,
)

HIKEY = load_board("hikey970")
PROFILES = tuple(
    profile for profile in shipped_applications().values() if profile.suite == "cbench"
)


def without_traffic(apps: list[Wanted]) -> list[Wanted]:
    """The same programs, none of which keeps another from the memory."""
    return [replace(app, profile=replace(app.profile, bytes_per_instruction=0.0)) for app in apps]


@settings(max_examples=60)
@given(st.integers(0, 2**32 - 1), st.integers(1, 5), st.sampled_from([(2, 2), (1, 3)]))
def test_a_demand_leads_to_the_points_and_the_shortfall_that_the_models_find(
    seed: int, count: int, sizes: tuple[int, ...]
) -> None:
    """Where nobody slows the others down; the margin counts as a higher target."""
    rng = np.random.default_rng(seed)
    board = small_boards.board(rng, points=4, sizes=sizes)
    models = WhatIf(board, small_boards.COOLING)
    apps = without_traffic(small_boards.wanted(board, rng, count=count, most=1.2))
    placement = tuple(app.cores for app in apps)
    asked = true_demand(board, apps, stall_aware=True)
    found = describe(board, asked, groups_of_cores(board, [cores[0] for cores in placement]))
    spare = [replace(app, target_ips=app.target_ips * (1.0 + MARGIN)) for app in apps]
    opps = models.least_opps(spare, placement)
    assert list(opps) == found.opp_index[0].tolist()
    at_most = models.evaluate(apps, placement, opps).shortfall
    assert found.shortfall[0] == pytest.approx(at_most, abs=1e-9)


def test_features_are_the_truth_about_a_steady_state() -> None:
    """How busy a core is in the models, but for the memory that others use."""
    rng = np.random.default_rng(7)
    board = small_boards.board(rng, points=3)
    (app,) = without_traffic(small_boards.wanted(board, rng, count=1))
    on = board.cluster_of_core[app.cores[0]]
    asked = true_demand(board, [app], stall_aware=True)
    core, phase = app.profile.on(board.clusters[on]), app.profile.cycle[app.phase]
    for opp, freq_hz in enumerate(board.clusters[on].freqs_hz):
        compute_s = phase.cpi_scale * core.cpi / freq_hz
        rate_ips = 1.0 / (compute_s + phase.stall_scale * core.stall_s)
        assert asked.served[on][0, opp] == pytest.approx(rate_ips / app.target_ips)
        l2d_per_s = rate_ips * app.profile.l2d_per_instruction
        assert asked.l2d_per_s[on][0, opp] == pytest.approx(l2d_per_s)
    strongest = board.clusters_by_capacity[-1]
    core = app.profile.on(board.clusters[strongest])
    freqs_hz = np.array(board.clusters[strongest].freqs_hz)
    busy = (core.cpi / freqs_hz) / (core.cpi / freqs_hz + core.stall_s)
    np.testing.assert_allclose(asked.busy[strongest][0], busy)


def test_without_stalls_the_middle_point_is_right_and_the_others_are_scaled() -> None:
    """What a governor with linear scaling would know."""
    rng = np.random.default_rng(1)
    apps = drawn(HIKEY, PROFILES, rng).wanted
    aware, linear = (true_demand(HIKEY, apps, stall_aware=aware) for aware in (True, False))
    for x, cluster in enumerate(HIKEY.clusters):
        middle = len(cluster.opps) // 2
        np.testing.assert_allclose(linear.served[x][:, middle], aware.served[x][:, middle])
        ratio = linear.served[x][:, -1] / linear.served[x][:, 0]
        np.testing.assert_allclose(ratio, cluster.freqs_hz[-1] / cluster.freqs_hz[0])
        assert (aware.served[x][:, -1] <= linear.served[x][:, -1] * (1 + 1e-12)).all()
        assert (linear.busy[x] == 1.0).all()


@settings(max_examples=40)
@given(st.integers(0, 2**32 - 1))
def test_what_is_drawn_can_be_asked_of_the_board(seed: int) -> None:
    """One to twelve applications anywhere, with targets between a little and most."""
    situation = drawn(HIKEY, PROFILES, np.random.default_rng(seed))
    assert 1 <= len(situation.wanted) <= MOST_APPLICATIONS
    assert len(situation.wanted) == situation.demand.count
    strongest = HIKEY.clusters[HIKEY.clusters_by_capacity[-1]]
    for number, app in enumerate(situation.wanted):
        assert number == app.id
        assert 0 <= app.cores[0] < HIKEY.core_count
        best_ips = app.profile.ips(strongest, strongest.freqs_hz[-1])
        assert LOWEST_TARGET <= app.target_ips / best_ips <= HIGHEST_TARGET


def test_the_dice_decide_and_nothing_else() -> None:
    """The same dice draw the same, others something else."""
    one, same, other = (
        drawn(HIKEY, PROFILES, np.random.default_rng(seed)).wanted for seed in (3, 3, 4)
    )
    assert one == same != other


def test_another_program_is_a_relative_with_the_usual_activity() -> None:
    """No counter shows how much a program switches, so the network must not guess it from them."""
    rng = np.random.default_rng(0)
    known = [profile for profile in PROFILES if profile.bytes_per_instruction > 0.0][:1]
    found = [another(known, rng) for _ in range(300)]
    assert {USUAL_ACTIVITY} == {program.activity for program in found}
    for shown in ("l2d_per_instruction", "bytes_per_instruction"):
        assert len({getattr(program, shown) for program in found}) > 290


@settings(max_examples=60)
@given(st.integers(0, 2**32 - 1))
def test_traffic_of_others_asks_for_the_points_that_the_models_find(seed: int) -> None:
    """Programs that wait for a busy memory are slower than each alone."""
    apps = drawn(HIKEY, PROFILES, np.random.default_rng(seed)).wanted
    models = WhatIf(HIKEY, HIKEY.cooling_named("fan"))
    placement = tuple(app.cores for app in apps)
    asked = true_demand(HIKEY, apps, stall_aware=True)
    found = describe(HIKEY, asked, groups_of_cores(HIKEY, [cores[0] for cores in placement]))
    spare = [replace(app, target_ips=app.target_ips * (1.0 + MARGIN)) for app in apps]
    opps = models.least_opps(spare, placement)
    # The queue is solved to a thousandth, so that a target just met may take a point more or less.
    assert all(abs(a - b) <= 1 for a, b in zip(opps, found.opp_index[0].tolist(), strict=True))
