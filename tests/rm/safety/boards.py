"""Boards that run, for tests of what watches them: random loads, random decisions, chosen steps."""

from collections.abc import Callable, Iterator

import numpy as np
from msgspec.structs import replace

from platforms.application import Job
from platforms.application_file import find_applications
from platforms.board import Board
from platforms.board_file import load_board
from platforms.platform import Decision, Migration, Observation, TemperatureReading
from platforms.simulated.equilibrium import ThermalRunaway
from platforms.simulated.simulated_board import SimulatedBoard

BOARDS = {name: load_board(name) for name in ("hikey970", "hikey960", "rk3588")}
PROFILES = find_applications(["parsec", "cbench"])
PERIOD_S = 0.05


def with_temperatures(observation: Observation, *temps_c: float, age_s: float = 0.0) -> Observation:
    """An observation in which the sensors show these; one value stands for all of them."""
    readings = observation.temperatures
    shown = temps_c * len(readings) if len(temps_c) == 1 else temps_c
    pairs = zip(readings, shown, strict=True)
    return replace(
        observation,
        temperatures=tuple(TemperatureReading(r.sensor, temp_c, age_s) for r, temp_c in pairs),
    )


def random_run(seed: int, *, seconds: float, board: Board | None = None) -> Iterator[Observation]:
    """A board that somebody drives blindly: jobs come and go, clocks and cores change at random.

    Boards, cooling (fans that fail included) and the warmth at the start are random too.
    """
    rng = np.random.default_rng(seed)
    board = board or BOARDS[sorted(BOARDS)[seed % len(BOARDS)]]
    jobs = [
        Job(
            id=number,
            profile=PROFILES[rng.integers(len(PROFILES))],
            arrival_s=float(rng.uniform(0.0, seconds)),
            target_ips=1e9,
            instructions=float(rng.uniform(1e9, 2e11)),
        )
        for number in range(rng.integers(1, 30))
    ]
    simulated = SimulatedBoard(
        board,
        cooling=board.cooling[rng.integers(len(board.cooling))],
        rng=rng,
        jobs=jobs,
        start_temp_c=float(rng.uniform(20.0, 80.0)),
        run_s=seconds,
    )
    next_change_s = 0.0
    try:
        for observation in _observations(simulated, seconds):
            yield observation
            if observation.time_s >= next_change_s:
                next_change_s += float(rng.choice([0.05, 0.5, 2.0, 10.0, 40.0]))
                simulated.apply(_random_decision(board, observation, rng))
    except ThermalRunaway:
        return  # nobody protects this board


def _random_decision(board: Board, observation: Observation, rng: np.random.Generator) -> Decision:
    movable = [app for app in observation.applications if app.threads == 1]
    return Decision(
        tuple(
            Migration(app.id, (int(rng.integers(board.core_count)),))
            for app in movable
            if rng.random() < 0.3
        ),
        tuple(int(rng.integers(0, top + 1)) for top in board.highest_opps),
    )


def _observations(simulated: SimulatedBoard, seconds: float) -> Iterator[Observation]:
    for number in range(1, round(seconds / PERIOD_S) + 1):
        simulated.advance_to(number * PERIOD_S)
        yield simulated.observe()


def step_run(
    board: Board,
    *,
    cooling: str = "passive",
    before: tuple[int, tuple[int, ...]],
    after: tuple[int, tuple[int, ...]],
    at_s: float,
    seconds: float,
) -> Iterator[Observation]:
    """Applications without end, and operating points, ``(applications, opp_index)``, until `at_s`.

    Then others: more of them, at other operating points.
    """
    count = max(before[0], after[0])
    jobs = [
        Job(
            id=number,
            profile=PROFILES[0],
            arrival_s=0.0 if number < before[0] else at_s,
            target_ips=1e9,
            instructions=1e15,
        )
        for number in range(count)
    ]
    simulated = SimulatedBoard(
        board, cooling=board.cooling_named(cooling), rng=np.random.default_rng(0), jobs=jobs
    )
    simulated.apply(Decision((), before[1]))
    for observation in _observations(simulated, seconds):
        yield observation
        if observation.time_s >= at_s:
            simulated.apply(Decision((), after[1]))


def frozen_from(
    observations: Iterator[Observation], time_s: float, *, is_frozen: Callable[[str], bool]
) -> Iterator[Observation]:
    """The same run, in which the sensors that `is_frozen` names show one value from `time_s` on."""
    kept: dict[str, float] = {}
    for observation in observations:
        readings = [
            TemperatureReading(reading.sensor, kept[reading.sensor], 0.0)
            if reading.sensor in kept
            else reading
            for reading in observation.temperatures
        ]
        if observation.time_s >= time_s and not kept:
            kept = {r.sensor: r.temp_c for r in readings if is_frozen(r.sensor)}
        yield replace(observation, temperatures=tuple(readings))
