"""Tests of the contract checker: our own boards keep it, and what breaks it is told."""

from collections.abc import Callable

import pytest
from msgspec.structs import replace

from platforms.application_file import find_applications
from platforms.board import Board
from platforms.board_file import load_board, shipped_boards
from platforms.checker import BrokenContract, check_platform
from platforms.platform import Decision, Observation
from platforms.simulated.simulated_board import SimulatedBoard
from tests.platforms.programs import HIKEY, MEMORY, PHASED, job, simulated

PARSEC = find_applications(["parsec"])


@pytest.mark.parametrize("name", shipped_boards())
def test_every_shipped_board_keeps_the_contract_running_the_same_programs(name: str) -> None:
    """Boards differ in clusters, points and sensors, and are data: no program knows of them."""
    board = load_board(name)
    jobs = [job(i, profile, arrival_s=0.1 * i) for i, profile in enumerate(PARSEC)]
    threaded = job(99, PARSEC[0], threads=3, instructions=1e9)
    platform = simulated(*jobs, threaded, board=board, cooling=board.cooling[0].name)
    check_platform(platform, platform.clock)
    platform.advance_to(10.0)
    check_platform(platform, platform.clock)
    assert len(PARSEC) == len(platform.observe().applications)


@pytest.mark.parametrize("name", shipped_boards())
def test_a_board_that_the_kernel_throttles_keeps_the_contract_too(name: str) -> None:
    """What is asked for above the cap is not a broken promise."""
    board = load_board(name)
    jobs = [job(i, PARSEC[0]) for i in range(board.core_count)]
    assert board.protection is not None
    hot_c = board.protection.target_c + 10.0
    platform = simulated(*jobs, board=board, cooling="passive", start_temp_c=hot_c)
    check_platform(platform, platform.clock)
    assert platform.throttled_s > 0.0


def test_an_idle_board_keeps_the_contract() -> None:
    """Nothing to move is nothing wrong."""
    platform = simulated()
    check_platform(platform, platform.clock)


def test_afterwards_everything_is_as_it_was() -> None:
    """A check on a board in use leaves it in use."""
    platform = simulated(job(0, MEMORY, cores=(5,)), job(1, PHASED, cores=(2,)))
    platform.apply(Decision((), (3, 4)))
    check_platform(platform, platform.clock)
    seen = platform.observe()
    assert (3, 4) == seen.opp_index
    assert [(5,), (2,)] == [app.cores for app in seen.applications]


class _Broken:
    """A simulated board whose observations or decisions are spoiled on their way."""

    def __init__(
        self,
        *,
        seen: Callable[[Observation], object] = lambda observation: observation,
        decided: Callable[[SimulatedBoard, Decision], object] = SimulatedBoard.apply,
    ) -> None:
        self.inner = simulated(job(0, cores=(4,)), job(1, cores=(0, 1), threads=2))
        self._seen = seen
        self._decided = decided

    @property
    def board(self) -> Board:
        return HIKEY

    def observe(self) -> Observation:
        return self._seen(self.inner.observe())  # type: ignore[return-value]

    def apply(self, decision: Decision) -> None:
        self._decided(self.inner, decision)


def _violations(platform: _Broken) -> str:
    with pytest.raises(BrokenContract, match=r"^_Broken breaks \d+ promises:\n- ") as told:
        check_platform(platform, platform.inner.clock)
    assert len(told.value.violations) == str(told.value).count("\n- ")
    return str(told.value)


def _spoiled(**fields: object) -> Callable[[Observation], Observation]:
    return lambda seen: replace(seen, **fields)


def _spoiled_application(**fields: object) -> Callable[[Observation], Observation]:
    def spoil(seen: Observation) -> Observation:
        first, *others = seen.applications
        return replace(seen, applications=(replace(first, **fields), *others))

    return spoil


def _spoiled_sensor(**fields: object) -> Callable[[Observation], Observation]:
    return lambda seen: replace(seen, temperatures=(replace(seen.temperatures[0], **fields),))


NAN = float("nan")


@pytest.mark.parametrize(
    ("seen", "message"),
    [
        (
            _spoiled_application(rate_ips=-1.0),
            "application 0: rate_ips must be finite and not negative (got -1.0)",
        ),
        (
            _spoiled_application(l2d_per_s=NAN),
            "application 0: l2d_per_s must be finite and not negative (got nan)",
        ),
        (
            _spoiled_application(target_ips=0.0),
            "application 0: target_ips must be finite and positive (got 0.0)",
        ),
        (_spoiled_application(cores=(8,)), "application 0: cores must be out of 0 ... 7 (got [8])"),
        (
            _spoiled_application(cores=()),
            "application 0: cores must be one core for one thread (got [])",
        ),
        (_spoiled_application(threads=0), "application 0: threads must be at least 1 (got 0)"),
        (_spoiled_application(id=1), "applications must have an id of their own each (got [1, 1])"),
        (_spoiled(opp_index=(0, 9)), "opp_index of big must be out of 0 ... 8 (got 9)"),
        (_spoiled(opp_index=(0,)), "opp_index must have one entry per cluster, 2 (got [0])"),
        (_spoiled(opp_cap=(6, -1)), "opp_cap of big must be out of 0 ... 8 (got -1)"),
        (_spoiled(opp_cap=(0, 0)), "opp_index of little must not exceed opp_cap = 0 (got 6)"),
        (
            _spoiled(core_utilisation=(1.2,) * 8),
            "core_utilisation of core 0 must lie in 0 ... 1 (got 1.2)",
        ),
        (
            _spoiled(core_utilisation=(1.0,)),
            "core_utilisation must have one entry per core, 8 (got 1)",
        ),
        (
            _spoiled(temperatures=()),
            "temperatures must have one reading of each sensor, ['cls0'] (got [])",
        ),
        (_spoiled_sensor(temp_c=NAN), "temp_c of cls0 must be finite (got nan)"),
        (_spoiled_sensor(age_s=-1.0), "age_s of cls0 must be finite, not negative (got -1.0)"),
        (_spoiled(time_s=NAN), "time_s must be finite (got nan)"),
        (_spoiled(time_s=1.0), "time_s must pass with the clock"),
        (lambda seen: replace(seen, time_s=-seen.time_s), "time_s must not go back"),
        (_spoiled(window_s=-1.0), "window_s must not be negative (got -1.0)"),
        (_spoiled(window_s=2.0), "window_s must be the time since the previous observation"),
        (_spoiled(core_utilisation=[0.0] * 8), "an observation must be immutable"),
        (lambda _: None, "observe at first must give an Observation (got None)"),
        (lambda seen: seen.nothing, "observe at first must not raise (got AttributeError"),
    ],
)
def test_what_is_wrong_about_an_observation_is_told(
    seen: Callable[[Observation], object], message: str
) -> None:
    """Key, requirement and value, in words that say what to repair."""
    assert message in _violations(_Broken(seen=seen))


def _refuses_the_unknown(board: SimulatedBoard, decision: Decision) -> None:
    known = {app.job.id for app in board.running}
    if not {move.application_id for move in decision.migrations} <= known:
        raise KeyError("who?")
    board.apply(decision)


def _swaps_clusters(board: SimulatedBoard, decision: Decision) -> None:
    if decision.opp_index is not None:
        little, big = decision.opp_index
        decision = replace(decision, opp_index=(min(big, 6), little))
    board.apply(decision)


def _moves_everybody(board: SimulatedBoard, decision: Decision) -> None:
    moves = tuple(replace(move, application_id=0) for move in decision.migrations)
    board.apply(replace(decision, migrations=moves))


@pytest.mark.parametrize(
    ("decided", "message"),
    [
        (
            _refuses_the_unknown,
            "apply of a migration of a vanished application must not raise (got KeyError: 'who?')",
        ),
        (
            lambda board, decision: None,
            "after operating points [6, 8] opp_index must be [6, 8] (got [0, 0])",
        ),
        (
            lambda board, decision: None,
            "after a migration of application 0 to core 5 it must be there (got [4])",
        ),
        (_swaps_clusters, "after operating points [0, 8] opp_index must be [0, 8] (got [6, 0])"),
        (
            _moves_everybody,
            "a migration of a vanished application must move no application (moved [0])",
        ),
        (
            lambda board, decision: board.apply(
                replace(decision, opp_index=decision.opp_index or (1, 1))
            ),
            "after an empty decision opp_index must be [0, 8] (got [1, 1])",
        ),
    ],
)
def test_a_decision_that_is_not_carried_out_is_told(
    decided: Callable[[SimulatedBoard, Decision], None], message: str
) -> None:
    """What was asked for, and what came of it."""
    assert message in _violations(_Broken(decided=decided))


def test_a_clock_that_wakes_too_early_is_told() -> None:
    """A governor would run ahead of its period."""
    platform = simulated()

    class Early:
        def now_s(self) -> float:
            return platform.now_s

        def sleep_until(self, time_s: float) -> None:
            platform.advance_to(time_s - 0.02)

    with pytest.raises(BrokenContract, match="sleep_until must return when the time has come"):
        check_platform(platform, Early())


def test_a_clock_that_goes_back_is_told() -> None:
    """Wall clocks are set back at night; a monotonic one never is."""
    platform = simulated()

    class Backwards:
        def now_s(self) -> float:
            return -platform.now_s

        def sleep_until(self, time_s: float) -> None:
            platform.advance_to(platform.now_s + 0.05)

    with pytest.raises(BrokenContract, match="now_s must never go back"):
        check_platform(platform, Backwards())
