"""Tests of training on an accelerator of the simulated board: pace, heat, clocks, its host."""

import numpy as np
import pytest

from platforms.accelerator_model import accelerator_point
from platforms.board_file import load_board
from platforms.decision_check import IllegalDecision
from platforms.platform import Decision, TrainingGrant
from platforms.simulated.simulated_board import SimulatedBoard
from platforms.simulated.training import SimulatedTraining
from tests.platforms.programs import job
from tests.platforms.training_boards import JOB, WORKS, granted, reading, state, training_board

NANO = load_board("jetson-nano")


def on_gpu(*cores: int, setting: int = 0, job_id: int = 7, opp: int | None = None) -> Decision:
    """Grant the GPU, with these cores of its host, and set its clock."""
    grant = TrainingGrant(job_id, setting, cores, "gm20b")
    return Decision((), None, (grant,), () if opp is None else (opp,))


def test_a_gpu_trains_by_its_model_at_its_operating_point() -> None:
    """Rate and power are the model's; without host cores the CPU sleeps in its idle power."""
    board = training_board(board=NANO)
    idle_w = float(board.power_w.sum())
    board.give_work(7, 1e6)
    for opp in (0, 5, 11):
        board.apply(on_gpu(setting=1, opp=opp))
        point = accelerator_point(NANO.accelerators[0], WORKS[1], opp)
        assert state(board).rate == pytest.approx(1.0 / point.sample_s)
        assert float(board.power_w.sum()) - idle_w == pytest.approx(point.mean_w)
        assert (opp,) == board.observe().accelerator_opp
    assert "gm20b" == reading(board).accelerator
    assert not reading(board).waits


def test_a_gpu_heats_its_own_node() -> None:
    """It is the hottest of the board, and asleep it heats nothing."""
    board = training_board(board=NANO, cooling="passive")
    board.apply(on_gpu(opp=11))
    board.advance_to(50.0)
    cool_c = board.temperatures_c.max()
    board.give_work(7, 1e9)
    board.advance_to(250.0)
    hottest = int(np.argmax(board.temperatures_c))
    assert "gpu" == board.network.names[hottest]
    assert board.temperatures_c.max() > cool_c + 10.0
    assert board.energy_j > 0.0


def test_a_gpus_host_thread_takes_a_core_and_is_slowed_by_others_on_it() -> None:
    """It launches the kernels; half a core launches half as fast."""
    alone, shared = training_board(board=NANO), training_board(job(0, cores=(2,)), board=NANO)
    for board in (alone, shared):
        board.give_work(7, 1e6)
        board.apply(on_gpu(2, 3, setting=1, opp=11))
        board.advance_to(1.0)
    gpu = NANO.accelerators[0]
    for board, share in ((alone, 1.0), (shared, 0.5)):
        point = accelerator_point(gpu, WORKS[1], 11, host_share=share)
        assert state(board).rate == pytest.approx(1.0 / point.sample_s)
    assert (0.0, 0.0, 1.0, 0.0) == alone.observe().core_utilisation


def test_two_jobs_on_one_gpu_take_turns() -> None:
    """Each has half of the time, and the power is between theirs."""
    other = SimulatedTraining(id=8, name="other", works=WORKS)
    board = training_board(training=(JOB, other), board=NANO)
    board.give_work(7, 1e6)
    board.apply(on_gpu())
    alone = state(board).rate
    board.give_work(8, 1e6)
    board.apply(on_gpu(job_id=8))
    assert [alone / 2] * 2 == pytest.approx([state(board).rate, state(board, 8).rate])


def test_a_hot_board_slows_its_gpu_down_too() -> None:
    """The clock that was asked for comes back when it is cool again."""
    board = training_board(board=NANO, cooling="passive")
    board.give_work(7, 1e9)
    board.apply(on_gpu(setting=2, opp=11))
    hot = SimulatedBoard(
        NANO,
        cooling=NANO.cooling_named("passive"),
        rng=np.random.default_rng(0),
        training=(JOB,),
        start_temp_c=110.0,
    )
    hot.give_work(7, 1e9)
    hot.apply(on_gpu(setting=2, opp=11))
    hot.advance_to(2.0)
    assert hot.observe().accelerator_opp[0] < 11
    assert state(hot).rate < state(board).rate
    hot.apply(granted())
    hot.advance_to(600.0)
    assert (11,) == hot.observe().accelerator_opp


@pytest.mark.parametrize(
    ("asked", "problem"),
    [((12,), r"accelerator_opp of gm20b must be out of 0 \.\.\. 11 \(got 12\)"), ((1, 1), "entry")],
)
def test_an_accelerators_clock_that_is_not_there_is_refused(
    asked: tuple[int, ...], problem: str
) -> None:
    """As a cluster's."""
    with pytest.raises(IllegalDecision, match=problem):
        training_board(board=NANO).apply(Decision(accelerator_opp=asked))


def test_an_accelerators_clock_that_is_left_stays() -> None:
    """None leaves it, and so does a decision that says nothing."""
    board = training_board(board=NANO)
    board.apply(Decision(accelerator_opp=(3,)))
    board.apply(Decision(accelerator_opp=(None,)))
    board.apply(Decision((), (1,)))
    assert (3,) == board.observe().accelerator_opp
