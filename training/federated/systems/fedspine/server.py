"""FedSpine's server: choose a ratio and a rank per device, merge what comes back, learn from it."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from msgspec import Struct

from platforms.errors import InvalidInput
from training.federated.aggregation import normalised, resized, stems
from training.federated.clock import Turn, settle, turn
from training.federated.cost.stand_in import factors
from training.federated.exchange import Arrays, Exchange, Order, Reply
from training.federated.fleet import Device
from training.federated.local import accuracy
from training.federated.models.load import shape_of_name
from training.federated.registry import options_of
from training.federated.suffix import arrays_of, prepare
from training.federated.system import Played, Setup, State
from training.federated.systems.fedspine.arms import Arm
from training.federated.systems.fedspine.chooser import Chooser, Seen
from training.federated.systems.fedspine.client import number_in, stages_of
from training.federated.systems.fedspine.factors import put_back
from training.federated.systems.fedspine.importance import Scores, renewed, unknown
from training.federated.systems.fedspine.merge import merge, moved
from training.federated.systems.fedspine.models import base_model, deployed
from training.federated.systems.fedspine.options import METHODS, Options
from training.federated.systems.fedspine.oracle import oracle_values
from training.federated.systems.fedspine.plan import (
    Cost,
    cost_of,
    sent_shapes,
    stages,
    suffix_of,
)
from training.federated.systems.fedspine.structure import (
    CHANNELS,
    HEADS,
    Kept,
    choose_kept,
    kept_of,
)
from training.federated.tasks.load import load_task


class Update(Struct, frozen=True, kw_only=True):
    """A sound reply in full coordinates."""

    arrays: Arrays
    scores: Scores
    samples: float
    seen: Seen


class FedSpineServer:
    """Global LoRA factors, importance of every group, and a chooser; a round is one exchange."""

    def __init__(self, setup: Setup) -> None:
        """A server of one of the system's methods; InvalidInput for another."""
        if setup.method not in METHODS:
            raise InvalidInput(f"method must be one of {', '.join(METHODS)} (got {setup.method})")
        self._setup, self._options = setup, options_of(setup, Options)
        self._task = load_task(setup)
        self._shape = shape_of_name(self._task.model, setup.models, self._task.classes)
        self._factors = factors(self._shape, self._task.tokens, setup.stand_in)
        self._chooser = Chooser(setup.method, self._options, setup.seed)
        self._ratios: dict[str, float] = {}
        self._scores = unknown(self._shape)
        suffix = suffix_of(self._shape, self._options.rank)
        self._arrays: Arrays = arrays_of(prepare(self._base(), suffix, seed=setup.seed), suffix)
        self._deployed: Any = None

    def play(self, round_: int, present: Sequence[Device], exchange: Exchange) -> Played:
        """See Server."""
        self._present = present
        orders = self.orders(round_, present)
        return self.absorb(round_, orders, exchange(orders))

    def orders(self, round_: int, present: Sequence[Device]) -> Mapping[str, Order]:
        """See SingleExchange."""
        self._present = present
        values = self._values(round_, present) if self._chooser.needs_values else {}
        return {
            device.name: self._order(
                device.name,
                round_,
                self._chooser.choose(device.name, round_, values.get(device.name)),
            )
            for device in present
        }

    def _order(self, device: str, round_: int, arm: Arm) -> Order:
        plan = self._stages(device, arm)
        ranks = dict.fromkeys(stems(self._arrays), arm.rank)
        scores = {name: self._scores[name].astype(np.float32) for name in (HEADS, CHANNELS)}
        return Order(
            arrays=resized(self._arrays, ranks) | scores,
            settings={
                "round": round_,
                "rank": arm.rank,
                "ratios": [stage.ratio for stage in plan],
                "steps": [stage.steps for stage in plan],
            },
            returns=sent_shapes(self._shape, arm.rank, plan[-1].ratio),
            metrics=("samples", "loss"),
        )

    def _stages(self, device: str, arm: Arm) -> tuple[Any, ...]:
        options = self._options
        before = self._ratios.get(device, 0.0)
        return stages(before, arm.ratio, steps=options.steps, interval=options.interval)

    def _values(self, round_: int, present: Sequence[Device]) -> dict[str, list[float]]:
        """What the oracle knows: every arm's worth by its true time in this round."""
        grid = self._options.grid
        times = {
            device.name: [
                self._turn(
                    device,
                    self._cost(arm.rank, self._stages(device.name, arm)),
                    round_,
                ).total_s
                for arm in grid.arms()
            ]
            for device in present
        }
        return oracle_values(times, self._options)

    def _cost(self, rank: int, plan: Sequence[Any]) -> Cost:
        return cost_of(self._shape, self._task.tokens, self._options, rank, plan)

    def _turn(self, device: Device, cost: Cost, round_: int) -> Turn:
        return turn(
            device,
            flops=cost.flops,
            up_bytes=cost.up_bytes,
            down_bytes=cost.down_bytes,
            round_=round_,
            seed=self._setup.seed,
            factors=self._factors,
        )

    def absorb(
        self, round_: int, orders: Mapping[str, Order], replies: Mapping[str, Reply]
    ) -> Played:
        """See SingleExchange."""
        devices = {device.name: device for device in self._present}
        costs, turns, updates, arms = {}, {}, {}, {}
        for name, order in orders.items():
            plan, rank = stages_of(order), number_in(order, "rank")
            arms[name] = Arm(plan[-1].ratio, rank)
            costs[name] = self._cost(rank, plan)
            turns[name] = self._turn(devices[name], costs[name], round_)
            if name in replies:
                update = self._update(order, replies[name], turns[name].total_s)
                if update is not None:
                    updates[name] = update
        self._take(updates)
        self._chooser.learn(arms, {name: u.seen for name, u in updates.items()}, round_)
        self._ratios |= {name: arms[name].ratio for name in updates}
        failed = tuple(name for name in orders if name not in updates)
        timing = settle(list(turns.values()), present=self._present, failed=failed)
        return Played(
            time_s=timing.time_s,
            waiting_s=timing.waiting_s,
            energy_j=timing.energy_j,
            up_bytes=round(sum(c.up_bytes for c in costs.values()) * self._factors.bytes),
            down_bytes=round(sum(c.down_bytes for c in costs.values()) * self._factors.bytes),
            flops=sum(c.flops for c in costs.values()) * self._factors.flops,
            peak_bytes=round(
                max((c.peak_bytes for c in costs.values()), default=0) * self._factors.memory
            ),
            participants=len(orders),
            failed=failed,
            loss=_mean_loss(updates),
            notes={
                "ratio": _mean([arm.ratio for arm in arms.values()]),
                "rank": _mean([arm.rank for arm in arms.values()]),
                "turn_s": sum(one.total_s for one in turns.values()),
            },
        )

    def _update(self, order: Order, reply: Reply, time_s: float) -> Update | None:
        """The reply in full coordinates; None where its structure is none."""
        kept = kept_of(reply.arrays, self._shape.heads, self._shape.ffn)
        measured = {name: reply.arrays[name] for name in (HEADS, CHANNELS)}
        if kept is None or any((scores < 0).any() for scores in measured.values()):
            return None
        names = [name for name in order.arrays if name not in measured]
        told = {name: order.arrays[name] for name in names}
        part = {name: reply.arrays[name] for name in names}
        arrays = put_back(part, told, kept, self._shape)
        return Update(
            arrays=arrays,
            scores=renewed(self._scores, _as_shares(measured), kept),
            samples=reply.metrics["samples"],
            seen=Seen(time_s=time_s, loss=reply.metrics["loss"], moved=moved(told, arrays)),
        )

    def _take(self, updates: Mapping[str, Update]) -> None:
        if not updates:
            return
        held = [(update.arrays, update.samples) for update in updates.values()]
        self._arrays = merge(self._options.merge, self._arrays, held)
        weights = normalised([update.samples for update in updates.values()])
        keep = self._options.memory
        for name, old in self._scores.items():
            each = zip(weights, updates.values(), strict=True)
            new = sum(weight * update.scores[name] for weight, update in each)
            self._scores[name] = keep * old + (1 - keep) * new
        self._deployed = None

    def accuracy(self, split: str) -> float:
        """See Server; the model is the one that would be deployed, at the final sparsity."""
        if self._deployed is None:
            self._deployed = deployed(self._base(), self._arrays, self.structure())
        examples = self._task.validation if split == "validation" else self._task.test
        return accuracy(self._deployed, examples)

    def structure(self) -> Kept:
        """What is left of the model that would be deployed."""
        unpruned = self._setup.method == "unpruned"
        return choose_kept(self._scores, 0.0 if unpruned else self._options.final_ratio)

    def state(self) -> State:
        """See Server."""
        return State(
            arrays={**self._arrays, **self._scores},
            values={"ratios": dict(self._ratios), "chooser": self._chooser.state()},
        )

    def restore(self, state: State) -> None:
        """See Server."""
        self._scores = {name: np.array(state.arrays[name]) for name in (HEADS, CHANNELS)}
        self._arrays = {k: np.array(v) for k, v in state.arrays.items() if k not in self._scores}
        self._ratios = dict(state.values["ratios"])
        self._chooser.restore(state.values["chooser"])
        self._deployed = None

    def _base(self) -> Any:
        setup = self._setup
        return base_model(self._task.model, setup.models, self._task.classes, setup.seed)


def _as_shares(measured: Arrays) -> Scores:
    found = {}
    for name, scores in measured.items():
        exact = scores.astype(np.float64)
        total = exact.sum(1, keepdims=True)
        even = np.full_like(exact, 1 / exact.shape[1])
        found[name] = np.divide(exact, total, out=even, where=total > 0)
    return found


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values) if values else 0.0


def _mean_loss(updates: Mapping[str, Update]) -> float | None:
    return _mean([update.seen.loss for update in updates.values()]) if updates else None
