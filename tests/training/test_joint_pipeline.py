"""Tests of the training of ilgov from end to end: tiny, but all of it."""

import json
from pathlib import Path

import numpy as np
import onnx
import pytest
from msgspec.structs import replace

from npu_runtime.load import load_policy
from npu_runtime.policy_file import read_policy_file
from platforms.application import CoreProfile
from platforms.application_file import find_applications
from platforms.errors import InvalidInput
from platforms.simulated.simulated_board import SimulatedBoard
from rm.checker import check_policy
from rm.evaluation.workload import WorkloadParameters, draw_workload
from rm.governor import Governor
from rm.mapping.rows import OUTPUTS, table
from rm.policies.ilgov import Ilgov, make
from rm.policies.registry import PolicyContext
from rm.speed_priors import SpeedPriors
from tests.oracle import small_boards
from tests.platforms.programs import COMPUTE, MEMORY, simulated
from tests.training.joint_tasks import HIKEY, QUICK, TINY, hikey_task, silent, trained, written
from traces.schema import board_digest
from training.joint.episodes import NetworkScorer, met
from training.joint.pipeline import Step, draw, train
from training.joint.priors import measured_priors
from training.joint.ship import report, report_path
from training.joint.situations import true_demand
from training.joint.task import task


@pytest.fixture(scope="module")
def policy_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What a quick training writes."""
    return written(QUICK, tmp_path_factory.mktemp("quick") / "policy.onnx")


# --- the same again -------------------------------------------------------------------------------


def test_workers_change_nothing_but_the_time(tmp_path: Path) -> None:
    """Twice with one and once with two: policy and report are the same bytes, DAgger included."""
    for name, workers in (("one", 1), ("again", 1), ("two", 2)):
        written(TINY, tmp_path / name / "policy.onnx", workers=workers)
    for name in ("policy.onnx", "policy.training.json"):
        (content,) = {path.read_bytes() for path in tmp_path.glob(f"*/{name}")}
        assert content


def test_another_seed_is_another_training() -> None:
    """Other situations, other weights."""
    one, other = (trained(replace(TINY, dagger_rounds=0, seed=seed)) for seed in (0, 1))
    assert one.fitted.validation_loss != other.fitted.validation_loss


def test_lists_that_were_drawn_before_give_the_same_training() -> None:
    """An ablation draws once for all that learn from the same situations."""
    options = replace(TINY, dagger_rounds=0)
    lists = draw(hikey_task(), options, workers=1, progress=silent)
    reused = train(hikey_task(), options, workers=1, progress=silent, lists=lists)
    assert trained(options).fitted.validation_loss == reused.fitted.validation_loss


# --- what is done ---------------------------------------------------------------------------------


def test_every_round_adds_the_situations_that_the_policy_met() -> None:
    """And the last round's network is the result; who watches hears of every job."""
    steps: list[Step] = []
    drawn = trained(replace(TINY, dagger_rounds=0))
    result = train(hikey_task(), TINY, workers=1, progress=steps.append)
    assert 2 == len(result.rounds)
    assert result.rounds[-1] is result.fitted
    assert drawn.fitted.validation_loss == result.rounds[0].validation_loss
    assert result.training_lists > drawn.training_lists
    assert len(result.validation) > len(drawn.validation)
    assert ["situations", "fit", "round 1", "fit"] == [
        step.name for step in steps if step.done == step.total
    ]


@pytest.mark.parametrize(
    "changes", [{"labels": "hard"}, {"question": "one"}, {"stall_aware": False}, {"hidden": ()}]
)
def test_every_variant_of_the_ablation_makes_a_policy_that_works(
    changes: dict[str, object], tmp_path: Path
) -> None:
    """And that says of itself what it is."""
    options = replace(TINY, situations=40, **changes)
    path = written(options, tmp_path / "policy.onnx")
    oracle = read_policy_file(path).metadata.oracle
    assert (options.labels, options.question) == (oracle["labels"], oracle["question"])
    assert int(options.stall_aware) == oracle["stall_aware"]
    assert options.alpha_per_k == oracle["alpha_per_k"]
    check_policy(lambda: make(PolicyContext(HIKEY, simulated(), path)), HIKEY, rounds=60)


# --- what comes of it -----------------------------------------------------------------------------


def test_a_quick_training_beats_chance() -> None:
    """On applications that it did not learn from."""
    result = trained(QUICK)
    by_chance = float(np.mean([entry.excess_k.mean() for entry in result.validation]))
    assert result.fitted.quality.mean_excess_k < 0.5 * by_chance


def test_the_policy_keeps_the_contract(policy_path: Path) -> None:
    """On the board that it was made for."""
    check_policy(lambda: make(PolicyContext(HIKEY, simulated(), policy_path)), HIKEY)


def mean_hottest_c(policy: Ilgov, seed: int) -> float:
    """The time mean of the hottest core's temperature over a minute of unseen programs."""
    rng = np.random.default_rng(seed)
    workload = WorkloadParameters(arrivals=5, interarrival_s=5.0)
    jobs = draw_workload(HIKEY, find_applications(["parsec"]), workload, rng)
    board = SimulatedBoard(HIKEY, cooling=HIKEY.cooling_named("passive"), rng=rng, jobs=jobs)
    heats: list[float] = []
    Governor(
        board,
        policy,
        board.clock,
        listener=lambda *_: heats.append(float(board.temperatures_c.max())),
    ).run(60.0)
    return float(np.mean(heats))


def test_the_policy_cools_a_board_on_which_nothing_else_would_move(policy_path: Path) -> None:
    """Unseen programs, unseen cooling; the same policy without its moves is the measure."""
    scorer = make(PolicyContext(HIKEY, simulated(), policy_path))._scorer
    priors = measured_priors(HIKEY, hikey_task().known)
    moving, still = (
        np.mean(
            [
                mean_hottest_c(Ilgov(HIKEY, scorer, priors, gain_per_move_k=gain), seed)
                for seed in (0, 1)
            ]
        )
        for gain in (0.1, np.inf)
    )
    assert moving < still - 0.5


# --- what is written ------------------------------------------------------------------------------


def test_the_file_says_what_it_is_for(policy_path: Path) -> None:
    """Everything that the governor checks before it trusts a policy."""
    metadata = read_policy_file(policy_path).metadata
    assert ("hikey970", "fan", 0) == (metadata.board, metadata.cooling, metadata.seed)
    assert board_digest(HIKEY) == metadata.board_sha256
    assert (table(HIKEY), OUTPUTS) == (metadata.features, metadata.outputs)
    assert "peak" == metadata.oracle["objective"]
    priors = measured_priors(HIKEY, hikey_task().known)
    assert priors == SpeedPriors.of_constants(HIKEY, metadata.constants)


def test_the_report_tells_everything_that_was_set_and_measured(policy_path: Path) -> None:
    """So that the training can be repeated."""
    result = trained(QUICK)
    text = report_path(policy_path).read_text("utf-8")
    assert text.endswith("}\n")
    told = json.loads(text)
    assert told == json.loads(report(result, hikey_task(), QUICK))
    names = {*told["training_applications"], *told["validation_applications"]}
    assert {profile.name for profile in find_applications(["cbench"])} == names
    assert (120, 25) == (told["options"]["situations"], told["options"]["epochs"])
    (fitted,) = told["rounds"]
    assert result.fitted.quality.mean_excess_k == fitted["mean_excess_k"]
    assert len(result.validation) == fitted["validation_lists"]


def test_numpy_torch_and_onnx_score_alike(policy_path: Path) -> None:
    """The policy of an episode is the policy that is shipped."""
    result = trained(QUICK)
    rows = np.concatenate([entry.features for entry in result.validation])
    loaded = load_policy(policy_path, features=table(HIKEY), board="hikey970", outputs=OUTPUTS).run(
        rows
    )
    found = NetworkScorer(result.fitted.weights).run(rows)
    assert (len(rows), 1) == found.shape
    np.testing.assert_allclose(found, loaded, rtol=1e-5, atol=1e-5)


def test_the_graph_holds_nothing_but_what_npus_know(policy_path: Path) -> None:
    """Normalisation, fully connected layers, ReLU."""
    kinds = [node.op_type for node in onnx.load(policy_path).graph.node]
    assert ["Sub", "Div", "Gemm", "Relu", "Gemm"] == kinds


# --- its parts ------------------------------------------------------------------------------------


def test_priors_are_what_the_training_applications_have_in_common() -> None:
    """The median of stalls per cycle on big cores, the geometric mean of the cycles' ratios."""
    third = replace(
        COMPUTE,
        core_profiles={
            "cortex-a53": CoreProfile(cpi=4.0, stall_s=9e-9),
            "cortex-a73": CoreProfile(cpi=0.5, stall_s=1e-10),
        },
    )
    found = measured_priors(HIKEY, [COMPUTE, MEMORY, third])
    assert pytest.approx(2e-10) == found.stall_s_per_cycle
    assert pytest.approx((24.0 ** (1 / 3), 1.0)) == found.cycles


def test_what_was_met_in_an_episode_is_what_was_there() -> None:
    """The truth, for the oracle and for the network; the same dice meet the same."""
    options = replace(TINY, dagger_episode_s=30.0, dagger_every_s=5.0)
    scorer = NetworkScorer(trained(replace(TINY, dagger_rounds=0)).fitted.weights)
    priors = measured_priors(HIKEY, hikey_task().known)
    one, again, other = (
        met(HIKEY, "fan", hikey_task().known, scorer, priors, options, seed=[dice])
        for dice in (7, 7, 8)
    )
    assert 4 <= len(one) <= 6
    assert [situation.wanted for situation in one] == [situation.wanted for situation in again]
    assert one[0].wanted != other[0].wanted
    for situation in one:
        truth = true_demand(HIKEY, situation.wanted, stall_aware=True)
        assert len(situation.wanted) == situation.demand.count
        for x in range(len(HIKEY.clusters)):
            np.testing.assert_array_equal(truth.served[x], situation.demand.served[x])
    ids = [app.id for situation in one for app in situation.wanted]
    assert max(ids) > 0


def test_an_episode_that_runs_away_counts_until_then() -> None:
    """On a board without cooling to speak of, and without protection."""
    board = small_boards.board(np.random.default_rng(0))
    cold = replace(small_boards.COOLING, conductance_w_per_k=0.001, ambient_c=119.0)
    board = replace(board, cooling=(cold,))
    rng = np.random.default_rng(0)
    profiles = [small_boards.profile(f"app{number}", rng) for number in range(3)]
    features = len(table(board))
    weights = {
        "mean": np.zeros(features, np.float32),
        "std": np.ones(features, np.float32),
        "layers.0.weight": np.ones((1, features), np.float32),
        "layers.0.bias": np.zeros(1, np.float32),
    }
    priors = SpeedPriors(stall_s_per_cycle=0.0, cycles=(1.0, 1.0))
    options = replace(TINY, dagger_episode_s=300.0, dagger_every_s=1.0)
    found = met(board, "fan", profiles, NetworkScorer(weights), priors, options, seed=[0])
    assert len(found) < 250


def test_a_task_holds_some_applications_out() -> None:
    """None of both sides; at least one validates, however few there are."""
    whole = hikey_task()
    known, held_out = ({profile.name for profile in side} for side in (whole.known, whole.held_out))
    assert set() == known & held_out
    assert 15 == len(known)
    assert 6 == len(held_out)
    pair = task(HIKEY, "fan", ["bzip2e", "office_rsynth"], seed=0)
    assert (1, 1) == (len(pair.known), len(pair.held_out))
    assert whole == task(HIKEY, "fan", ["cbench"], seed=0)
    assert whole.known != task(HIKEY, "fan", ["cbench"], seed=1).known


@pytest.mark.parametrize(
    ("cooling", "applications", "message"),
    [
        ("ice", ["cbench"], r"--cooling must be a setup that lasts, one of .*fan.* \(got 'ice'\)"),
        ("fan-fails", ["cbench"], r"--cooling must be a setup that lasts, .* \(got 'fan-fails'\)"),
        ("fan", ["bzip2e"], r"--applications must name two or more, as some .* \(got bzip2e\)"),
    ],
)
def test_a_task_that_cannot_be_is_refused(
    cooling: str, applications: list[str], message: str
) -> None:
    """With what there is."""
    with pytest.raises(InvalidInput, match=message):
        task(HIKEY, cooling, applications, seed=0)
