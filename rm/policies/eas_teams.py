"""Where the kernel would have an application of several threads, if they must share a cluster.

The kernel moves threads one by one, and may split an application between clusters. A `Migration`
names one cluster: so all threads move if the cluster has room for each, by the rules that the
kernel has for one (`energy_aware`, `load_balance`), and else all stay. On its cluster the
application may use every core; which thread runs on which is the kernel's.
"""

from collections.abc import Sequence

from rm.policies.energy_aware import energy_efficient_core
from rm.policies.energy_model import EnergyModel, PerformanceDomain, fits
from rm.policies.load_balance import NOTABLY_STRONGER
from rm.policies.run_queues import Landscape, Team

Move = tuple[int, tuple[int, ...]]
"""A team's id and the cores that it may use."""


def after(landscape: Landscape, moves: Sequence[tuple[int, int]]) -> Landscape:
    """The landscape when tasks (id, core) have moved: where the teams look for room."""
    core_util, core_threads = list(landscape.core_util), list(landscape.core_threads)
    tasks = {task.id: task for task in landscape.tasks}
    for number, core in moves:
        task = tasks[number]
        for at, sign in ((task.core, -1), (core, 1)):
            core_util[at] += sign * task.util
            core_threads[at] += sign
    return Landscape(landscape.tasks, tuple(core_util), tuple(core_threads), landscape.teams)


def pulled(model: EnergyModel, landscape: Landscape, capacity: Sequence[float]) -> list[Move]:
    """Teams that a cluster with an idle core for every thread pulls, the strongest one first.

    From where its threads share cores, or, to a notably stronger one, from where they do not fit.
    """
    threads = list(landscape.core_threads)
    strongest_first = sorted(model.domains, key=lambda domain: -capacity[domain.cores[0]])
    moves = []
    for team in landscape.teams:
        here = capacity[team.cores[0]]
        crowded = any(threads[core] > 1 for core in team.cores)
        misfit = not all(fits(util, here) for util in team.utils)
        for domain in strongest_first:
            stronger = capacity[domain.cores[0]] > NOTABLY_STRONGER * here
            idle = [core for core in domain.cores if threads[core] == 0]
            roomy = len(idle) >= len(team.cores) and team.cores[0] not in domain.cores
            if roomy and (crowded or (misfit and stronger)):
                for core, there in zip(team.cores, idle, strict=False):
                    threads[core] -= 1
                    threads[there] += 1
                moves.append((team.id, domain.cores))
                break
    return moves


def cheapest(model: EnergyModel, landscape: Landscape, capacity: Sequence[float]) -> list[Move]:
    """Teams that take least energy on another cluster, every thread where it adds least there."""
    core_util = list(landscape.core_util)
    moves = []
    for team in landscape.teams:
        for core, util in zip(team.cores, team.utils, strict=True):
            core_util[core] -= util
        ways = {
            domain.cores: way
            for domain in model.domains
            if (way := _placed(domain, core_util, team, capacity)) is not None
        }
        home = model.domains[model.domain_of_core[team.cores[0]]].cores
        if not ways:
            ways[home] = list(landscape.core_util)
        best = min(ways, key=lambda cores: (_energy(model, ways[cores], capacity), cores != home))
        core_util = ways[best]
        if best != home:
            moves.append((team.id, best))
    return moves


def _placed(
    domain: PerformanceDomain, core_util: Sequence[float], team: Team, capacity: Sequence[float]
) -> list[float] | None:
    """The utilisation with all threads on a domain of several cores; None where one fits not."""
    if len(domain.cores) == 1:
        return None
    alone, util = EnergyModel((domain,)), list(core_util)
    for needs in team.utils:
        core = energy_efficient_core(alone, util, needs, -1, capacity)
        if core < 0:
            return None
        util[core] += needs
    return util


def _energy(model: EnergyModel, core_util: Sequence[float], capacity: Sequence[float]) -> int:
    """What all domains take, in whole microwatts, as the kernel reckons."""
    total = 0.0
    for domain in model.domains:
        utils = [core_util[core] for core in domain.cores]
        allowed = capacity[domain.cores[0]]
        most = min(sum(utils), allowed * len(utils))
        total += domain.energy(max(utils), most, allowed=allowed)
    return round(1e6 * total)
