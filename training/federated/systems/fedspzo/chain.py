"""A network as a chain of stages, whose weights are put in just before a stage runs.

The weights themselves are flat float32 vectors, one per stage, and are never perturbed: `base +
shift * direction` goes into a scratch block as large as the largest stage. So nothing has to be
taken back, nothing drifts, and no second copy of the network exists.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from training.federated.systems.fedspzo.noise import Direction, Noise, Vector

Weights = list[Vector]
"""Weights by stage; what a later stage shares with an earlier one is the earlier's."""


@dataclass(frozen=True)
class Stage:
    """A part of a network, its parameters the module's; `layer` where it counts as a layer."""

    module: nn.Module
    run: Callable[[Any], Any]
    layer: bool = False


class Shift(NamedTuple):
    """A step aside: stages before `boundary` along `low`, the others along `high`."""

    length: float
    boundary: int
    low: Direction
    high: Direction

    def direction(self, stage: int) -> Direction:
        """Along which a stage's own weights go."""
        return self.low if stage < self.boundary else self.high


@dataclass
class _Loan:
    """Weights that a stage shares with an earlier one: where they are there, and in the scratch."""

    owner: int
    there: slice
    here: slice


@dataclass
class _Layout:
    """How a stage's parameters lie in the scratch block: its own first, then the shared ones."""

    own: int = 0
    size: int = 0
    loans: list[_Loan] = field(default_factory=list)
    views: list[tuple[nn.Parameter, Tensor]] = field(default_factory=list)


class Chain:
    """Runs stages on weights that it is handed, as they are or shifted along directions."""

    def __init__(self, stages: Sequence[Stage]) -> None:
        self.stages = tuple(stages)
        homes: dict[int, tuple[int, slice]] = {}
        plans = [_plan(number, stage.module, homes) for number, stage in enumerate(self.stages)]
        self._layouts = [layout for layout, _ in plans]
        self.sizes = tuple(layout.own for layout in self._layouts)
        self.initial = [_gathered(stage.module, homes, n) for n, stage in enumerate(self.stages)]
        self._scratch = np.zeros(max(layout.size for layout in self._layouts), np.float32)
        block = torch.from_numpy(self._scratch)
        for layout, places in plans:
            layout.views = [(p, block[place].view(p.shape)) for p, place in places]
        for stage in self.stages:
            stage.module.requires_grad_(requires_grad=False).eval()

    @property
    def layers(self) -> int:
        """How many stages count as layers."""
        return sum(stage.layer for stage in self.stages)

    @property
    def parameters(self) -> int:
        """How many weights there are, shared ones once."""
        return sum(self.sizes)

    def boundary(self, layers: int) -> int:
        """How many stages a first block has that holds so many layers and what precedes them."""
        seen = [n for n, stage in enumerate(self.stages) if stage.layer]
        return seen[layers - 1] + 1 if layers else seen[0]

    def packed(self, weights: Weights) -> Vector:
        """All weights in one vector, a copy."""
        return np.concatenate(weights)

    def unpacked(self, flat: Vector) -> Weights:
        """Weights by stage out of one vector, copies."""
        ends = np.cumsum(self.sizes)[:-1]
        return [part.astype(np.float32) for part in np.split(flat, ends)]

    @torch.no_grad()
    def run(self, weights: Weights, signal: Any) -> Any:
        """The network's answer, on the weights as they are."""
        for number in range(len(self.stages)):
            self._put(number, weights)
            signal = self.stages[number].run(signal)
        return signal

    @torch.no_grad()
    def run_shifted(self, weights: Weights, signal: Any, shift: Shift, noise: Noise) -> Any:
        """The network's answer a step aside."""
        for number in range(len(self.stages)):
            self._put_shifted(number, weights, shift, shift.length, noise)
            signal = self.stages[number].run(signal)
        return signal

    @torch.no_grad()
    def run_pair(
        self,
        weights: Weights,
        pair: tuple[Any, Any],
        shift: Shift,
        noise: Noise,
        span: range,
    ) -> tuple[Any, Any]:
        """What stages make of two inputs: of the first a step forward, of the other a step back.

        They go stage by stage together, so that each part of a direction is needed once.
        """
        forward, back = pair
        for number in span:
            self._put_shifted(number, weights, shift, shift.length, noise)
            forward = self.stages[number].run(forward)
            self._put_shifted(number, weights, shift, -shift.length, noise)
            back = self.stages[number].run(back)
        return forward, back

    def _put(self, number: int, weights: Weights) -> None:
        layout = self._layouts[number]
        self._scratch[: layout.own] = weights[number]
        for loan in layout.loans:
            self._scratch[loan.here] = weights[loan.owner][loan.there]
        _point(layout)

    def _put_shifted(
        self, number: int, weights: Weights, shift: Shift, length: float, noise: Noise
    ) -> None:
        layout = self._layouts[number]
        part = noise.part(shift.direction(number), number, layout.own)
        _shifted(weights[number], length, part, self._scratch[: layout.own])
        for loan in layout.loans:
            whole = noise.part(shift.direction(loan.owner), loan.owner, self.sizes[loan.owner])
            place = self._scratch[loan.here]
            _shifted(weights[loan.owner][loan.there], length, whole[loan.there], place)
        _point(layout)


def _shifted(base: Vector, length: float, part: Vector, out: Vector) -> None:
    np.multiply(part, np.float32(length), out=out)
    np.add(out, base, out=out)


def _point(layout: _Layout) -> None:
    for parameter, view in layout.views:
        parameter.data = view


def _plan(
    number: int, module: nn.Module, homes: dict[int, tuple[int, slice]]
) -> tuple[_Layout, list[tuple[nn.Parameter, slice]]]:
    """A stage's layout, and where each of its parameters lies; `homes` learns who owns what."""
    layout, places = _Layout(), []
    parameters = list(module.parameters())
    for p in (p for p in parameters if id(p) not in homes):
        home = slice(layout.own, layout.own + p.numel())
        homes[id(p)] = (number, home)
        places.append((p, home))
        layout.own = home.stop
    layout.size = layout.own
    for p in (p for p in parameters if homes[id(p)][0] != number):
        owner, there = homes[id(p)]
        here = slice(layout.size, layout.size + p.numel())
        layout.loans.append(_Loan(owner, there, here))
        places.append((p, here))
        layout.size = here.stop
    return layout, places


def _gathered(module: nn.Module, homes: dict[int, tuple[int, slice]], number: int) -> Vector:
    own = [p for p in module.parameters() if homes[id(p)][0] == number]
    flat = [p.detach().numpy().reshape(-1) for p in own]
    return np.concatenate([np.zeros(0, np.float32), *flat]).astype(np.float32)
