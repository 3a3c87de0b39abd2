"""Tests of the vectorised heats: what the models say of one mapping, for many at once."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from oracle.whatif import WhatIf
from platforms.application_file import shipped_applications
from platforms.board_file import load_board
from rm.mapping.packing import groups_of_cores
from rm.mapping.rows import describe
from training.joint.heats import HIGHEST_C, SteadyHeats
from training.joint.situations import drawn, true_demand

HIKEY = load_board("hikey970")
PROFILES = tuple(
    profile for profile in shipped_applications().values() if profile.suite == "cbench"
)


@pytest.mark.parametrize("cooling", ["fan", "passive"])
@settings(max_examples=30)
@given(seed=st.integers(0, 2**32 - 1))
def test_a_mapping_settles_where_the_models_let_it_settle(cooling: str, seed: int) -> None:
    """To a twentieth of a kelvin, at the operating points of the description."""
    models = WhatIf(HIKEY, HIKEY.cooling_named(cooling))
    apps = drawn(HIKEY, PROFILES, np.random.default_rng(seed)).wanted
    mappings = groups_of_cores(HIKEY, [app.cores[0] for app in apps])
    described = describe(HIKEY, true_demand(HIKEY, apps, stall_aware=True), mappings)
    activity = np.array([app.profile.activity for app in apps])
    found = float(SteadyHeats(models)(mappings, described, activity)[0])
    placement = tuple(app.cores for app in apps)
    expected = models.evaluate(apps, placement, tuple(described.opp_index[0].tolist())).peak_c
    if math.isfinite(expected) and expected < 80.0:
        assert expected == pytest.approx(found, abs=0.05)
    else:
        assert 75.0 < found <= HIGHEST_C
