"""Tests of activities and of what a stalled core still switches."""

import numpy as np
import pytest

from traces.calibration.activity import ProgramEnergy, fit_activity

SHARES = np.linspace(1.0, 0.4, 7)


def program(level_j: float, floor: float, shares: np.ndarray = SHARES) -> ProgramEnergy:
    """A program that is exactly as a board computes it."""
    return ProgramEnergy(level_j * (floor + (1 - floor) * shares), shares)


def test_floor_and_activities_without_noise_are_found() -> None:
    """The hungriest program is the reference."""
    programs = {"a": program(4e-10, 0.3), "b": program(2e-10, 0.3), "c": program(3e-10, 0.3)}
    fit = fit_activity(programs, usual_floor=0.9, rng=np.random.default_rng(0))
    assert 0.3 == pytest.approx(fit.floor)
    assert {"a": 1.0, "b": 0.5, "c": 0.75} == pytest.approx(fit.activity)
    assert ("a", 4e-10) == (fit.reference, pytest.approx(fit.reference_j))
    assert fit.identified


def test_programs_that_never_stall_do_not_tell_the_floor() -> None:
    """The usual one is kept, and said to be."""
    rng = np.random.default_rng(1)
    noisy_j = 3e-10 * (1 + 0.02 * rng.standard_normal((8, 7)))
    shares = 1.0 - 1e-3 * rng.random((8, 7))
    programs = {f"p{i}": ProgramEnergy(noisy_j[i], shares[i]) for i in range(8)}
    fit = fit_activity(programs, usual_floor=0.53, rng=rng)
    assert not fit.identified
    assert 0.53 == fit.floor


def test_no_activity_is_above_one() -> None:
    """A board refuses more."""
    rng = np.random.default_rng(2)
    programs = {f"p{i}": program(rng.uniform(1e-10, 5e-10), 0.4) for i in range(20)}
    fit = fit_activity(programs, usual_floor=0.4, rng=rng)
    assert 1.0 == max(fit.activity.values())


@pytest.mark.parametrize(
    ("energy", "share", "said"),
    [
        ([1e-10], [1.0, 0.5], "must be pairs"),
        ([], [], "must be pairs"),
        ([0.0], [1.0], "energy_j must be positive"),
    ],
)
def test_energies_that_cannot_be_are_refused(
    energy: list[float], share: list[float], said: str
) -> None:
    """Before anything is computed."""
    with pytest.raises(ValueError, match=said):
        ProgramEnergy(np.array(energy), np.array(share))
    with pytest.raises(ValueError, match="one at least"):
        fit_activity({}, usual_floor=0.5, rng=np.random.default_rng())
