"""The server's part: a suffix for every device, and one model made of what comes back."""

from collections.abc import Mapping, Sequence

import numpy as np

from training.federated.aggregation import A, Held, rank_of, resized, stems
from training.federated.clock import Turn, settle, turn
from training.federated.cost.memory import peak_bytes
from training.federated.cost.stand_in import factors
from training.federated.cost.traffic import array_bytes
from training.federated.cost.work import Work
from training.federated.exchange import Arrays, Exchange, Order, Reply
from training.federated.fleet import Device, load_fleet
from training.federated.local import accuracy
from training.federated.models.load import load_model, shape_of_name
from training.federated.suffix import Suffix, arrays_of, names_and_shapes, prepare
from training.federated.system import Played, Setup, State
from training.federated.systems.suffix_tuning.load import Load, load_of, work_of
from training.federated.systems.suffix_tuning.models import fill, prepared, pretrained
from training.federated.systems.suffix_tuning.options import TrainingOptions
from training.federated.systems.suffix_tuning.planner import Planner
from training.federated.systems.suffix_tuning.told import Told
from training.federated.tasks.load import load_task


class SuffixServer:
    """Sends each device what it trains and what others trained below that; averages by layer.

    A round is one exchange. What no device has a part in stays as it was before training, so that
    it never travels.
    """

    def __init__(self, setup: Setup, options: TrainingOptions, planner: Planner) -> None:
        """A server before the first round."""
        self.planner = planner
        self._setup, self._options, self._task = setup, options, load_task(setup)
        self._devices = {d.name: d for d in load_fleet(setup.fleet, setup.devices).devices}
        self._whose = (planner.model, setup.models, self._task.classes, setup.seed)
        self._shape = shape_of_name(planner.model, setup.models, self._task.classes)
        self._factors = factors(self._shape, self._task.tokens, setup.stand_in)
        self._arrays: Arrays = first_arrays(self._whose, planner.reach)

    def play(self, round_: int, present: Sequence[Device], exchange: Exchange) -> Played:
        """See Server."""
        orders = self.orders(round_, present)
        return self.absorb(round_, orders, exchange(orders))

    def orders(self, round_: int, present: Sequence[Device]) -> Mapping[str, Order]:
        """See SingleExchange."""
        plan = self.planner.plan(round_, present)
        return {name: self._order(round_, suffix) for name, suffix in plan.items()}

    def _order(self, round_: int, suffix: Suffix) -> Order:
        returns = names_and_shapes(self._shape, suffix)
        told = Told(
            round=round_,
            model=self.planner.model,
            depth=suffix.depth,
            lora=suffix.ranks is not None,
            ranks=list(suffix.ranks or ()),
            steps=self._options.steps,
            batch=self._options.batch,
            learning_rate=self._options.learning_rate,
            optimiser=self._options.optimiser,
        )
        return Order(
            arrays=cut(self._arrays, returns),
            settings=told.settings(),
            returns=returns,
            metrics=("samples", "loss"),
        )

    def absorb(
        self, round_: int, orders: Mapping[str, Order], replies: Mapping[str, Reply]
    ) -> Played:
        """See SingleExchange."""
        held: list[Held] = [(reply.arrays, reply.metrics["samples"]) for reply in replies.values()]
        self._arrays = self.planner.merge(self._arrays, held)
        loads = {name: self._load(order) for name, order in orders.items()}
        turns = {name: self._turn(name, round_, load) for name, load in loads.items()}
        self.planner.hear(
            {name: loads[name] for name in replies}, {name: turns[name] for name in replies}
        )
        return self._played(orders, replies, loads, turns)

    def _played(
        self,
        orders: Mapping[str, Order],
        replies: Mapping[str, Reply],
        loads: Mapping[str, Load],
        turns: Mapping[str, Turn],
    ) -> Played:
        failed = tuple(name for name in orders if name not in replies)
        timing = settle(list(turns.values()), present=list(self._devices.values()), failed=failed)
        losses = [reply.metrics["loss"] for reply in replies.values()]
        suffixes = [Told.from_settings(order.settings).suffix for order in orders.values()]
        return Played(
            time_s=timing.time_s,
            waiting_s=timing.waiting_s,
            energy_j=timing.energy_j,
            up_bytes=sum(load.up_bytes for load in loads.values()),
            down_bytes=sum(load.down_bytes for load in loads.values()),
            flops=sum(load.flops for load in loads.values()),
            peak_bytes=max((peak_bytes(self._work(suffix)) for suffix in suffixes), default=0),
            participants=len(orders),
            failed=failed,
            loss=float(np.mean(losses)) if losses else None,
            notes={
                "turns": len(orders),
                "layers": self._shape.layers,
                "trained_layers": sum(suffix.depth for suffix in suffixes),
                "turn_s": sum(each.total_s for each in turns.values()),
            },
        )

    def _work(self, suffix: Suffix) -> Work:
        return work_of(self._shape, suffix, self._options, self._task.tokens)

    def _load(self, order: Order) -> Load:
        sent = array_bytes({name: array.shape for name, array in order.arrays.items()})
        return load_of(
            self._work(Told.from_settings(order.settings).suffix),
            steps=self._options.steps,
            down_bytes=sent,
        )

    def _turn(self, name: str, round_: int, load: Load) -> Turn:
        return turn(
            self._devices[name],
            flops=load.flops,
            up_bytes=load.up_bytes,
            down_bytes=load.down_bytes,
            round_=round_,
            seed=self._setup.seed,
            factors=self._factors,
        )

    def accuracy(self, split: str) -> float:
        """See Server."""
        model = prepared(*self._whose, Suffix(0))
        fill(model, pretrained(*self._whose), self._arrays)
        return accuracy(model, getattr(self._task, split))

    def state(self) -> State:
        """See Server."""
        return State(arrays=self._arrays, values=self.planner.values())

    def restore(self, state: State) -> None:
        """See Server."""
        self._arrays = dict(state.arrays)
        self.planner.restore(state.values)


def first_arrays(whose: tuple[str, str, int, int], reach: Suffix) -> Arrays:
    """What the reach holds before training: pre-trained layers, or LoRA that adds nothing."""
    return arrays_of(prepare(load_model(*whose), reach, seed=whose[-1]), reach)


def cut(arrays: Arrays, returns: Mapping[str, tuple[int, ...]]) -> Arrays:
    """The global arrays for a device that is to return these: LoRA at the device's rank."""
    ranks = {stem: returns[stem + A][0] for stem in stems(returns)}
    other = {stem: rank for stem, rank in ranks.items() if rank != rank_of(arrays, stem)}
    return resized(arrays, other) if other else arrays
