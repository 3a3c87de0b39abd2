"""Tests of application profiles from fits."""

import numpy as np
import pytest
from msgspec.structs import replace

from platforms.application_file import parse_suite, shipped_applications
from platforms.board_file import load_board
from tests.traces.calibration.toy_measurements import measured
from traces.calibration.cluster_study import ClusterStudy, study_cluster
from traces.calibration.profiles import AssumedSpeed, profiles, suite_text

BOARD = load_board("odroid-xu3")


@pytest.fixture(scope="module")
def studies() -> tuple[ClusterStudy, ...]:
    """Both clusters of the toy; programs ran on the second."""
    table = measured(np.random.default_rng(0))
    rng = np.random.default_rng(0)
    return tuple(study_cluster(table, i, BOARD, [0], data="toys", rng=rng) for i in (0, 1))


def test_profiles_are_the_programs_that_went_in(studies: tuple[ClusterStudy, ...]) -> None:
    """The toy draws cycles and stalls in this order, from this seed."""
    made, left_out = profiles(studies, BOARD, suite="toys", data="toys")
    rng = np.random.default_rng(0)
    stall_s, cpi = rng.uniform(0.0, 1e-9, 12), rng.uniform(0.6, 1.6, 12)
    assert () == left_out
    assert [f"program{i:02}" for i in range(12)] == [one.name for one in made]
    speeds = [one.core_profiles["cortex-a15"] for one in made]
    assert cpi.tolist() == pytest.approx([one.cpi for one in speeds], rel=1e-3)
    assert stall_s.tolist() == pytest.approx([one.stall_s for one in speeds], rel=1e-3, abs=1e-15)
    assert 1.0 == max(one.activity for one in made)


def test_traffic_follows_the_stall(studies: tuple[ClusterStudy, ...]) -> None:
    """64 bytes for each half of the memory's latency; L2 accesses are zero where none counted."""
    made, _ = profiles(studies, BOARD, suite="toys", data="toys")
    for one in made:
        stall_s = one.core_profiles["cortex-a15"].stall_s
        assert stall_s / 176e-9 * 128 == pytest.approx(one.bytes_per_instruction, rel=1e-3)
        assert 0.0 == one.l2d_per_instruction
        assert one.sources["l2d_per_instruction"].startswith("assumed: nobody counted")


def test_a_core_type_that_nobody_measured_is_scaled_and_says_so(
    studies: tuple[ClusterStudy, ...],
) -> None:
    """Only where it is asked for."""
    plain, _ = profiles(studies, BOARD, suite="toys", data="toys")
    assumed = [AssumedSpeed("little", "big", 1.5, 2.0)]
    scaled, _ = profiles(studies, BOARD, suite="toys", data="toys", assumed=assumed)
    assert {"cortex-a15"} == set(plain[0].core_profiles)
    big, little = (scaled[0].core_profiles[name] for name in ("cortex-a15", "cortex-a7"))
    assert (1.5, 2.0) == pytest.approx(
        (little.cpi / big.cpi, little.stall_s / big.stall_s), rel=1e-3
    )
    assert "assumed: as on cortex-a15, x 1.5" == scaled[0].sources["core_profiles.cortex-a7.cpi"]
    assert scaled[0].sources["core_profiles.cortex-a15.cpi"].startswith("fitted: toys")


def test_the_suites_text_is_read_again_as_it_was(studies: tuple[ClusterStudy, ...]) -> None:
    """Sources that all share stand once, at its top."""
    assumed = [AssumedSpeed("little", "big", 1.5, 2.0)]
    made, _ = profiles(studies, BOARD, suite="toys", data='"toys"', assumed=assumed)
    text = suite_text(made, head=["Toys."])
    assert text.startswith("# Toys.\n")
    assert 1 == text.count("core_profiles.cortex-a15.cpi")
    assert {one.name: one for one in made} == parse_suite(text, origin="toys.toml")


def test_phases_are_written() -> None:
    """A suite of programs that have some reads back as it was."""
    phased = [one for one in shipped_applications().values() if one.phases]
    assert phased
    text = suite_text([replace(one, suite="phased") for one in phased])
    found = parse_suite(text, origin="suite")
    assert [one.phases for one in phased] == [found[one.name].phases for one in phased]
