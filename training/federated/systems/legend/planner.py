"""LEGEND's plan, made anew in each round, and those of its baselines."""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from platforms.errors import InvalidInput
from training.federated.aggregation import Held, layerwise, refactorised, resized, stems
from training.federated.clock import Turn
from training.federated.cost.stand_in import Factors, factors
from training.federated.cost.traffic import array_bytes
from training.federated.dice import dice
from training.federated.exchange import Arrays
from training.federated.fleet import Device, load_fleet
from training.federated.models.load import shape_of_name
from training.federated.models.shape import Shape
from training.federated.suffix import Suffix, names_and_shapes
from training.federated.system import Setup
from training.federated.systems.legend.capacity import Capacity, observed, predicted_s, smoothed
from training.federated.systems.legend.configure import choose_depths
from training.federated.systems.legend.methods import COURSES, METHODS, UNEQUAL
from training.federated.systems.legend.options import LegendOptions
from training.federated.systems.legend.ranks import distribute_ranks
from training.federated.systems.legend.spread import spread_ranks
from training.federated.systems.suffix_tuning.load import Load, load_of, work_of
from training.federated.systems.suffix_tuning.planner import Planner, StaticPlanner
from training.federated.tasks.load import load_task


def planner_of(setup: Setup, options: LegendOptions) -> Planner:
    """The planner of a setup's method."""
    if setup.method not in METHODS:
        raise InvalidInput(f"method must be one of {', '.join(METHODS)} (got {setup.method})")
    loads = Loads(setup, options)
    if setup.method in UNEQUAL:
        return UnequalRanks(loads, factorise=setup.method == "hetlora-svd")
    return Depths(loads)


class Loads:
    """What a round asks of a device, by what it trains; and what devices are declared to do."""

    def __init__(self, setup: Setup, options: LegendOptions) -> None:
        """Reads the task, the fleet and the model's shape."""
        task = load_task(setup)
        if not task.model:
            raise InvalidInput("task must be of texts (got one of features); LEGEND trains LoRA")
        self.setup, self.options, self.model = setup, options, task.model
        self.devices = load_fleet(setup.fleet, setup.devices).devices
        self.shape: Shape = shape_of_name(task.model, setup.models, task.classes)
        self.tokens = task.tokens
        self._factors: Factors = factors(self.shape, task.tokens, setup.stand_in)

    def load(self, suffix: Suffix, reach: Suffix) -> Load:
        """A round of training `suffix` by a device that is sent all of `reach`."""
        work = work_of(self.shape, suffix, self.options, self.tokens)
        sent = array_bytes(names_and_shapes(self.shape, reach))
        return load_of(work, steps=self.options.steps, down_bytes=sent)

    def declared(self) -> dict[str, Capacity]:
        """Capacities as the fleet's file has them: the estimates before the first round."""
        return {
            device.name: Capacity(
                compute=self._factors.flops / device.flops_per_s,
                up=self._factors.bytes / device.up_bytes_per_s,
                down=self._factors.bytes / device.down_bytes_per_s,
            )
            for device in self.devices
        }


class Depths:
    """Ranks per layer, the same for all devices, and a depth per device and round."""

    def __init__(self, loads: Loads) -> None:
        """A planner before the first round."""
        setup, options, layers = loads.setup, loads.options, loads.shape.layers
        self.model = loads.model
        self._method, self._seed, self._options = setup.method, setup.seed, options
        self._ranks = distribute_ranks(
            COURSES[setup.method],
            layers=layers,
            budget=options.mean_rank * layers,
            step=options.rank_step,
        )
        self.reach = self._suffix(layers)
        self._loads = [loads.load(self._suffix(k), self.reach) for k in range(1, layers + 1)]
        self._capacities = loads.declared()

    def _suffix(self, depth: int) -> Suffix:
        return Suffix(depth, self._ranks[len(self._ranks) - depth :])

    def plan(self, round_: int, present: Sequence[Device]) -> Mapping[str, Suffix]:
        """See Planner."""
        depths = self._depths(round_, [device.name for device in present])
        return {name: self._suffix(depth) for name, depth in depths.items()}

    def _depths(self, round_: int, present: Sequence[str]) -> dict[str, int]:
        deepest = len(self._ranks)
        if self._method == "uniform":
            return dict.fromkeys(present, deepest)
        if self._method == "drop-slow":
            return dict.fromkeys(self._fastest(present), deepest)
        if self._method == "random-depth":
            return {
                name: int(dice(self._seed, "depth", round_, name).integers(1, deepest + 1))
                for name in present
            }
        times = {name: [self._predicted_s(name, load) for load in self._loads] for name in present}
        return choose_depths(times, waiting_bound=self._options.waiting_bound).depths

    def _fastest(self, present: Sequence[str]) -> list[str]:
        """The fastest share of those present, one at least, in their order."""
        kept = max(1, round(self._options.kept_share * len(present)))
        by_time = sorted(present, key=lambda name: self._predicted_s(name, self._loads[-1]))
        return [name for name in present if name in by_time[:kept]]

    def _predicted_s(self, name: str, load: Load) -> float:
        return predicted_s(self._capacities[name], load)

    def hear(self, loads: Mapping[str, Load], turns: Mapping[str, Turn]) -> None:
        """Smooth the estimates of those that took part."""
        for name, turn in turns.items():
            seen = observed(
                loads[name], compute_s=turn.compute_s, up_s=turn.up_s, down_s=turn.down_s
            )
            self._capacities[name] = smoothed(self._capacities[name], seen, keep=self._options.keep)

    def values(self) -> dict[str, Any]:
        """The estimates."""
        return {"capacities": msgspec.to_builtins(self._capacities)}

    def restore(self, values: Mapping[str, Any]) -> None:
        """See Planner."""
        self._capacities = msgspec.convert(values["capacities"], dict[str, Capacity])

    def merge(self, old: Arrays, held: Sequence[Held]) -> dict[str, Any]:
        """Layer by layer over those who trained it: shapes are equal."""
        return layerwise(old, held, share=self._options.share)


class UnequalRanks(StaticPlanner):
    """HetLoRA: all layers on every device, at a rank of the device's own."""

    def __init__(self, loads: Loads, *, factorise: bool) -> None:
        """Ranks by declared speed; products are averaged and factorised, or factors filled up."""
        options, layers = loads.options, loads.shape.layers
        mean = Suffix(layers, (options.mean_rank,) * layers)
        load = loads.load(mean, mean)
        seconds = {name: predicted_s(each, load) for name, each in loads.declared().items()}
        ranks = spread_ranks(seconds, mean=options.mean_rank, lowest=options.lowest_rank)
        suffixes = {name: Suffix(layers, (rank,) * layers) for name, rank in ranks.items()}
        reach = Suffix(layers, (max(ranks.values()),) * layers)
        super().__init__(loads.model, suffixes, reach, share=options.share)
        self._factorise, self._rank = factorise, max(ranks.values())

    def merge(self, old: Arrays, held: Sequence[Held]) -> dict[str, Any]:
        """Everybody holds every layer, so that nothing of the old model is mixed in."""
        if not held:
            return dict(old)
        ranks = dict.fromkeys(stems(old), self._rank)
        full = [(resized(arrays, ranks), weight) for arrays, weight in held]
        averaged = layerwise(old, full)
        return averaged | refactorised(held, ranks) if self._factorise else averaged
