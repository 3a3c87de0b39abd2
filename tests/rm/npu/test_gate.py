"""Tests of the gate: what is as good passes, what was damaged does not, and by what is told."""

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest

from npu_runtime.backend import Backend
from npu_runtime.convert.half import to_float16
from npu_runtime.convert.int8 import to_int8
from npu_runtime.load import BACKENDS
from npu_runtime.policy_file import PolicyFile, parse_policy_file, read_policy_file
from platforms.board_file import load_board
from platforms.errors import InvalidInput
from platforms.platform import Migration
from rm.npu.calibration_rows import calibration_rows
from rm.npu.closed_loop import governed, paired
from rm.npu.episode import Episode, Lived, live
from rm.npu.gate import MOST_CHANGED_SHARE, MOST_HOTTER_K, judge
from rm.npu.held_out import Tally, compared, together, wilson
from rm.npu.judged import Extent, episodes
from rm.policies.ilgov import Ilgov
from rm.policies.shipped_files import FOLDER
from tests.npu_runtime.convert.networks import random_policy

HIKEY = load_board("hikey970")
SHORT = Extent(seeds=1, duration_s=100.0, coolings=("passive",))
POLICIES = ("ilgov", "topil")

every_policy = pytest.mark.parametrize("policy", POLICIES)


def shipped(policy: str) -> PolicyFile:
    """The trained policy that comes with ilgov."""
    return read_policy_file(FOLDER / f"{policy}-hikey970.onnx")


def read(content: bytes) -> PolicyFile:
    """The file, read as any other."""
    return parse_policy_file(content, path=Path("candidate.onnx"))


def episode(policy: str) -> Episode:
    """A short one of a shipped policy."""
    return episodes(shipped(policy), HIKEY, SHORT)[0]


@pytest.fixture(scope="module")
def rows() -> dict[str, np.ndarray]:
    """What the policies are calibrated on."""
    return {
        policy: calibration_rows(shipped(policy), HIKEY, rows=500, seeds=1, duration_s=200.0)
        for policy in POLICIES
    }


class Altered:
    """A back end whose scores are turned into others."""

    def __init__(self, backend: Backend, factor: float) -> None:
        self._backend = backend
        self._factor = np.float32(factor)

    def __getattr__(self, name: str) -> object:
        return getattr(self._backend, name)

    def run(self, rows: np.ndarray) -> np.ndarray:
        """The altered scores."""
        return self._backend.run(rows) * self._factor


@every_policy
def test_the_policy_itself_changes_nothing_and_passes(policy: str) -> None:
    """Float32 on another back end differs in the last digit: no decision hangs on that here."""
    file = shipped(policy)
    verdict = judge(file, file, board=HIKEY, extent=SHORT, backend="onnxruntime")
    assert (0, 0.0) == (verdict.held_out.changed, verdict.closed_loop.hotter_k)
    assert verdict.passes
    assert 10 < verdict.held_out.decisions <= 200
    assert verdict.held_out.moving > 0


def test_a_damaged_quantisation_is_refused_with_its_table(rows: dict[str, np.ndarray]) -> None:
    """Scales from rows a thousandth as far from the mean as real ones clip nearly everything."""
    file = shipped("topil")
    near = rows["topil"].mean(axis=0) + 1e-3 * (rows["topil"] - rows["topil"].mean(axis=0))
    damaged = read(to_int8(file, near.astype(np.float32)))
    verdict = judge(file, damaged, board=HIKEY, extent=SHORT)
    assert not verdict.passes
    assert verdict.held_out.changed_share > 10 * MOST_CHANGED_SHARE["int8"]
    text = "\n".join(verdict.lines())
    assert "topil-hikey970 in int8" in text
    assert "must be at most 1.0% of those that migrate (got" in text
    document = json.loads(verdict.document())
    assert (False, verdict.held_out.changed) == (
        document["passes"],
        document["held_out"]["changed"],
    )
    assert "changed decisions" in document["failures"][0]


def test_int8_calibrated_on_real_rows_is_better_than_damaged(rows: dict[str, np.ndarray]) -> None:
    """The negative control fails by its damage, not by being int8."""
    file = shipped("topil")
    verdict = judge(file, read(to_int8(file, rows["topil"])), board=HIKEY, extent=SHORT)
    near = rows["topil"].mean(axis=0) + 1e-3 * (rows["topil"] - rows["topil"].mean(axis=0))
    damaged = judge(file, read(to_int8(file, near.astype(np.float32))), board=HIKEY, extent=SHORT)
    assert verdict.held_out.changed < damaged.held_out.changed


@every_policy
def test_the_verdict_is_the_same_however_many_processes_there_are(policy: str) -> None:
    """Who converts elsewhere gets the same answer."""
    file = shipped(policy)
    half = read(to_float16(file))
    extent = dataclasses.replace(SHORT, duration_s=20.0, coolings=("fan", "passive"))
    heard: list[None] = []
    alone = judge(file, half, board=HIKEY, extent=extent, on_done=lambda: heard.append(None))
    assert alone == judge(file, half, board=HIKEY, extent=extent, jobs=2)
    assert (2, "numpy", "float16") == (len(heard), alone.backend, alone.precision)


@every_policy
def test_float32_governs_whatever_the_candidate_says(policy: str) -> None:
    """The candidate wants the opposite of everything; the episode is float32's to the last bit."""
    exact = BACKENDS["numpy"](shipped(policy))
    tally, lived = compared(episode(policy), Altered(exact, -1.0), 1.0)
    assert live(episode(policy), exact, lambda policy, _: policy) == lived
    assert tally.changed > tally.decisions / 2
    assert min(tally.dearer_k) > -0.05
    assert max(tally.dearer_k) > 0.05


@every_policy
def test_the_candidate_governs_where_it_is_to(policy: str) -> None:
    """Its episode is another, and with the same scores the same."""
    exact = BACKENDS["numpy"](shipped(policy))
    lived = live(episode(policy), exact, lambda policy, _: policy)
    assert lived == governed(episode(policy), Altered(exact, 1.0))
    assert lived != governed(episode(policy), Altered(exact, -1.0))


def test_what_ilgov_gives_up_is_the_gain_that_it_promised() -> None:
    """A candidate that moves nothing (all scores equal) loses just the gain of every move."""
    gains: list[float] = []

    class Noting(Ilgov):
        def migrate(self, observation: object) -> tuple[Migration, ...]:
            found = super().migrate(observation)  # type: ignore[arg-type]
            if found and self.last_gain is not None:
                gains.append(self.last_gain)
            return found

    exact = BACKENDS["numpy"](shipped("ilgov"))

    def wrapped(policy: Ilgov, switch: object) -> Ilgov:
        policy.__class__ = Noting
        return policy

    live(episode("ilgov"), exact, wrapped)  # type: ignore[arg-type]
    tally, _ = compared(episode("ilgov"), Altered(exact, 0.0), 2.0)
    assert gains == pytest.approx(tally.dearer_k, abs=1e-4)
    assert len(gains) > 3


class Noisy(Altered):
    """A back end whose scores are off by 0.009 K at most, equally for equal rows."""

    def run(self, rows: np.ndarray) -> np.ndarray:
        """The noisy scores."""
        seed = int(np.abs(rows).sum(dtype=np.float64)) % 2**32
        noise = np.random.default_rng(seed).uniform(-0.009, 0.009, (len(rows), 1))
        return super().run(rows) + noise.astype(np.float32)


def test_ilgov_settles_near_ties_where_float32_is_at_hand() -> None:
    """As beside an accelerator: then no rounding up to a hundredth of a kelvin changes a move."""
    noisy = Noisy(BACKENDS["numpy"](shipped("ilgov")), 1.0)
    busy = dataclasses.replace(episode("ilgov"), seed=506, rate_factor=4.0, duration_s=200.0)
    rounded, _ = compared(busy, noisy, 2.0)
    settled, _ = compared(dataclasses.replace(busy, settled=True), noisy, 2.0)
    assert rounded.changed > 0
    assert 0 == settled.changed
    assert settled.decisions == rounded.decisions


def test_calibration_rows_are_real_ones_and_the_same_every_time(
    rows: dict[str, np.ndarray],
) -> None:
    """Raw features, from the applications and the cooling that the policy was trained with."""
    for policy in POLICIES:
        file = shipped(policy)
        features = file.metadata.features
        again = calibration_rows(file, HIKEY, rows=500, seeds=1, duration_s=200.0)
        assert np.array_equal(rows[policy], again)
        assert (np.float32, len(features)) == (again.dtype, again.shape[1])
        assert 100 < len(again) <= 500
        assert np.all(again >= [feature.low for feature in features])


def test_the_episodes_are_unseen_ones_under_every_cooling() -> None:
    """Other applications than training's, seeds that nothing was tuned on, two arrival rates."""
    found = episodes(shipped("topil"), HIKEY, Extent(seeds=3))
    assert 3 * len(HIKEY.cooling) == len(found)
    assert list(range(500, 500 + len(found))) == [each.seed for each in found]
    assert {setup.name for setup in HIKEY.cooling} == {each.cooling for each in found}
    assert {1.0, 2.0} == {each.rate_factor for each in found}
    assert not any(profile.suite == "cbench" for each in found for profile in each.profiles)


def test_who_judges_what_there_is_not_is_told() -> None:
    """Another board's policy, a cooling setup that the board does not have."""
    file = shipped("topil")
    with pytest.raises(InvalidInput, match=r"cooling must be one of fan, .*got 'ice'"):
        episodes(file, HIKEY, Extent(coolings=("ice",)))
    with pytest.raises(InvalidInput, match="or the cores of the board 'hikey970'"):
        episodes(random_policy(0, (3, 2)), HIKEY, Extent())


def test_shares_come_with_an_interval() -> None:
    """Three changed ones of a thousand could be one in a thousand, or nine."""
    found = together([Tally(400, 50, 3, 1, [0.1, 0.3, 0.2]), Tally(600, 100)])
    assert (2, 1, 1000, 150, 3, 1) == (
        found.episodes,
        found.episodes_changed,
        found.decisions,
        found.moving,
        found.changed,
        found.worse_served,
    )
    assert (0.003, 0.02) == (found.changed_share, found.changed_of_moving_share)
    assert (0.2, 0.3) == (pytest.approx(found.mean_dearer_k), found.worst_dearer_k)
    assert (0.00102, 0.00878) == pytest.approx((found.low_share, found.high_share), abs=2e-5)
    assert wilson(3, 1000) == (found.low_share, found.high_share)


def test_hotter_is_paired_by_episode() -> None:
    """The spread between episodes is none of the candidate's doing."""
    found = paired([Lived(50.0, 9, 1), Lived(80.0, 9, 2)], [Lived(50.1, 9, 1), Lived(80.1, 9, 4)])
    assert 0.1 == pytest.approx(found.hotter_k)
    assert found.high_k == pytest.approx(0.1)
    assert (18, 5, 3) == (found.applications, found.missed, found.missed_exact)
    assert found.hotter_k > MOST_HOTTER_K
