"""The server: plans a round, moves it step by step, and takes in what came of it.

A round of split training is `local_steps` + 1 exchanges: bottoms go out and features come in;
gradients go out and the next features come in; with the last gradients the bottoms come back.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from training.federated.dice import dice
from training.federated.exchange import Exchange, Order
from training.federated.fleet import Device
from training.federated.registry import options_of
from training.federated.system import Played, Setup, State
from training.federated.systems.mergesfl.averaging import batch_weighted
from training.federated.systems.mergesfl.costs import LABEL_BYTES, costs_of
from training.federated.systems.mergesfl.ledger import (
    Bill,
    pace_declared,
    pace_seen,
    split_bill,
    timing,
    turns_of,
    whole_bill,
)
from training.federated.systems.mergesfl.methods import method_of
from training.federated.systems.mergesfl.network import (
    BOTTOM,
    TOP,
    Floats,
    Weights,
    accuracy,
    first_weights,
    is_finite,
    part_of,
)
from training.federated.systems.mergesfl.options import Options
from training.federated.systems.mergesfl.plan import Known, Plan, make_plan, needs_labels
from training.federated.systems.mergesfl.regulation import Pace, smoothed
from training.federated.systems.mergesfl.tops import Copies, Merged, Shared, Smashed, Top
from training.federated.systems.mergesfl.wire import (
    begin_order,
    count_order,
    counts_of,
    fit_order,
    last_order,
    next_order,
    smashed_of,
    weights_of,
)
from training.federated.tasks.load import load_task
from training.federated.tasks.task import Task

_TOPS: dict[str, Callable[[Weights, float], Top]] = {
    "merged": Merged,
    "shared": Shared,
    "copies": Copies,
}


@dataclass(frozen=True, kw_only=True)
class Trained:
    """What came of a round: who stayed until its end, the mean loss, the server's updates."""

    stayed: tuple[str, ...]
    loss: float | None
    updates: int


class MergeServer:
    """MergeSFL's server, and that of its baselines."""

    def __init__(self, setup: Setup, task: Task) -> None:
        """A server with fresh weights; InvalidInput where the setup is wrong."""
        self._setup, self._task = setup, task
        self._options = options_of(setup, Options)
        self._method = method_of(setup.method)
        sizes = {
            "inputs": task.test.x.shape[1],
            "hidden": self._options.hidden,
            "classes": task.classes,
        }
        self._weights = first_weights(setup.seed, **sizes)
        self._costs = costs_of(setup.stand_in, **sizes)
        self._counts: dict[str, Floats] = {}
        self._paces: dict[str, Pace] = {}
        self._chosen: dict[str, int] = {}

    def play(self, round_: int, present: Sequence[Device], exchange: Exchange) -> Played:
        """See Server."""
        asked = self._ask_for_labels(present, exchange)
        plan = self._plan(round_, present)
        train = self._fit if self._method.top == "none" else self._split
        trained = train(round_, plan.batches, exchange)
        return self._settle(round_, present, plan, trained, asked)

    def accuracy(self, split: str) -> float:
        """See Server."""
        examples = self._task.test if split == "test" else self._task.validation
        return accuracy(self._weights, examples.x, examples.y)

    def state(self) -> State:
        """See Server."""
        counts = {f"counts/{worker}": array for worker, array in self._counts.items()}
        paces = {w: [pace.compute_s, pace.transfer_s] for w, pace in self._paces.items()}
        return State(
            arrays={**self._weights, **counts},
            values={"paces": paces, "chosen": dict(self._chosen)},
        )

    def restore(self, state: State) -> None:
        """See Server."""
        self._weights = {name: np.array(state.arrays[name]) for name in (*BOTTOM, *TOP)}
        self._counts = {
            name.removeprefix("counts/"): np.array(array)
            for name, array in state.arrays.items()
            if name.startswith("counts/")
        }
        self._paces = {worker: Pace(*pace) for worker, pace in state.values["paces"].items()}
        self._chosen = dict(state.values["chosen"])

    def _ask_for_labels(self, present: Sequence[Device], exchange: Exchange) -> int:
        """Ask those who were not asked before, where labels matter; how many answered."""
        if not needs_labels(self._method.selection):
            return 0
        unknown = [device.name for device in present if device.name not in self._counts]
        if not unknown:
            return 0
        found = counts_of(exchange(dict.fromkeys(unknown, count_order(self._task.classes))))
        self._counts.update(found)
        return len(found)

    def _plan(self, round_: int, present: Sequence[Device]) -> Plan:
        counted = needs_labels(self._method.selection)
        able = [device for device in present if not counted or device.name in self._counts]
        if not able:
            return Plan(batches={})
        known = Known(
            paces={
                device.name: self._paces.get(device.name, pace_declared(device, self._costs))
                for device in able
            },
            chosen=self._chosen,
            counts={device.name: self._counts[device.name] for device in able if counted},
        )
        rng = dice(self._setup.seed, "mergesfl", "selection", round_)
        sample_bytes = self._costs.feature_bytes + LABEL_BYTES
        return make_plan(known, self._method, self._options, round_, rng, sample_bytes)

    def _fit(self, round_: int, batches: Mapping[str, int], exchange: Exchange) -> Trained:
        options = self._options
        orders = {
            worker: fit_order(
                self._weights,
                round_=round_,
                steps=options.local_steps,
                batch=batch,
                rate=options.learning_rate,
            )
            for worker, batch in batches.items()
        }
        replies = exchange(orders)
        if not replies:
            return Trained(stayed=(), loss=None, updates=0)
        models = {worker: weights_of(reply, self._weights) for worker, reply in replies.items()}
        weights = batch_weighted(models, batches)
        if not is_finite(weights):
            return Trained(stayed=(), loss=None, updates=0)
        self._weights = weights
        loss = float(np.mean([reply.metrics["loss"] for reply in replies.values()]))
        return Trained(stayed=tuple(replies), loss=loss, updates=0)

    def _split(self, round_: int, batches: Mapping[str, int], exchange: Exchange) -> Trained:
        """Who is silent once, is out for the round.

        Without anyone left, or where training diverged, nothing is learnt.
        """
        options, classes = self._options, self._task.classes
        top = _TOPS[self._method.top](part_of(self._weights, TOP), options.learning_rate)
        rng = dice(self._setup.seed, "mergesfl", "turns", round_)
        replies = exchange(
            {w: begin_order(self._weights, round_=round_, batch=b) for w, b in batches.items()}
        )
        losses, updates = 0.0, 0
        for step in range(1, options.local_steps + 1):
            smashed = smashed_of(replies, classes)
            if not smashed:
                return Trained(stayed=(), loss=None, updates=updates)
            answer = top.answer(smashed, rng)
            losses, updates = losses + answer.loss, updates + answer.updates
            replies = exchange(self._next_orders(round_, step, smashed, batches, answer.gradients))
        if not replies:
            return Trained(stayed=(), loss=None, updates=updates)
        bottoms = {worker: weights_of(reply, self._weights) for worker, reply in replies.items()}
        stayed = {worker: batches[worker] for worker in replies}
        equal = options.bottom_rate == "by-batch"
        shares = dict.fromkeys(stayed, 1) if equal else stayed
        weights = batch_weighted(bottoms, shares) | top.weights(stayed)
        if not is_finite(weights):
            return Trained(stayed=(), loss=None, updates=updates)
        self._weights = weights
        return Trained(stayed=tuple(stayed), loss=losses / options.local_steps, updates=updates)

    def _next_orders(
        self,
        round_: int,
        step: int,
        smashed: Mapping[str, Smashed],
        batches: Mapping[str, int],
        gradients: Mapping[str, Floats],
    ) -> dict[str, Order]:
        """What comes after a step's gradients: another batch, or the end."""
        orders = {}
        for worker in smashed:
            rate = self._bottom_rate(batches, worker)
            gradient = gradients[worker]
            if step == self._options.local_steps:
                orders[worker] = last_order(
                    self._weights, gradient, round_=round_, step=step, rate=rate
                )
            else:
                orders[worker] = next_order(
                    self._weights,
                    gradient,
                    round_=round_,
                    step=step,
                    batch=batches[worker],
                    rate=rate,
                )
        return orders

    def _bottom_rate(self, batches: Mapping[str, int], worker: str) -> float:
        if self._options.bottom_rate == "equal":
            return self._options.learning_rate
        mean = sum(batches.values()) / len(batches)
        return self._options.learning_rate * batches[worker] / mean

    def _settle(
        self, round_: int, present: Sequence[Device], plan: Plan, trained: Trained, asked: int
    ) -> Played:
        devices = {device.name: device for device in present}
        bills = {worker: self._bill(batch) for worker, batch in plan.batches.items()}
        turns = turns_of(bills, devices, round_=round_, seed=self._setup.seed)
        failed = tuple(worker for worker in bills if worker not in trained.stayed)
        time = timing(
            list(turns.values()),
            bills,
            present,
            failed=failed,
            line_bytes_per_s=self._options.line_bytes_per_s,
        )
        for worker in bills:
            self._chosen[worker] = self._chosen.get(worker, 0) + 1
        if self._method.top != "none":
            for worker in trained.stayed:
                seen = pace_seen(turns[worker], bills[worker], self._costs)
                old = self._paces.get(worker)
                self._paces[worker] = smoothed(old, seen, self._options.smoothing)
        return Played(
            time_s=time.time_s,
            waiting_s=time.waiting_s,
            energy_j=time.energy_j,
            up_bytes=round(sum(bill.up_bytes for bill in bills.values()))
            + asked * self._task.classes * LABEL_BYTES,
            down_bytes=round(sum(bill.down_bytes for bill in bills.values())),
            flops=sum(bill.flops for bill in bills.values()),
            peak_bytes=round(max((bill.peak_bytes for bill in bills.values()), default=0)),
            participants=len(bills),
            failed=failed,
            loss=trained.loss,
            notes=_notes(plan, bills, trained, time.time_s),
        )

    def _bill(self, batch: int) -> Bill:
        make = whole_bill if self._method.top == "none" else split_bill
        return make(self._costs, batch=batch, steps=self._options.local_steps)


def _notes(
    plan: Plan, bills: Mapping[str, Bill], trained: Trained, time_s: float
) -> dict[str, float]:
    """Sums for the study: `presence_s` is what `waiting_s` is a share of."""
    notes = {
        "rounds": 1.0,
        "participants": float(len(bills)),
        "samples": float(sum(bill.samples for bill in bills.values())),
        "server_updates": float(trained.updates),
        "presence_s": time_s * len(trained.stayed),
    }
    if plan.divergence is not None:
        notes["divergence"] = plan.divergence
    return notes


def make_server(setup: Setup) -> MergeServer:
    """The server of a setup."""
    return MergeServer(setup, load_task(setup))
