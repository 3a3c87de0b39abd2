"""Tests of whole rounds: server and devices in one process."""

import json
from collections.abc import Mapping

import numpy as np
import pytest

from platforms.errors import InvalidInput
from training.federated.engine.inprocess import InProcess
from training.federated.exchange import Order, Reply
from training.federated.fleet import Device, load_fleet
from training.federated.system import Setup, State
from training.federated.systems.fedspine import SYSTEM
from training.federated.systems.fedspine.client import stages_of
from training.federated.systems.fedspine.options import METHODS
from training.federated.systems.fedspine.plan import cost_of
from training.federated.systems.fedspine.server import FedSpineServer
from training.federated.systems.fedspine.structure import left

DEVICES = 3


def setup(method: str = "fedspine", **options: object) -> Setup:
    """Three devices and a tiny model with drawn weights."""
    return Setup(
        system="fedspine",
        method=method,
        task="labels",
        fleet="classes20",
        devices=DEVICES,
        options={"model": "source-2:random", "steps": 2, "interval": 1, "batch": 4, **options},
    )


def fleet() -> tuple[Device, ...]:
    """The setup's devices."""
    return load_fleet("classes20", DEVICES).devices


def played(server: FedSpineServer, exchange: InProcess, rounds: range) -> FedSpineServer:
    """The server after these rounds, in which nothing went wrong."""
    for round_ in rounds:
        assert () == server.play(round_, fleet(), exchange).failed
    assert [] == exchange.failures
    return server


def same(first: State, second: State) -> bool:
    """Whether two states are equal, bit for bit."""
    equal = (np.array_equal(first.arrays[n], second.arrays[n]) for n in first.arrays)
    return (
        first.arrays.keys() == second.arrays.keys()
        and all(equal)
        and (first.values == second.values)
    )


@pytest.mark.parametrize("method", METHODS)
def test_every_method_plays_and_changes_its_model(method: str) -> None:
    """Replies are what was asked for in every round, whatever ratio and rank."""
    server = FedSpineServer(setup(method))
    before = server.state()
    played(server, InProcess(SYSTEM, setup(method)), range(1, 4))
    assert not same(before, server.state())
    assert 0.0 <= server.accuracy("test") <= 1.0


@pytest.mark.parametrize("method", [m for m in METHODS if m != "unpruned"])
def test_all_methods_are_judged_at_the_same_final_sparsity(method: str) -> None:
    """But for LoRA that is never pruned."""
    server = FedSpineServer(setup(method, final_ratio=0.5))
    structure = server.structure()
    assert {left(4, 0.5)} == {len(heads) for heads in structure.heads}
    assert {left(256, 0.5)} == {len(channels) for channels in structure.channels}
    whole = FedSpineServer(setup("unpruned", final_ratio=0.5)).structure()
    assert {4, 256} == {len(whole.heads[0]), len(whole.channels[1])}


def test_a_restored_server_goes_on_as_if_it_had_never_stopped() -> None:
    """Bit for bit, after a state that went through JSON."""
    whole = played(FedSpineServer(setup()), InProcess(SYSTEM, setup()), range(1, 6))
    state = played(FedSpineServer(setup()), InProcess(SYSTEM, setup()), range(1, 4)).state()
    again = FedSpineServer(setup())
    again.restore(State(arrays=state.arrays, values=json.loads(json.dumps(state.values))))
    played(again, InProcess(SYSTEM, setup()), range(4, 6))
    assert same(whole.state(), again.state())


def test_nobody_prunes_before_anything_is_known_of_importance() -> None:
    """The first round measures at full size; in the second even the fixed method prunes."""
    server, exchange = FedSpineServer(setup("fixed")), InProcess(SYSTEM, setup("fixed"))
    orders = server.orders(1, fleet())
    assert {0.0} == {stage.ratio for order in orders.values() for stage in stages_of(order)}
    server.absorb(1, orders, exchange(orders))
    orders = server.orders(2, fleet())
    assert {(0.25, 0.5)} == {tuple(s.ratio for s in stages_of(o)) for o in orders.values()}


def test_traffic_is_counted_as_it_travels() -> None:
    """Bytes of every order and reply are what the cost says, ratio by ratio."""
    server, exchange = FedSpineServer(setup("random")), InProcess(SYSTEM, setup("random"))
    for round_ in (1, 2, 3):
        orders = server.orders(round_, fleet())
        replies = exchange(orders)
        result = server.absorb(round_, orders, replies)
        assert sum(a.nbytes for r in replies.values() for a in r.arrays.values()) == result.up_bytes
        assert sum(a.nbytes for o in orders.values() for a in o.arrays.values()) == (
            result.down_bytes
        )


def test_ranks_and_ratios_of_a_round_differ_between_devices() -> None:
    """What the merging of unequal updates is for."""
    server = played(
        FedSpineServer(setup("random")), InProcess(SYSTEM, setup("random")), range(1, 3)
    )
    seen = {
        (order.settings["rank"], stages_of(order)[-1].ratio)
        for round_ in (3, 4, 5)
        for order in server.orders(round_, fleet()).values()
    }
    assert len({rank for rank, _ in seen}) > 1
    assert len({ratio for _, ratio in seen}) > 1


@pytest.mark.parametrize(
    ("name", "value"), [("kept.heads", 9), ("kept.channels", -1), ("importance.heads", -1.0)]
)
def test_a_reply_with_a_made_up_structure_is_left_out(name: str, value: float) -> None:
    """It passes for sound by shape, and still does not reach the model."""
    server, exchange = FedSpineServer(setup("fixed")), InProcess(SYSTEM, setup("fixed"))
    orders = server.orders(1, fleet())
    replies = dict(exchange(orders))
    liar = fleet()[0].name
    array = np.full_like(replies[liar].arrays[name], value)
    lie = Reply(arrays={**replies[liar].arrays, name: array}, metrics=replies[liar].metrics)
    honest = {n: r for n, r in replies.items() if n != liar}
    other = FedSpineServer(setup("fixed"))
    result = server.absorb(1, orders, honest | {liar: lie})
    other.absorb(1, other.orders(1, fleet()), honest)
    assert (liar,) == result.failed
    assert same(other.state(), server.state())


def test_a_round_without_replies_leaves_everything_as_it_was() -> None:
    """No update, no reward, and the time of waiting is counted."""
    server = FedSpineServer(setup())
    before = server.state()

    def nobody(orders: Mapping[str, Order]) -> Mapping[str, Reply]:
        return {}

    result = server.play(1, fleet(), nobody)
    assert same(before, server.state())
    assert DEVICES == len(result.failed)
    assert result.time_s > 0
    assert result.loss is None


def test_devices_of_the_oracle_wait_less_than_with_one_arm_for_all() -> None:
    """It knows the true times, so that its devices end closer together."""
    waits = {}
    for method in ("oracle", "fixed"):
        server, exchange = FedSpineServer(setup(method)), InProcess(SYSTEM, setup(method))
        waits[method] = sum(server.play(r, fleet(), exchange).waiting_s for r in (1, 2, 3))
    assert waits["oracle"] < waits["fixed"]


def test_devices_need_less_memory_when_pruned() -> None:
    """By the cost model, importance included."""
    server = FedSpineServer(setup())
    arguments = (server._shape, 24, server._options, 8)
    whole, half = (
        cost_of(*arguments, server._stages("x", arm)[-1:]).peak_bytes
        for arm in (server._options.grid.arm(2), server._options.grid.arm(17))
    )
    assert half < whole


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"ratios": [0.5, 0.1]}, "ratios must be one or more, ascending"),
        ({"final_ratio": 1.0}, "final_ratio must lie in 0 ... 1, without 1"),
        ({"ranks": [0, 2]}, "ranks 1 or more"),
        ({"steps": 0}, "steps, interval and batch must be 1 or more"),
        ({"rations": 1}, "there are ratios, ranks"),
        ({"merge": "mean"}, "merge"),
    ],
)
def test_settings_that_mean_nothing_are_refused(options: dict[str, object], text: str) -> None:
    """With the name of the setting."""
    with pytest.raises(InvalidInput, match=text):
        FedSpineServer(setup(**options))


def test_an_unknown_method_is_refused_with_those_that_there_are() -> None:
    """A typing error does not run another experiment."""
    with pytest.raises(InvalidInput, match=r"method must be one of fedspine, .* \(got s-ucb\)"):
        FedSpineServer(setup("s-ucb"))
