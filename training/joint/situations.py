"""Situations to learn from: what runs, what is known of it, and what is true."""

from collections.abc import Sequence
from dataclasses import dataclass

import msgspec
import numpy as np
from numpy.typing import NDArray

from oracle.whatif import Wanted
from platforms.application import ApplicationProfile
from platforms.board import Board
from platforms.simulated.variation import related, varied
from rm.mapping.demand import Demand, demand

MOST_APPLICATIONS = 14
LOWEST_TARGET, HIGHEST_TARGET = 0.05, 0.7
"""Targets lie between these shares of an application's best rate."""

DIVERSITY, VARIATION = 0.5, 0.15
"""Spread of the programs around those that are known, and of each around its profile."""


USUAL_ACTIVITY = 0.725
"""In the middle of the range that the application tables allow."""


@dataclass(frozen=True)
class Situation:
    """`wanted` is the truth, present cores included; `demand` what a governor makes of it."""

    wanted: tuple[Wanted, ...]
    demand: Demand


def drawn(
    board: Board,
    profiles: Sequence[ApplicationProfile],
    rng: np.random.Generator,
    *,
    stall_aware: bool = True,
) -> Situation:
    """A situation at random, with exact estimates: one to fourteen applications anywhere."""
    strongest = board.clusters[board.clusters_by_capacity[-1]]
    highest = rng.uniform(2 * LOWEST_TARGET, HIGHEST_TARGET)
    wanted = []
    for number in range(int(rng.integers(1, MOST_APPLICATIONS + 1))):
        program = varied(another(profiles, rng), rng, share=VARIATION)
        best_ips = program.ips(strongest, strongest.freqs_hz[-1])
        target_ips = float(rng.uniform(LOWEST_TARGET, highest) * best_ips)
        phase = int(rng.integers(len(program.cycle)))
        core = int(rng.integers(board.core_count))
        wanted.append(Wanted(number, program, phase, target_ips, 1, (core,)))
    return Situation(tuple(wanted), true_demand(board, wanted, stall_aware=stall_aware))


def another(profiles: Sequence[ApplicationProfile], rng: np.random.Generator) -> ApplicationProfile:
    """A program like one of these at random."""
    program = related(profiles[int(rng.integers(len(profiles)))], rng, share=DIVERSITY)
    return with_usual_activity(program)


def with_usual_activity(profile: ApplicationProfile) -> ApplicationProfile:
    """The program with the activity that one expects.

    No counter shows it. From a dozen programs the network would learn how theirs happens to go with
    what the counters do show; and what is drawn at random is noise in the labels.
    """
    return msgspec.structs.replace(profile, activity=USUAL_ACTIVITY)


def true_demand(board: Board, wanted: Sequence[Wanted], *, stall_aware: bool) -> Demand:
    """The demand of applications whose profiles are known.

    Without `stall_aware` what is known is the speed at every cluster's middle operating point, and
    all of its time is taken for cycles.
    """
    instruction_s: list[NDArray[np.float64]] = []
    per_cycle: list[NDArray[np.float64]] = []
    for cluster in board.clusters:
        cores = [app.profile.on(cluster) for app in wanted]
        phases = [app.profile.cycle[app.phase] for app in wanted]
        pairs = list(zip(cores, phases, strict=True))
        cycles = np.array([core.cpi * phase.cpi_scale for core, phase in pairs])
        stalls = np.array([core.stall_s * phase.stall_scale for core, phase in pairs])
        freqs_hz = np.array(cluster.freqs_hz, dtype=np.float64)
        if not stall_aware:
            middle_hz = freqs_hz[len(freqs_hz) // 2]
            cycles, stalls = cycles + stalls * middle_hz, np.zeros_like(stalls)
        instruction_s.append(cycles[:, None] / freqs_hz + stalls[:, None])
        per_cycle.append(stalls / cycles)
    bytes_ = np.array([app.profile.bytes_per_instruction for app in wanted])
    return demand(
        board,
        instruction_s=instruction_s,
        stall_s_per_cycle=per_cycle,
        l2d_per_instruction=np.array([app.profile.l2d_per_instruction for app in wanted]),
        target_ips=np.array([app.target_ips for app in wanted]),
        memory_s=stall_aware * bytes_ / board.memory.bandwidth_bytes_per_s,
    )
