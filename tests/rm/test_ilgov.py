"""Tests of the policy ilgov: all moves at once to a mapping that the network finds cooler."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from npu_runtime.errors import MissingPolicyFile, WrongBoard
from platforms.board import Board
from platforms.board_file import load_board
from platforms.decision_check import decision_problems
from platforms.errors import InvalidInput
from platforms.platform import ApplicationReading, Decision, Migration, Observation
from rm.checker import check_policy
from rm.features import table as topil_table
from rm.governor import Governor
from rm.mapping.rows import OUTPUTS, table
from rm.policies.ilgov import GAIN_PER_MOVE_K, Ilgov, make
from rm.policies.registry import PolicyContext
from rm.speed_priors import SpeedPriors
from tests.oracle.small_boards import board as small_board
from tests.platforms.programs import COMPUTE, MEMORY, job, simulated, single_core_clusters
from tests.rm.policy_files import write_policy
from tests.rm.readings import HIKEY, observation, reading

BOARDS = {
    "hikey970": HIKEY,
    "rk3588": load_board("rk3588"),
    "one cluster": small_board(np.random.default_rng(0), sizes=(4,)),
    "one core": small_board(np.random.default_rng(0), sizes=(1,)),
    "single cores": single_core_clusters(),
}
EQUALLY_FAST = SpeedPriors(stall_s_per_cycle=0.0, cycles=(1.0, 1.0))


def priors(board: Board) -> SpeedPriors:
    """Some."""
    return SpeedPriors(stall_s_per_cycle=0.1e-9, cycles=tuple(2.0 for _ in board.clusters))


class Network:
    """One layer: heat in kelvin per unit of the features whose names hold a text."""

    def __init__(self, heat_k: Mapping[str, float], board: Board = HIKEY) -> None:
        names = [feature.name for feature in table(board)]
        self._weights = np.array(
            [sum(heat for text, heat in heat_k.items() if text in name) for name in names],
            dtype=np.float32,
        )
        self.batches = 0

    def run(self, rows: NDArray[np.float32]) -> NDArray[np.float32]:
        """Heat per row, the same in any batch."""
        self.batches += 1
        heat: NDArray[np.float32] = (rows * self._weights).sum(axis=1, keepdims=True)
        return heat


BIG_IS_HOT = {"cores_of_big": 1.0}
LITTLE_IS_HOT = {"cores_of_little": 1.0}


def policy(heat_k: Mapping[str, float], **options: Any) -> Ilgov:
    """A policy for the reference board."""
    return Ilgov(HIKEY, Network(heat_k), EQUALLY_FAST, **options)


def light(number: int, core: int, **fields: Any) -> ApplicationReading:
    """An application that a tenth of any core serves."""
    sound = {"cores": (core,), "rate_ips": 1e9, "target_ips": 0.02e9}
    return reading(number, **(sound | fields))


# --- moves --------------------------------------------------------------------------------------


def test_all_who_gain_move_in_one_epoch() -> None:
    """TOP-IL would take three."""
    seen = observation(light(0, 4), light(1, 5), light(2, 0), light(3, 6))
    moves = policy(BIG_IS_HOT).migrate(seen)
    assert {0, 1, 3} == {move.application_id for move in moves}
    assert {0} == {HIKEY.cluster_of_core[move.cores[0]] for move in moves}


def test_light_applications_share_a_core_where_a_core_costs() -> None:
    """And who sits there already stays."""
    seen = observation(*(light(number, 4 + number % 4) for number in range(6)))
    moves = policy({"cores_of": 1.0}, question="joint").migrate(seen)
    after = {move.application_id: move.cores[0] for move in moves}
    cores = [after.get(app.id, app.cores[0]) for app in seen.applications]
    assert 1 == len(set(cores))
    stayed = [app for app in seen.applications if app.id not in after]
    assert 2 == len(stayed) if cores[0] in (4, 5) else True


@pytest.mark.parametrize("question", ["joint", "one"])
def test_nobody_moves_where_nothing_gains(question: Literal["joint", "one"]) -> None:
    """A migration costs; staying is free."""
    seen = observation(*(light(number, number) for number in range(8)))
    assert () == policy({}, question=question).migrate(seen)


@pytest.mark.parametrize(("heat_k", "moves"), [(0.9, 0), (1.1, 1)])
def test_each_move_must_gain_its_share(heat_k: float, moves: int) -> None:
    """The promise of a mapping is weighed against the number of its moves."""
    seen = observation(light(0, 4))
    found = policy({"cores_of_big": heat_k * GAIN_PER_MOVE_K}).migrate(seen)
    assert moves == len(found)
    pair = observation(light(0, 4), light(1, 4, target_ips=0.3e9))
    found = policy({"cores_of_big": 2 * heat_k * GAIN_PER_MOVE_K}).migrate(pair)
    assert 2 * moves == len(found)


def test_a_target_is_worth_any_heat() -> None:
    """Two that cannot share a core are parted, though the network would have them together."""
    heavy = [reading(n, cores=(4,), rate_ips=0.5e9, target_ips=0.9e9) for n in (0, 1)]
    moves = policy({"cores_of": 5.0}).migrate(observation(*heavy, opp_index=(6, 8)))
    assert 1 == len(moves)
    assert moves[0].cores != (4,)


def test_what_is_settled_is_not_searched_again_until_something_changes() -> None:
    """A board in a steady state costs next to nothing."""
    network = Network({})
    governed = Ilgov(HIKEY, network, EQUALLY_FAST)
    seen = [light(n, 4 + n) for n in range(3)]
    assert () == governed.migrate(observation(*seen, time_s=1.0))
    batches = network.batches
    assert () == governed.migrate(observation(*seen, time_s=1.5))
    assert 0 < batches == network.batches
    heavier = [light(0, 4, target_ips=0.3e9), *seen[1:]]
    for changed in (heavier, seen[:2], [*seen, light(3, 6)], [light(0, 0), *seen[1:]]):
        governed.migrate(observation(*changed, time_s=2.0))
        assert batches < network.batches
        batches = network.batches


def test_one_question_moves_one_application() -> None:
    """For the comparison with TOP-IL."""
    seen = observation(light(0, 4), light(1, 5), light(2, 6))
    assert 1 == len(policy(BIG_IS_HOT, question="one").migrate(seen))


def test_nobody_is_asked_when_nothing_runs() -> None:
    """The NPU sleeps as well."""
    asked = Network(BIG_IS_HOT)
    assert () == Ilgov(HIKEY, asked, EQUALLY_FAST).migrate(observation())
    assert 0 == asked.batches


def test_who_stands_still_stays_and_the_others_are_judged() -> None:
    """A program that waits for its input must not hold up all decisions."""
    seen = observation(light(0, 4, rate_ips=0.0), light(1, 5))
    assert [1] == [move.application_id for move in policy(BIG_IS_HOT).migrate(seen)]
    assert () == policy(BIG_IS_HOT).migrate(observation(light(0, 4, rate_ips=0.0)))


def test_who_stands_still_keeps_the_clock_of_his_cluster_up() -> None:
    """DVFS gives him all there is, so the others had better go where the clock is low."""
    heat_k = {"_at_1844_mhz": 3.0, "_at_2362_mhz": 3.0}
    still, other = light(0, 0, rate_ips=0.0), light(1, 1)
    assert [1] == [
        move.application_id for move in policy(heat_k).migrate(observation(still, other))
    ]
    assert () == policy(heat_k).migrate(observation(light(0, 0), other))


# --- applications of several threads --------------------------------------------------------------


def several(number: int, *, threads: int, served: float) -> ApplicationReading:
    """On all LITTLE cores, at their highest point, at `served` times its target."""
    return reading(
        number, cores=(0, 1, 2, 3), threads=threads, rate_ips=served * 1e9, target_ips=1e9
    )


TOP = {"opp_index": (6, 8)}


def test_who_would_take_a_core_from_threads_that_need_it_stays_away() -> None:
    """Four threads fill four cores; with cores to spare for them there is room."""
    alone = reading(1, cores=(4,), rate_ips=2e9, target_ips=0.5e9)
    for served, expected in ((1.1, []), (3.0, [1])):
        seen = observation(several(0, threads=4, served=served), alone, **TOP)
        moves = policy(BIG_IS_HOT).migrate(seen)
        assert expected == [move.application_id for move in moves if move.application_id == 1]


def test_the_clock_that_threads_need_is_allowed_for() -> None:
    """Beside threads that keep the cluster at its highest clock a light application is hot."""
    heat_k = {"cores_of_little_at_1844_mhz": 5.0, "cores_of_big": 99.0}
    heat_k["cores_of_big_at_682_mhz"] = -98.0  # and threads that need more are better off here
    for served, expected in ((1.05, [1]), (9.0, [])):
        seen = observation(several(0, threads=2, served=served), light(1, 3), **TOP)
        moves = policy(heat_k).migrate(seen)
        assert expected == [move.application_id for move in moves]


# --- any board, anything that happens -------------------------------------------------------------


@pytest.mark.parametrize("name", BOARDS)
@pytest.mark.parametrize("question", ["joint", "one"])
@pytest.mark.parametrize("stall_aware", [True, False])
def test_it_keeps_the_contract_on_any_board(
    name: str, question: Literal["joint", "one"], stall_aware: bool
) -> None:
    """Arrivals, ends, several threads, applications that stand still, capped points."""
    board = BOARDS[name]
    heat_k = {"cores_of": 1.0, "computing": 0.7, "mhz": 0.1}

    def fresh() -> Ilgov:
        asked = Network(heat_k, board)
        return Ilgov(board, asked, priors(board), question=question, stall_aware=stall_aware)

    check_policy(fresh, board, rounds=200)


@settings(max_examples=25)
@given(st.integers(0, 2**32 - 1), st.sampled_from(["hikey970", "rk3588"]))
def test_sixteen_applications_get_cores_that_are_there(seed: int, name: str) -> None:
    """More than a core each, whatever they ask for and the network says."""
    board, rng = BOARDS[name], np.random.default_rng(seed)
    heat_k = {feature.name: float(rng.normal()) for feature in table(board)}
    seen = observation(
        *(
            reading(
                number,
                cores=(int(rng.integers(board.core_count)),),
                rate_ips=float(10 ** rng.uniform(7, 10)),
                target_ips=float(10 ** rng.uniform(7, 10)),
            )
            for number in range(16)
        ),
        board=board,
    )
    moves = Ilgov(board, Network(heat_k, board), priors(board)).migrate(seen)
    assert len({move.application_id for move in moves}) == len(moves)
    present = {app.id: app.cores for app in seen.applications}
    assert all(present[move.application_id] != move.cores for move in moves)
    threads = dict.fromkeys(range(16), 1)
    assert [] == list(decision_problems(board, threads, Decision(moves, board.lowest_opps)))


def test_what_it_has_seen_of_a_program_counts() -> None:
    """Who turned out slow on LITTLE is not sent there again, whatever programs do in general."""
    board = simulated(job(profile=COMPUTE, target_ips=0.9e9, cores=(0,)))
    hopeful = SpeedPriors(stall_s_per_cycle=0.0, cycles=(0.2, 1.0))
    learnt, fresh = (Ilgov(HIKEY, Network(BIG_IS_HOT), hopeful) for _ in range(2))
    for number in range(12):
        board.advance_to(board.now_s + 0.05)
        board.apply(Decision((), learnt.scale(board.observe())))
        if number in (2, 5, 8):
            board.apply(Decision((Migration(0, (0 if number == 5 else 4,)),)))
    seen = board.observe()
    late = [reading(0, cores=(4,), rate_ips=seen.applications[0].rate_ips, target_ips=2.5e9)]
    asked = observation(*late, opp_index=seen.opp_index, time_s=board.now_s)
    assert () == learnt.migrate(asked)
    assert 1 == len(fresh.migrate(asked))


def governed(heat_k: Mapping[str, float], until_s: float) -> tuple[Governor, list[Observation]]:
    """Three steady programs under the policy, on a simulated board."""
    board = simulated(
        job(0, COMPUTE, target_ips=0.6e9, cores=(4,)),
        job(1, COMPUTE, target_ips=0.5e9, cores=(5,)),
        job(2, MEMORY, target_ips=0.3e9, cores=(6,)),
    )
    seen: list[Observation] = []
    governor = Governor(
        board, policy(heat_k), board.clock, listener=lambda observed, _: seen.append(observed)
    )
    governor.run(until_s)
    return governor, seen


def test_steady_programs_are_moved_once_and_reach_their_targets() -> None:
    """Then nothing is left to gain."""
    early, _ = governed(BIG_IS_HOT, 3.0)
    late, seen = governed(BIG_IS_HOT, 12.0)
    assert early.migrations == late.migrations >= 3
    assert {0} == {HIKEY.cluster_of_core[app.cores[0]] for app in seen[-1].applications}
    for observed in seen[60:]:
        assert all(app.rate_ips >= 0.995 * app.target_ips for app in observed.applications)


# --- files ----------------------------------------------------------------------------------------

Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Write a policy file of ilgov, sound but for the changes."""

    def to_file(name: str = "policy.onnx", **changes: Any) -> Path:
        sound = {
            "features": table(HIKEY),
            "outputs": OUTPUTS,
            "oracle": {"question": "joint", "stall_aware": 1},
            "constants": EQUALLY_FAST.constants(HIKEY),
        }
        return write_policy(tmp_path / name, **(sound | changes))

    return to_file


def made(path: Path | None, board: Board = HIKEY) -> Ilgov:
    """The policy of a file."""
    return make(PolicyContext(board, simulated(), path))


def test_the_policy_of_a_file_decides_as_its_network_says(write: Write) -> None:
    """Here all cores are hot, so all share one."""
    seen = observation(light(0, 4), light(1, 5))
    assert 1 == len(made(write()).migrate(seen))


def test_a_file_says_which_question_it_learnt_and_how_to_scale(write: Write) -> None:
    """A network for single moves is used for single moves."""
    seen = observation(*(light(n, 4 + n, rate_ips=1e9, target_ips=0.1e9) for n in range(4)))
    joint = made(write())
    one = made(write("one.onnx", oracle={"question": "one", "stall_aware": 0}))
    assert 1 == len(one.migrate(seen)) < len(joint.migrate(seen))
    slow = observation(light(0, 4, rate_ips=0.1e9, target_ips=1e9))
    jumps = [[p.scale(slow)[1] for _ in range(4)] for p in (joint, one)]
    assert [[0, 8, 8, 8], [0, 0, 1, 1]] == jumps


def test_without_a_file_the_shipped_one_is_taken(write: Write, nothing_shipped: Path) -> None:
    """Also where the file given is another policy's: one option serves several policies."""
    write().rename(nothing_shipped / "ilgov-hikey970.onnx")
    topil = write("topil.onnx", outputs=HIKEY.core_names, features=topil_table(HIKEY))
    for path in (None, topil, Path("toprl-hikey970.npz")):
        assert 1 == len(made(path).migrate(observation(light(0, 4), light(1, 5))))


def test_where_none_is_shipped_it_says_how_to_make_one(nothing_shipped: Path) -> None:
    """With the command to type."""
    message = (
        r"ilgov needs a network for the board 'hikey970', and none is shipped: make one with "
        r"'ilgov train-ilgov --board hikey970 --out policy.onnx' and give --policy-file"
    )
    with pytest.raises(InvalidInput, match=message):
        made(None)
    assert [] == list(nothing_shipped.iterdir())


def test_files_that_do_not_fit_are_refused(write: Write, tmp_path: Path) -> None:
    """By reason."""
    with pytest.raises(MissingPolicyFile, match="no such file"):
        made(tmp_path / "missing.onnx")
    with pytest.raises(WrongBoard, match="was described otherwise"):
        made(write(board_sha256="cd" * 32))
    with pytest.raises(InvalidInput, match=r"constants of a policy ilgov must be stall_s_per"):
        made(write(constants={}))
