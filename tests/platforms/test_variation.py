"""Tests of applications that differ from their profiles."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from platforms.application_file import check, find_applications
from platforms.errors import InvalidInput
from platforms.simulated.variation import related, varied

PROFILE = find_applications(["parsec.facesim"])[0]
SHARES = st.floats(0.0, 0.5)
SEEDS = st.integers(0, 2**32 - 1)


@given(SHARES, SEEDS)
def test_every_value_stays_within_the_share(share: float, seed: int) -> None:
    """Up to +-15 % is what one believes of profiles that were carried over."""
    other = varied(PROFILE, np.random.default_rng(seed), share=share)
    for core_type, core in PROFILE.core_profiles.items():
        after = other.core_profiles[core_type]
        assert abs(after.cpi / core.cpi - 1) <= share + 1e-12
        assert abs(after.stall_s / core.stall_s - 1) <= share + 1e-12


@given(SHARES, SEEDS)
def test_stalls_and_traffic_vary_alike_on_all_cores(share: float, seed: int) -> None:
    """They are one property of the program: how often it leaves the caches."""
    other = varied(PROFILE, np.random.default_rng(seed), share=share)
    ratios = [
        other.core_profiles[name].stall_s / core.stall_s
        for name, core in PROFILE.core_profiles.items()
    ]
    ratios.append(other.bytes_per_instruction / PROFILE.bytes_per_instruction)
    ratios.append(other.l2d_per_instruction / PROFILE.l2d_per_instruction)
    assert [ratios[0]] * len(ratios) == pytest.approx(ratios)


@given(SEEDS)
def test_a_variant_is_a_legal_application_of_the_same_name(seed: int) -> None:
    """Phases, name and suite stay; nothing grows negative."""
    other = varied(PROFILE, np.random.default_rng(seed), share=0.15)
    assert [] == list(check(other))
    assert (PROFILE.name, PROFILE.phases) == (other.name, other.phases)


def test_the_same_seed_gives_the_same_variant() -> None:
    """And no share the profile itself, without drawing anything."""
    one, same, other = (
        varied(PROFILE, np.random.default_rng(seed), share=0.15) for seed in (1, 1, 2)
    )
    assert one == same != other
    rng = np.random.default_rng(3)
    assert varied(PROFILE, rng, share=0.0) is PROFILE
    assert np.random.default_rng(3).random() == rng.random()


@pytest.mark.parametrize("share", [-0.1, 1.0, float("nan")])
def test_a_share_that_could_turn_a_value_negative_is_refused(share: float) -> None:
    """A program cannot run backwards."""
    with pytest.raises(InvalidInput, match=r"variation must be a share of 0 up to"):
        varied(PROFILE, np.random.default_rng(0), share=share)


@given(SHARES, SEEDS)
def test_a_related_program_keeps_the_advantage_of_big_cores(share: float, seed: int) -> None:
    """Its compute and its stalls scale alike on all core types; within the share."""
    other = related(PROFILE, np.random.default_rng(seed), share=share)
    for value in ("cpi", "stall_s"):
        ratios = [
            getattr(other.core_profiles[name], value) / getattr(core, value)
            for name, core in PROFILE.core_profiles.items()
        ]
        assert [ratios[0]] * len(ratios) == pytest.approx(ratios)
        assert abs(ratios[0] - 1) <= share + 1e-12
    assert [] == list(check(other))


def test_no_diversity_is_the_profile_itself() -> None:
    """The known programs can be recorded as they are."""
    assert related(PROFILE, np.random.default_rng(0), share=0.0) is PROFILE


def test_a_diversity_that_could_turn_a_value_negative_is_refused() -> None:
    """It is no share."""
    with pytest.raises(InvalidInput, match=r"diversity must be a share .* \(got 1\.5\)"):
        related(PROFILE, np.random.default_rng(0), share=1.5)
