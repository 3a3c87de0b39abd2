"""Programs with speeds that are easy to reckon with, and a simulated board that runs them."""

import numpy as np
from msgspec.structs import replace

from platforms.application import ApplicationProfile, CoreProfile, Job, Phase
from platforms.board import Board
from platforms.board_file import load_board
from platforms.platform import Decision, Migration
from platforms.simulated.simulated_board import SimulatedBoard

HIKEY = load_board("hikey970")
LITTLE, BIG = 0, 1

COMPUTE = ApplicationProfile(
    name="compute-bound",
    suite="test",
    core_profiles={
        "cortex-a53": CoreProfile(cpi=1.0, stall_s=0.0),
        "cortex-a73": CoreProfile(cpi=0.5, stall_s=0.0),
    },
    activity=0.8,
    l2d_per_instruction=0.01,
    bytes_per_instruction=0.0,
    sources={},
)
"""Runs f instructions/s on a LITTLE core and 2 f on a big one, whatever the others do."""

MEMORY = ApplicationProfile(
    name="memory-bound",
    suite="test",
    core_profiles={
        "cortex-a53": CoreProfile(cpi=1.2, stall_s=1.0e-9),
        "cortex-a73": CoreProfile(cpi=0.8, stall_s=0.7e-9),
    },
    activity=0.6,
    l2d_per_instruction=0.05,
    bytes_per_instruction=1.5,
    sources={},
)
"""Waits for memory most of the time, the longer the more of them run."""

PHASED = replace(
    COMPUTE,
    name="phased",
    phases=(
        Phase(instructions=1.0e9, cpi_scale=0.5, stall_scale=1.0),
        Phase(instructions=2.0e9, cpi_scale=1.25, stall_scale=1.0),
    ),
)
"""Compute-bound; a third of its instructions run 2.5 times as fast as the others."""


def job(number: int = 0, profile: ApplicationProfile = COMPUTE, **fields: object) -> Job:
    """A job with a target that anything meets, unless `fields` say otherwise."""
    return Job(**{"id": number, "profile": profile, "target_ips": 1e6} | fields)  # type: ignore[arg-type]


def simulated(
    *jobs: Job,
    board: Board = HIKEY,
    cooling: str = "fan",
    seed: int = 0,
    start_temp_c: float | None = None,
) -> SimulatedBoard:
    """A board that runs these jobs from time 0."""
    return SimulatedBoard(
        board,
        cooling=board.cooling_named(cooling),
        rng=np.random.default_rng(seed),
        jobs=jobs,
        start_temp_c=start_temp_c,
    )


def single_core_clusters() -> Board:
    """The HiKey 970 cut down to one core of each kind."""
    little, big = HIKEY.clusters
    kept = {"core0": 0, "core4": 1}
    nodes = tuple(
        replace(node, core=kept.get(node.name))
        for node in HIKEY.thermal.nodes
        if node.core is None or node.name in kept
    )
    names = {node.name for node in nodes}
    links = tuple(link for link in HIKEY.thermal.links if set(link.between) <= names)
    return replace(
        HIKEY,
        clusters=(replace(little, cores=(0,)), replace(big, cores=(1,))),
        thermal=replace(HIKEY.thermal, nodes=nodes, links=links),
        sensors=(replace(HIKEY.sensors[0], weights={"core4": 1.0}),),
    )


def move(number: int, *cores: int) -> Decision:
    """Put an application onto these cores."""
    return Decision((Migration(number, cores),))


def opps(*index: int) -> Decision:
    """Ask for these operating points."""
    return Decision((), index)


def done(board: SimulatedBoard, number: int = 0) -> float:
    """The instructions that an application has retired by now, ended or not."""
    (record,) = (record for record in board.records() if record.job.id == number)
    return record.instructions
