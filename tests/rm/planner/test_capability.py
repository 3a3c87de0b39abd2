"""Capabilities: what is checked of them, and what the board's models make of a training."""

import msgspec
import numpy as np
import pytest
from msgspec.structs import replace

from platforms.accelerator_model import accelerator_point
from platforms.board_file import load_board
from platforms.errors import InvalidInput
from platforms.training_point import core_point
from platforms.training_work import Efficiency, load_training
from rm.planner.capability import Capability, Place, Setting, check_capability, modelled_capability
from rm.planner.mode_table import mode_table

HIKEY, NANO = load_board("hikey970"), load_board("jetson-nano")
TINY = load_training("tiny-4")


def small(**changes: object) -> Capability:
    """Two settings at two places of the HiKey 970, with changes."""
    table = ((0.1, 0.2), (0.05, 0.1))
    given = Capability(
        settings=(
            Setting(knobs={"batch": 4.0}, memory_bytes=100),
            Setting(knobs={"batch": 16.0}, memory_bytes=200, samples_factor=1.5),
        ),
        places=(
            Place(unit="big", cores=2, freq_hz=HIKEY.clusters[1].freqs_hz[-1]),
            Place(unit="little", cores=1, freq_hz=HIKEY.clusters[0].freqs_hz[0]),
        ),
        sample_s=table,
        peak_w=((2.0, 1.0), (3.0, 1.5)),
        mean_w=((1.0, 0.5), (2.0, 1.0)),
        bytes_per_sample=(1e6, 5e5),
        curve=None,
        origin="measured",
    )
    return replace(given, **changes)


def test_a_capability_of_the_board_passes_the_check_and_travels_as_json() -> None:
    """Nothing is lost on the way."""
    check_capability(HIKEY, small())
    modelled = modelled_capability(NANO, TINY.works, TINY.curve)
    check_capability(NANO, modelled)
    assert modelled == msgspec.json.decode(msgspec.json.encode(modelled), type=Capability)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"settings": ()}, "settings must hold at least one"),
        ({"sample_s": ((0.1,), (0.1,))}, "sample_s must have 2 rows"),
        ({"sample_s": ((0.1, 0.0), (0.1, 0.1))}, r"sample_s\[0\]\[1\] must be positive"),
        ({"peak_w": ((2.0, 1.0), (1.0, 1.5))}, r"peak_w\[1\] must be nowhere below mean_w"),
        ({"bytes_per_sample": (1.0,)}, "bytes_per_sample must have one entry a setting"),
        ({"bytes_per_sample": (1.0, -1.0)}, r"bytes_per_sample\[1\] must be finite"),
        ({"places": (Place(unit="npu0", cores=1, freq_hz=1),) * 2}, "unit must be one of little"),
        ({"sample_s": ((0.1, 1e-300), (0.1, 0.1))}, r"positive and finite, 1e-12 to 1e\+12"),
        ({"bytes_per_sample": (1.0, 1e300)}, r"bytes_per_sample\[1\] must be finite"),
        ({"curve": Efficiency((1,), (1e-9,))}, "curve.samples must be positive and finite"),
        ({"curve": Efficiency((1, 10**400), (1.0, 2.0))}, "curve.batches must be 1000000000 at"),
        (
            {"places": (Place(unit="big", cores=5, freq_hz=682_000_000),) * 2},
            "cores must be 1 to 4 on big",
        ),
        (
            {"places": (Place(unit="big", cores=1, freq_hz=1),) * 2},
            "freq_hz must be a frequency of big",
        ),
        (
            {"places": (Place(unit="big", cores=1, freq_hz=682_000_000),) * 2},
            "places must differ",
        ),
    ],
)
def test_what_cannot_be_is_refused_by_name(changes: dict[str, object], message: str) -> None:
    """Field, requirement and value."""
    with pytest.raises(InvalidInput, match=message):
        check_capability(HIKEY, small(**changes))


def test_a_setting_needs_a_batch() -> None:
    """The curve goes by it."""
    wrong = small(settings=(Setting(knobs={"depth": 1.0}, memory_bytes=1),) * 2)
    with pytest.raises(InvalidInput, match="must hold a batch"):
        check_capability(HIKEY, wrong)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"memory_bytes": 10**400}, "memory_bytes must not be negative, 1125899906842624 at most"),
        (
            {"samples_factor": 1e-300},
            r"samples_factor must be positive and finite, 1e-12 to 1e\+12",
        ),
        ({"knobs": {"batch": 1e300}}, r"knobs must be finite, 1e\+12 at most"),
    ],
)
def test_numbers_that_nobody_can_reckon_with_are_refused(
    changes: dict[str, object], message: str
) -> None:
    """They come from clients: what overflows or divides by zero would stop the governor."""
    first, second = small().settings
    with pytest.raises(InvalidInput, match=message):
        check_capability(HIKEY, small(settings=(first, replace(second, **changes))))


def test_modelled_tables_are_the_models_figures() -> None:
    """Clusters first, then the accelerators that can train."""
    modelled = modelled_capability(NANO, TINY.works, TINY.curve)
    by_place = {(p.unit, p.cores, p.freq_hz): i for i, p in enumerate(modelled.places)}
    cluster, gpu = NANO.clusters[0], NANO.compute_accelerators[0]
    expected = core_point(NANO, TINY.works[3], 0, 5, 2)
    at = by_place[cluster.name, 2, cluster.freqs_hz[5]]
    assert expected.sample_s == modelled.sample_s[3][at]
    assert expected.mean_w == modelled.mean_w[3][at]
    expected = accelerator_point(gpu, TINY.works[2], 4)
    assert expected.peak_w == modelled.peak_w[2][by_place[gpu.name, 0, gpu.freqs_hz[4]]]
    assert len(modelled.places) == 4 * len(cluster.opps) + len(gpu.opps)


def test_modes_are_settings_at_places_with_their_progress() -> None:
    """A sample counts as much less as the goal takes more of them."""
    table = mode_table(HIKEY, small())
    np.testing.assert_array_equal([0, 0, 1, 1], table.setting)
    np.testing.assert_array_equal([1, 0, 1, 0], table.unit)
    np.testing.assert_array_equal([2, 1, 2, 1], table.cores)
    np.testing.assert_array_equal([8, 0, 8, 0], table.opp)
    np.testing.assert_allclose([0.1, 0.2, 0.05, 0.1], table.sample_s)
    np.testing.assert_allclose([10.0, 5.0, 20.0 / 1.5, 10.0 / 1.5], table.progress_per_s)
    assert 4 == len(table)
