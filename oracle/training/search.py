"""The exhaustive optimum: every division, packing, seat, operating point, place and setting.

Decisions are looked at in the order of how hot they are at least (`bounds`); with their memory
contention solved they have a better bound (`exact`, `warmth.at_least`); then every seating of those
that may still be best. What is left out is left out with proof, to within `TOLERANCE_K`.

The order is the planner's: targets, limits, needed pace, then the least temperature. Where the
targets cannot be met, every application is to be served as well as where they miss least in all
(to within `GIVE`). Where the pace cannot be kept, the mode that would be fastest alone counts as
fastest, of those that keep the limits.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from msgspec.structs import replace as changed
from numpy.typing import NDArray

from oracle.joint import JointSearch
from oracle.training.bounds import Bound, Bounds, Option
from oracle.training.exact import Candidates, Outcomes, outcomes
from oracle.training.facts import Facts, facts
from oracle.training.packings import Packings, mappings, packings
from oracle.training.question import Asked, Decision
from oracle.training.warmth import Seated, Warmth
from oracle.whatif import Wanted, WhatIf
from platforms.errors import InvalidInput

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]
Ints = NDArray[np.int64]

TOLERANCE_K = 0.01
"""No decision is cooler by more than the one that is called best."""

GIVE = 0.005
"""Where targets cannot be met anyhow, training may take so much of everybody's speed."""

AS_COOL_K = 0.02
"""Of seatings that differ by less the one with the fewest moves is taken."""

MOST, MOST_DECISIONS = 8, 6e7
"""So many applications, and packings times operating points: more take too much memory."""

FIRST, CHUNK = 48, 1024
"""Decisions that are worked out together: few at first, as others may be passed over then."""

Modes = Mapping[Option, Flags]
"""By place the settings and operating points that are allowed, (s, o)."""

NOWHERE = Option(-1, 0)


@dataclass(frozen=True)
class TrainingSearch:
    """The search over one board's models."""

    models: WhatIf

    def solve(self, asked: Asked) -> Decision:
        """The best decision. Raises InvalidInput for what it cannot search."""
        self._check(asked)
        found = _Instance(facts(self.models, asked)).best()
        if found is not None:
            return found
        relaxed = _Instance(facts(self.models, self._relaxed(asked))).best()
        if relaxed is None:
            raise InvalidInput("apps must have a steady state on this board (got none)")
        return changed(relaxed, broken=("foreground", *relaxed.broken))

    def takes(self, apps: Sequence[Wanted]) -> bool:
        """Whether it can search with these applications: not too many, of one thread each."""
        if len(apps) > MOST or any(app.threads > 1 for app in apps):
            return False
        clusters = self.models.board.clusters
        sizes = tuple(len(cluster.cores) for cluster in clusters)
        points = math.prod(len(cluster.opps) for cluster in clusters)
        return bool(mappings(len(apps), sizes).shape[1] * points <= MOST_DECISIONS)

    def _check(self, asked: Asked) -> None:
        if not self.takes(asked.apps):
            raise InvalidInput(
                f"apps must be {MOST} at most, fewer on boards of three clusters, with one thread "
                f"each (got {len(asked.apps)} with {[app.threads for app in asked.apps]})"
            )

    def _relaxed(self, asked: Asked) -> Asked:
        """The targets as they are served where they are missed least."""
        models = self.models
        least = JointSearch(models).solve(asked.apps)
        rates = models.rates_ips(asked.apps, least.placement, least.opp_index)
        apps = [
            changed(app, target_ips=min(app.target_ips, rate * (1.0 - GIVE)))
            for app, rate in zip(asked.apps, rates, strict=True)
        ]
        return replace(asked, apps=apps)


class _Instance:
    """One question."""

    def __init__(self, of: Facts) -> None:
        self._facts, self._asked = of, of.asked
        self._warmth = Warmth(of)
        sizes = tuple(int(size) for size in of.board.sizes)
        self._packed: list[Packings] = [packings(of.count, size) for size in sizes]
        self._mapped = mappings(of.count, sizes)
        self._bounds = Bounds(of, self._warmth, self._packed, self._mapped)
        self._shape = tuple(int(points) for points in of.board.points)

    def best(self) -> Decision | None:
        """The best decision that meets all targets, None where none does."""
        asked, limit_c = self._asked, self._asked.temp_c
        late: tuple[str, ...] = ()
        if asked.needed_per_s > 0.0:
            if asked.needed_per_s < math.inf:
                found = self._coolest(self._modes(asked.needed_per_s), limit_c)
                if found is not None:
                    return found
                late = ("deadline",)
            found = self._fastest(limit_c)
            if found is not None:
                return changed(found, broken=late)
        nowhere = {NOWHERE: np.zeros((0, 0), dtype=bool)}
        found = self._coolest(nowhere, limit_c)
        if found is not None:
            return changed(found, broken=late)
        for broken, limit in ((("power",), limit_c), (("temperature",), math.inf)):
            found = self._coolest(nowhere, limit, limit_w=math.inf)
            if found is not None:
                return changed(found, broken=(*broken, *late))
        return None

    # --- modes ----------------------------------------------------------------------------------

    def _modes(self, needed_per_s: float) -> dict[Option, Flags]:
        """The places and modes that are fast enough with the board to themselves."""
        found = {}
        for option, pace in self._paces().items():
            fast = pace >= needed_per_s
            if option.unit >= len(self._shape):
                fast = self._sparing(option.unit - len(self._shape), fast)
            if fast.any():
                found[option] = fast
        return found

    def _sparing(self, accelerator: int, fast: Flags) -> Flags:
        """Without the modes of an accelerator that another one takes no more than, at no peak."""
        kept = np.zeros_like(fast)
        points = [
            (point.mean_w, point.peak_w, int(s), int(o))
            for s, o in np.argwhere(fast)
            for point in [self._facts.point(accelerator, int(o), int(s))]
        ]
        least_peak_w = math.inf
        for _, peak_w, s, o in sorted(points):
            if peak_w < least_peak_w:
                least_peak_w, kept[s, o] = peak_w, True
        return kept

    def _paces(self) -> dict[Option, Floats]:
        """Reference samples/s of every mode alone (s, o); 0 where it does not fit the memory."""
        of, asked = self._facts, self._asked
        worth = np.array([*asked.worth])[:, None]
        memory = np.array([work.memory_bytes for work in asked.works])[:, None]
        fits = memory <= asked.memory_bytes
        paces: dict[Option, Floats] = {}
        for x, size in enumerate(of.board.sizes.tolist()):
            for cores in range(1, size + 1):
                whole_s = of.train_s[:, x, cores, : self._shape[x]] + of.train_pull_s[:, None]
                paces[Option(x, cores)] = fits * cores / whole_s * worth
        for index, accelerator in enumerate(of.models.board.compute_accelerators):
            settings, points = range(len(asked.works)), range(len(accelerator.opps))
            sample_s = [[of.point(index, o, s).sample_s for o in points] for s in settings]
            paces[Option(len(self._shape) + index, 0)] = fits * worth / np.array(sample_s)
        return paces

    def _fastest(self, limit_c: float) -> Decision | None:
        """The decision with the mode that is fastest alone, of those that keep the limits."""
        paces, flat = self._paces(), []
        for option, pace in paces.items():
            bound = self._bounds.at_least(option, pace > 0.0)
            cool = self._cool(option, bound, pace.shape[1], limit_c)
            for s, o in zip(*np.nonzero((pace > 0.0) & cool), strict=True):
                flat.append((-float(pace[s, o]), option, int(s), int(o)))
        for _, option, s, o in sorted(flat):
            only = np.zeros(paces[option].shape, dtype=bool)
            only[s, o] = True
            found = self._coolest({option: only}, limit_c, needed_per_s=0.0)
            if found is not None:
                return found
        return None

    def _cool(self, option: Option, bound: Bound, points: int, limit_c: float) -> Flags:
        """The unit's operating points at which it may keep the limit, as far as bounds tell."""
        numbers = bound.number[bound.least_c <= limit_c]
        if option.unit >= len(self._shape):
            return np.full(points, numbers.size > 0)
        cool = np.zeros(points, dtype=bool)
        cool[np.unravel_index(numbers, self._bounds.shape)[1 + option.unit]] = True
        return cool

    # --- the coolest of some modes ----------------------------------------------------------------

    def _coolest(
        self,
        modes: Modes,
        limit_c: float,
        *,
        limit_w: float | None = None,
        needed_per_s: float | None = None,
    ) -> Decision | None:
        """The coolest decision in these modes that keeps the limits, None where there is none."""
        limit_w = self._asked.power_w if limit_w is None else limit_w
        pace = self._asked.needed_per_s if needed_per_s is None else needed_per_s
        best: Decision | None = None
        if not modes:
            return None
        for part, least_c in self._in_order(modes, limit_c):
            ceiling = limit_c if best is None else best.peak_c - TOLERANCE_K
            if least_c > ceiling:
                break
            better = self._best_of(part.below(ceiling, modes), ceiling, limit_w, pace)
            best = better or best
        return best

    def _in_order(self, modes: Modes, limit_c: float) -> "Iterator[tuple[_Part, float]]":
        """All decisions but for their settings in parts, those that may be coolest first."""
        options = list(modes)
        bounds = [self._bounds.at_least(option, modes[option]) for option in options]
        least_c = np.concatenate([bound.least_c for bound in bounds])
        number = np.concatenate([bound.number for bound in bounds])
        option = np.repeat(np.arange(len(options)), [len(bound.number) for bound in bounds])
        left = np.flatnonzero(least_c <= limit_c)
        size = FIRST
        while left.size:
            if left.size > size:
                left = left[np.argpartition(least_c[left], size)]
            part, left = left[:size], left[size:]
            part = part[np.argsort(least_c[part], kind="stable")]
            found = _Part(self, options, option[part], number[part], least_c[part])
            yield found, float(least_c[part[0]])
            size = CHUNK

    def _best_of(
        self, of: Candidates, ceiling: float, limit_w: float, pace: float
    ) -> Decision | None:
        """The coolest of some decisions below the ceiling."""
        if not len(of):
            return None
        come = outcomes(self._facts, of)
        least_c = self._warmth.at_least(come)
        trains = of.setting >= 0
        good = come.met & (least_c <= ceiling) & (~trains | (come.progress >= pace))
        rows = np.flatnonzero(good)
        best: Decision | None = None
        for row in rows[np.argsort(least_c[rows], kind="stable")].tolist():
            if least_c[row] > ceiling:
                break
            seated = [
                one
                for one in self._warmth.seat(come, row)
                if one.peak_c <= ceiling and one.power_w + come.extra_w[row] <= limit_w
            ]
            if seated:
                best = self._decision(of, come, row, seated)
                ceiling = best.peak_c - TOLERANCE_K
        return best

    def _decision(
        self, of: Candidates, come: Outcomes, row: int, seated: Sequence[Seated]
    ) -> Decision:
        """The coolest seating or one that moves fewer and is as cool."""
        alike = [one for one in seated if one.peak_c <= seated[0].peak_c + AS_COOL_K]
        chosen = min(alike, key=lambda one: self._moves(of, row, one))
        placement, cores = self._cores(of, row, chosen)
        clusters, unit = len(self._shape), int(of.unit[row])
        name = None
        if unit >= clusters:
            name = self._facts.models.board.compute_accelerators[unit - clusters].name
        return Decision(
            placement=placement,
            opp_index=self._opps(of, row),
            setting=int(of.setting[row]) if of.setting[row] >= 0 else None,
            cores=cores,
            accelerator=name,
            accelerator_opp=None if name is None else int(of.point[row]),
            peak_c=chosen.peak_c,
            power_w=chosen.power_w,
            progress=float(come.progress[row]),
        )

    def _opps(self, of: Candidates, row: int) -> tuple[int, ...]:
        """The points decided; a cluster that nobody uses stands at its lowest one."""
        used = {*of.cluster[row].tolist(), int(of.unit[row])}
        return tuple(o if x in used else 0 for x, o in enumerate(of.opps[row].tolist()))

    def _moves(self, of: Candidates, row: int, seated: Seated) -> int:
        placement, cores = self._cores(of, row, seated)
        moved = zip(self._asked.apps, placement, strict=True)
        return sum(app.cores != (core,) for app, core in moved) + len(
            set(cores) - set(self._asked.cores)
        )

    def _cores(
        self, of: Candidates, row: int, seated: Seated
    ) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """The cores of the applications, and those of training."""
        pairs = list(zip(of.cluster[row].tolist(), of.group[row].tolist(), strict=True))
        placement = tuple(seated.core[x][g] for x, g in pairs)
        unit, cores = int(of.unit[row]), int(of.cores[row])
        if not 0 <= unit < len(self._shape):
            return placement, ()
        used = 1 + max((g for x, g in pairs if x == unit), default=-1)
        return placement, tuple(sorted(seated.core[unit][used : used + cores]))

    # --- decisions from their numbers -------------------------------------------------------------

    def candidates(self, option: Option, numbers: Ints, allowed: Flags) -> Candidates:
        """The decisions of these numbers with an option, in each of the settings allowed."""
        at = np.unravel_index(numbers, (self._mapped.shape[1], *self._shape))
        mapping, opps = at[0], np.stack(at[1:], axis=1)
        cluster = np.zeros((len(numbers), self._facts.count), dtype=np.int64)
        group = np.zeros_like(cluster)
        for x, packed in enumerate(self._packed):
            of = packed.group[self._mapped[x, mapping]]
            cluster, group = np.where(of >= 0, x, cluster), np.where(of >= 0, of, group)
        count, clusters = len(numbers), len(self._shape)
        if option.unit < 0:
            rows, point = np.arange(count), np.zeros(count, dtype=np.int64)
            setting = np.full(count, -1)
        elif option.unit < clusters:
            rows, setting = np.nonzero(allowed[:, opps[:, option.unit]].T)
            point = np.zeros(len(rows), dtype=np.int64)
        else:
            each, modes = np.arange(count), np.argwhere(allowed)
            rows = np.repeat(each, len(modes))
            setting, point = np.tile(modes[:, 0], count), np.tile(modes[:, 1], count)
        return Candidates(
            cluster[rows],
            group[rows],
            opps[rows],
            np.full(len(rows), option.unit),
            np.full(len(rows), option.cores),
            point,
            setting,
        )


class _Part:
    """Some decisions by number, of several options, in the order of their least temperatures."""

    def __init__(
        self,
        instance: _Instance,
        options: Sequence[Option],
        option: Ints,
        numbers: Ints,
        least_c: NDArray[np.float32],
    ) -> None:
        self._instance, self._options, self._option = instance, options, option
        self._numbers, self._least_c = numbers, least_c

    def below(self, ceiling: float, modes: Modes) -> Candidates:
        """Those that may be cooler than `ceiling`, in all their settings."""
        cool = self._least_c <= ceiling
        parts = [
            self._instance.candidates(one, self._numbers[cool & (self._option == i)], modes[one])
            for i, one in enumerate(self._options)
        ]
        return Candidates(
            *(
                np.concatenate([getattr(part, name) for part in parts])
                for name in Candidates.__dataclass_fields__
            )
        )
