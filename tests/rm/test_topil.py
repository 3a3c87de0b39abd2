"""Tests of TOP-IL's policy: one best move an epoch, to a free core, when it gains something."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from npu_runtime.errors import MissingPolicyFile, WrongFeatures
from platforms.errors import InvalidInput
from platforms.platform import Migration, Observation
from rm.features import rows, table
from rm.mapping.rows import OUTPUTS
from rm.mapping.rows import table as heat_table
from rm.policies.registry import PolicyContext
from rm.policies.topil import LEAST_GAIN, WITHIN, TopIl, make
from tests.platforms.programs import simulated
from tests.rm.policy_files import write_policy
from tests.rm.readings import HIKEY, observation, reading


class _FakeScorer:
    """Gives the scores that a test wants, and keeps the batches that it was asked for."""

    def __init__(self, *scores: list[float]) -> None:
        self.scores = np.array(scores, dtype=np.float32)
        self.batches: list[NDArray[np.float32]] = []

    def run(self, rows: NDArray[np.float32]) -> NDArray[np.float32]:
        self.batches.append(rows)
        return self.scores


def _moves(seen: Observation, *scores: list[float], **options: float) -> tuple[Migration, ...]:
    return TopIl(HIKEY, _FakeScorer(*scores), **options).migrate(seen)


def _scores(present: int, best: int, gain: float) -> list[float]:
    """Scores of 0 but for the present core's 0.2 and the best one's `gain` above that."""
    scores = [0.0] * 8
    scores[present] = 0.2
    scores[best] = 0.2 + gain
    return scores


def test_the_single_move_with_the_largest_gain_is_made() -> None:
    """One migration an epoch, of whoever gains most."""
    seen = observation(reading(7, cores=(4,)), reading(8, cores=(5,)), reading(9, cores=(0,)))
    moves = _moves(seen, _scores(4, 1, 0.3), _scores(5, 2, 0.5), _scores(0, 3, 0.4))
    assert (Migration(8, (2,)),) == moves


def test_gain_is_over_staying_and_not_the_score_itself() -> None:
    """Who sits well already need not move for a good score."""
    content = [0.0, 0.95, 0, 0, 0.9, 0, 0, 0]
    unhappy = [0.0, 0.50, 0, 0, 0, 0.1, 0, 0]
    seen = observation(reading(0, cores=(4,)), reading(1, cores=(5,)))
    assert (Migration(1, (1,)),) == _moves(seen, content, unhappy)


def test_nobody_moves_when_nothing_improves() -> None:
    """A migration costs; staying is free."""
    seen = observation(reading(0, cores=(4,)))
    assert () == _moves(seen, [0.1, 0.1, 0.1, 0.1, 0.2, 0.1, 0.1, 0.1])
    assert () == _moves(seen, [0.2] * 8)


def test_a_gain_below_the_least_is_not_worth_a_move() -> None:
    """The threshold is the policy's, in score units."""
    seen = observation(reading(0, cores=(4,)))
    assert () == _moves(seen, _scores(4, 1, 0.05), least_gain=0.1)
    assert (Migration(0, (1,)),) == _moves(seen, _scores(4, 1, 0.15), least_gain=0.1)


@given(
    st.lists(st.integers(0, 7), min_size=1, max_size=6, unique=True),
    st.sampled_from([0.003, 0.05, 1.0]),
    st.integers(0, 2**32 - 1),
)
def test_a_network_that_is_rounded_chooses_as_the_exact_one(
    cores: list[int], spread: float, seed: int
) -> None:
    """As long as no score is off by more than a quarter of the window."""
    rng = np.random.default_rng(seed)
    seen = observation(*(reading(i, cores=(core,)) for i, core in enumerate(cores)))
    scores = rng.normal(0.0, spread, (len(cores), 8))
    rounded = scores + rng.uniform(-WITHIN / 4, WITHIN / 4, scores.shape)
    exact = _FakeScorer(*scores.tolist())
    alone = TopIl(HIKEY, exact).migrate(seen)
    assert alone == TopIl(HIKEY, _FakeScorer(*rounded.tolist()), exact=exact).migrate(seen)


def test_the_exact_network_is_asked_only_where_a_move_is_near() -> None:
    """Most of the time the accelerator's scores alone say that nobody moves."""
    seen = observation(reading(0, cores=(4,)))
    exact = _FakeScorer(_scores(4, 1, 0.3))
    far, near = LEAST_GAIN - 2 * WITHIN, LEAST_GAIN - WITHIN / 2
    assert () == TopIl(HIKEY, _FakeScorer(_scores(4, 1, far)), exact=exact).migrate(seen)
    assert [] == exact.batches
    assert TopIl(HIKEY, _FakeScorer(_scores(4, 1, near)), exact=exact).migrate(seen)
    assert 1 == len(exact.batches)


@given(
    st.lists(st.integers(0, 7), min_size=1, max_size=8),
    st.integers(0, 2**32 - 1),
)
def test_no_move_ever_goes_to_an_occupied_core(cores: list[int], seed: int) -> None:
    """Whatever the network says."""
    readings = [reading(number, cores=(core,)) for number, core in enumerate(cores)]
    scores = np.random.default_rng(seed).normal(size=(len(cores), 8)).tolist()
    for move in _moves(observation(*readings), *scores):
        assert move.cores[0] not in cores


def test_a_core_with_a_newcomer_is_occupied_before_it_shows_as_busy() -> None:
    """Who came at the end of the window has not used its core yet."""
    seen = observation(
        reading(0, cores=(4,)), reading(1, cores=(0,)), utilisation=(0, 0, 0, 0, 1, 0, 0, 0)
    )
    moves = _moves(seen, [0.9, 0.8, 0, 0, 0.1, 0, 0, 0], [0.5] * 8)
    assert (Migration(0, (1,)),) == moves


def test_the_kernels_housekeeping_does_not_occupy_a_core() -> None:
    """On a real board no core is ever idle to the last digit."""
    idle = (0.03, 0.01, 0.05, 0.02, 1.0, 0.01, 0.02, 0.04)
    seen = observation(reading(0, cores=(4,)), utilisation=idle)
    assert (Migration(0, (2,)),) == _moves(seen, _scores(4, 2, 0.5))


def test_a_core_that_others_keep_busy_is_not_free() -> None:
    """Programs that nobody registered need their cores too."""
    seen = observation(reading(0, cores=(4,)), utilisation=(0, 0, 0.9, 0, 1, 0, 0, 0))
    assert () == _moves(seen, _scores(4, 2, 0.5))


def test_applications_of_several_threads_stay_and_are_not_asked_about() -> None:
    """They have a cluster of their own choice; the network knows one core a program."""
    threaded = reading(0, cores=(0, 1, 2, 3), threads=2)
    single = reading(1, cores=(4,))
    both = observation(threaded, single, utilisation=(1, 1, 0, 0, 1, 0, 0, 0))
    scorer = _FakeScorer(_scores(4, 2, 0.5))
    assert (Migration(1, (2,)),) == TopIl(HIKEY, scorer).migrate(both)
    assert [(1, 21)] == [batch.shape for batch in scorer.batches]
    scorer = _FakeScorer()
    assert () == TopIl(HIKEY, scorer).migrate(observation(threaded))
    assert [] == scorer.batches


def test_all_applications_are_one_batch_with_a_row_each() -> None:
    """One inference an epoch, the rows in the order of the applications."""
    seen = observation(*(reading(n, cores=(n,), target_ips=1e9 + n) for n in range(5)))
    scorer = _FakeScorer(*([[0.0] * 8] * 5))
    TopIl(HIKEY, scorer).migrate(seen)
    (batch,) = scorer.batches
    np.testing.assert_array_equal(rows(HIKEY, seen, seen.applications), batch)


def test_nobody_is_asked_when_nothing_runs() -> None:
    """The NPU sleeps as well."""
    scorer = _FakeScorer()
    assert () == TopIl(HIKEY, scorer).migrate(observation())
    assert [] == scorer.batches


def test_a_full_board_stays_as_it_is() -> None:
    """There is no free core to go to."""
    seen = observation(*(reading(n, cores=(n,)) for n in range(8)))
    assert () == _moves(seen, *np.random.default_rng(0).normal(size=(8, 8)).tolist())


def test_it_scales_by_qos() -> None:
    """The same loop as every policy that knows targets."""
    policy = TopIl(HIKEY, _FakeScorer())
    seen = observation(reading(0, rate_ips=1e8), opp_index=(2, 3))
    assert [(2, 3), (2, 3), (1, 4)] == [policy.scale(seen) for _ in range(3)]


# --- files ----------------------------------------------------------------------------------------


def made(path: Path | None) -> TopIl:
    """The policy of a file."""
    return make(PolicyContext(HIKEY, simulated(), path))


def score(policy: TopIl) -> float:
    """What its network says of a row with a single one in it."""
    (scores,) = policy._scorer.run(np.eye(1, 21, 6, dtype=np.float32))
    return float(scores[0])


def test_the_network_of_a_file_is_used(tmp_path: Path, nothing_shipped: Path) -> None:
    """One with an output per core."""
    path = write_policy(tmp_path / "p.onnx", features=table(HIKEY), outputs=HIKEY.core_names)
    assert 1.0 == score(made(path))


def test_without_a_file_the_shipped_network_is_used(tmp_path: Path, nothing_shipped: Path) -> None:
    """Also where the file given is another policy's: one option serves several policies."""
    shipped = nothing_shipped / "topil-hikey970.onnx"
    write_policy(shipped, features=table(HIKEY), outputs=HIKEY.core_names)
    ilgov = write_policy(tmp_path / "i.onnx", features=heat_table(HIKEY), outputs=OUTPUTS)
    for path in (None, ilgov, Path("toprl-hikey970.npz")):
        assert 1.0 == score(made(path))


def test_where_none_is_shipped_it_says_how_to_make_one(nothing_shipped: Path) -> None:
    """The message says where one comes from."""
    message = (
        r"topil needs a network for the board 'hikey970', and none is shipped: give --policy-file "
        r"policy.onnx \('ilgov train' makes one\), or leave topil out"
    )
    with pytest.raises(InvalidInput, match=message):
        made(None)
    assert [] == list(nothing_shipped.iterdir())


def test_files_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    """By reason."""
    with pytest.raises(MissingPolicyFile, match="no such file"):
        made(tmp_path / "missing.onnx")
    features = table(HIKEY)[:-1]
    with pytest.raises(WrongFeatures, match="features must be 21 in number"):
        made(write_policy(tmp_path / "p.onnx", features=features, outputs=HIKEY.core_names))
