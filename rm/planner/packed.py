"""How many cores of a cluster some applications fill at every operating point, and how active."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rm.mapping.demand import MARGIN
from rm.mapping.packing import first_fit
from rm.planner.foreground import Needs

Floats = NDArray[np.float64]
Singles = NDArray[np.float32]
Flags = NDArray[np.bool_]
Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Packed:
    """B sets of applications on one cluster at its O operating points, all arrays (B, O) of float.

    `used` counts the cores, `active` sums their activities, `hottest` is the largest of them.
    `served`: everybody meets its target there.
    """

    used: Singles
    active: Singles
    hottest: Singles
    served: Flags

    def at(self, opps: Ints) -> "Packed":
        """The same at operating points of choice, (B, M)."""
        return Packed(
            self.used.T[opps].T,
            self.active.T[opps].T,
            self.hottest.T[opps].T,
            self.served.T[opps].T,
        )


def packed(needs: Needs, members: Flags, x: int) -> Packed:
    """The sets `members` (B, movable) on cluster x, by first fit, beside the threads that stay."""
    if x in needs.threads:
        return _with_threads(needs, members, x)
    # Arrays are (O, B) inside: the long axis last is several times as fast.
    served, active = needs.demand.served[x], needs.active[x].astype(np.float32)
    bears = np.floor(np.minimum(served / (1.0 + MARGIN), needs.demand.count)).astype(np.float32)
    points = np.arange(served.shape[1])
    inside = np.ascontiguousarray(members.T, dtype=np.float32)
    shape = (len(points), len(members))
    used, room, on_core, of_core, done, hottest, late = np.zeros((7, *shape), dtype=np.float32)
    order = np.argsort(served[: len(inside)], axis=0, kind="stable")
    for k in order:  # k (O,): the most demanding first, which depends on the clock
        member, most = inside[k], bears[k, points, None]
        np.maximum(late, member * (most <= 0.0), out=late)
        fresh = member * (room <= 0.0)
        finished = fresh * of_core / np.maximum(on_core, 1.0)
        done += finished
        np.maximum(hottest, finished, out=hottest)
        used += fresh
        on = 1.0 - fresh
        room *= on
        room += fresh * most - member
        on_core *= on
        on_core += member
        of_core *= on
        of_core += member * active[k, points, None]
    mean = of_core / np.maximum(on_core, 1.0)
    np.maximum(hottest, mean, out=hottest)
    fits: Flags = late.T <= 0.0
    done += mean
    return Packed(used.T, done.T, hottest.T, _allowed(needs, fits, used.T, x))


def grouped(needs: Needs, members: Flags, group: Ints, x: int) -> Packed:
    """Given groups: `members` (B, K) of cluster x, their `group` (B, O, K)."""
    shape, cores = group.shape[:2], len(needs.board.clusters[x].cores)
    active, served = needs.active[x].T, needs.demand.served[x].T
    fits = np.ones(shape, dtype=bool)
    used, total, hottest = np.zeros(shape), np.zeros(shape), np.zeros(shape)
    for number in range(cores):
        inside = members[:, None, :] & (group == number)
        sharers = inside.sum(axis=2)
        mean = (inside * active).sum(axis=2) / np.maximum(sharers, 1)
        fits &= (~inside | (served >= sharers[:, :, None] * (1.0 + MARGIN))).all(axis=2)
        used += sharers > 0
        total += mean
        np.maximum(hottest, mean, out=hottest)
    fits &= (members[:, None, :] & (group >= cores)).sum(axis=2) == 0
    single = np.float32
    return Packed(
        used.astype(single),
        total.astype(single),
        hottest.astype(single),
        _allowed(needs, fits, used, x),
    )


def groups_at(needs: Needs, members: Flags, x: int) -> tuple[Flags, Ints]:
    """Who is on cluster x (B, K), the threads that stay included, and their groups (B, O, K).

    Threads go to the cores with fewest applications in turn, as the kernel puts them.
    """
    used, group, _ = first_fit(needs.demand.first(needs.movable), members, x)
    cores = np.arange(len(needs.board.clusters[x].cores))
    staying = np.array([cluster == x for cluster in needs.threads], dtype=bool)
    everybody = np.column_stack([members, np.tile(staying, (len(members), 1))]).astype(bool)
    for stays in staying:
        own = everybody[:, None, : group.shape[2]] & True
        load = ((group[:, :, :, None] == cores) & own[:, :, :, None]).sum(axis=2)
        least = load.argmin(axis=2) if stays else np.zeros(used.shape, dtype=np.int64)
        group = np.concatenate([group, least[:, :, None]], axis=2)
    return everybody, group


def _with_threads(needs: Needs, members: Flags, x: int) -> Packed:
    everybody, group = groups_at(needs, members, x)
    return grouped(needs, everybody, group, x)


def _allowed(needs: Needs, fits: Flags, used: Floats | Singles, x: int) -> Flags:
    """Everybody is served, on cores that there are, at a point that may be set."""
    points = np.arange(fits.shape[1])
    may = (points >= needs.lowest[x]) & (points <= needs.highest[x])
    allowed: Flags = fits & (used <= len(needs.board.clusters[x].cores)) & may
    return allowed
