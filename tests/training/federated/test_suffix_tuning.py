"""Tests of the server and devices that CAFF and LEGEND share."""

from collections.abc import Mapping
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import torch

from platforms.errors import InvalidInput
from training.federated.aggregation import weighted_mean
from training.federated.engine.inprocess import InProcess
from training.federated.exchange import Order, Reply, fault
from training.federated.fleet import Device, load_fleet
from training.federated.models.load import load_model
from training.federated.registry import find_system
from training.federated.suffix import Suffix, arrays_of, prepare
from training.federated.system import Setup, State
from training.federated.systems.suffix_tuning.models import fill, prepared, pretrained
from training.federated.systems.suffix_tuning.server import SuffixServer, cut
from training.federated.systems.suffix_tuning.told import Told

MODEL = "source-2:random"
WHOSE = (MODEL, "", 4, 3)
SYSTEMS: dict[str, dict[str, Any]] = {"caff": {"layers": [2]}, "legend": {"mean_rank": 4}}
METHODS = [(name, method) for name in SYSTEMS for method in find_system(name).methods]


def setup(system: str, method: str, **options: Any) -> Setup:
    """Four devices of the fleet in classes, each of which takes one step."""
    given = {"model": MODEL, "steps": 1, "batch": 4, **SYSTEMS[system], **options}
    return Setup(
        system=system,
        method=method,
        task="labels",
        fleet="classes20",
        devices=4,
        seed=3,
        options=given,
    )


def made(given: Setup) -> tuple[SuffixServer, InProcess, tuple[Device, ...]]:
    """A server before its first round, the exchange to its devices, and these."""
    system = find_system(given.system)
    server = system.server(given)
    assert isinstance(server, SuffixServer)
    devices = load_fleet(given.fleet, given.devices).devices
    return server, InProcess(system, given), devices


def same(first: State, second: State) -> bool:
    """Bit for bit."""
    return (
        first.values == second.values
        and first.arrays.keys() == second.arrays.keys()
        and all(np.array_equal(first.arrays[name], second.arrays[name]) for name in first.arrays)
    )


class Heard:
    """An exchange that keeps what was said."""

    def __init__(self, exchange: InProcess, lost: tuple[str, ...] = ()) -> None:
        self.exchange, self.lost = exchange, lost

    def __call__(self, orders: Mapping[str, Order]) -> Mapping[str, Reply]:
        """See Exchange."""
        self.orders = orders
        replies = self.exchange(orders)
        self.replies = {name: r for name, r in replies.items() if name not in self.lost}
        return self.replies


@pytest.mark.parametrize(("system", "method"), METHODS)
def test_every_method_plays_sound_rounds_that_go_on_from_a_state_bit_for_bit(
    system: str, method: str
) -> None:
    """A server that was restored after round 1 comes to the same round 2."""
    server, exchange, devices = made(setup(system, method))
    first = server.play(1, devices, exchange)
    kept = server.state()
    second = server.play(2, devices, exchange)
    assert not exchange.failures
    assert 0 < first.participants <= len(devices)
    other, exchange, _ = made(setup(system, method))
    other.restore(kept)
    assert second == other.play(2, devices, exchange)
    assert same(server.state(), other.state())


@pytest.mark.parametrize(("system", "method"), METHODS)
def test_bytes_are_those_of_the_arrays_that_travel(system: str, method: str) -> None:
    """The cost model's count against the arrays' own."""
    server, exchange, devices = made(setup(system, method))
    heard = Heard(exchange)
    played = server.play(1, devices, heard)
    sent = sum(a.nbytes for reply in heard.replies.values() for a in reply.arrays.values())
    received = sum(a.nbytes for order in heard.orders.values() for a in order.arrays.values())
    assert (sent, received) == (played.up_bytes, played.down_bytes)


def test_where_all_train_all_a_round_is_federated_averaging() -> None:
    """Weighted by the devices' examples."""
    server, exchange, devices = made(setup("legend", "uniform"))
    heard = Heard(exchange)
    server.play(1, devices, heard)
    held = [(reply.arrays, reply.metrics["samples"]) for reply in heard.replies.values()]
    expected = weighted_mean(held)
    new = server.state().arrays
    assert expected.keys() == new.keys()
    for name, array in expected.items():
        np.testing.assert_array_equal(array, new[name])


def test_a_layer_moves_by_the_share_of_those_who_trained_it() -> None:
    """Devices of little memory train the last layer alone, or only the head."""
    server, exchange, devices = made(setup("caff", "caff", memory_share=1.2))
    before = dict(server.state().arrays)
    heard = Heard(exchange)
    server.play(1, devices, heard)
    name = "layer.0.ffn.in.weight"
    weights = {key: reply.metrics["samples"] for key, reply in heard.replies.items()}
    held = [
        (reply.arrays, weights[key]) for key, reply in heard.replies.items() if name in reply.arrays
    ]
    share = sum(weight for _, weight in held) / sum(weights.values())
    assert 0 < share < 1
    expected = share * weighted_mean(held)[name] + (1 - share) * before[name]
    np.testing.assert_allclose(expected, server.state().arrays[name], rtol=1e-5, atol=1e-7)


def test_a_device_is_sent_the_layers_below_that_others_train_but_returns_its_own_alone() -> None:
    """Its frozen layers are those of the global model."""
    server, _, devices = made(setup("caff", "caff", memory_share=1.2))
    orders = server.orders(1, devices)
    shallow = min(orders.values(), key=lambda order: len(order.returns))
    assert "layer.0.ffn.in.weight" in shallow.arrays
    assert "layer.0.ffn.in.weight" not in shallow.returns


def test_a_lost_reply_leaves_its_device_out_and_lengthens_the_round() -> None:
    """The server waits for it in vain."""
    server, exchange, devices = made(setup("legend", "legend"))
    whole = made(setup("legend", "legend"))[0].play(1, devices, exchange)
    lost = devices[0].name
    played = server.play(1, devices, Heard(exchange, lost=(lost,)))
    assert (lost,) == played.failed
    assert whole.time_s < played.time_s


def test_a_round_in_which_all_replies_are_lost_leaves_the_model() -> None:
    """Nothing to average."""
    server, exchange, devices = made(setup("legend", "hetlora-svd"))
    before = server.state()
    names = tuple(device.name for device in devices)
    assert names == server.play(1, devices, Heard(exchange, lost=names)).failed
    assert same(before, server.state())


def test_a_reply_of_another_suffix_is_unsound() -> None:
    """A device that returns more than it was told to does not reach the model."""
    server, exchange, devices = made(setup("caff", "caff", memory_share=1.2))
    heard = Heard(exchange)
    server.play(1, devices, heard)
    by_depth = sorted(heard.orders, key=lambda name: len(heard.orders[name].returns))
    reason = fault(heard.orders[by_depth[0]], heard.replies[by_depth[-1]])
    assert reason is not None
    assert reason.startswith("arrays must be")


def test_lora_below_a_devices_suffix_is_merged_into_its_weights() -> None:
    """A device that trains the last layer computes what the model with all LoRA computes."""
    full = prepare(load_model(*WHOSE), Suffix(2, (2, 4)), seed=3)
    arrays = arrays_of(full, Suffix(2, (2, 4)))
    rng = np.random.default_rng(0)
    arrays = {k: rng.normal(0, 0.1, a.shape).astype(np.float32) for k, a in arrays.items()}
    fill(full, pretrained(*WHOSE), arrays)
    x = torch.from_numpy(rng.integers(2, 60, (3, 24)))
    with torch.no_grad():
        expected = full.eval()(input_ids=x).logits
        for suffix in (Suffix(1, (4,)), Suffix(0)):
            part = prepared(*WHOSE, suffix)
            fill(part, pretrained(*WHOSE), arrays)
            torch.testing.assert_close(
                expected, part.eval()(input_ids=x).logits, rtol=1e-4, atol=1e-5
            )


def test_a_model_that_is_filled_forgets_its_last_user() -> None:
    """Models are shared by all devices of a process."""
    model = prepared(*WHOSE, Suffix(1))
    fill(model, pretrained(*WHOSE), {"head.bias": np.ones(4, np.float32)})
    fill(model, pretrained(*WHOSE), {})
    assert 0 == arrays_of(model, Suffix(1))["head.bias"].any()


def test_a_device_of_lower_rank_gets_the_first_of_the_global_factors() -> None:
    """HetLoRA cuts what it sends."""
    arrays = {"layer.0.q.lora_A": np.arange(6.0).reshape(3, 2), "layer.0.q.lora_B": np.ones((2, 3))}
    got = cut(arrays, {"layer.0.q.lora_A": (1, 2), "layer.0.q.lora_B": (2, 1)})
    np.testing.assert_array_equal([[0, 1]], got["layer.0.q.lora_A"])
    assert (2, 1) == got["layer.0.q.lora_B"].shape


def test_what_an_order_says_comes_back_as_it_was() -> None:
    """Settings travel as plain values."""
    told = Told(
        round=2,
        model=MODEL,
        depth=2,
        lora=True,
        ranks=[2, 4],
        steps=1,
        batch=4,
        learning_rate=0.1,
        optimiser="adamw",
    )
    assert told == Told.from_settings(told.settings())
    assert Suffix(2, (2, 4)) == told.suffix


def test_caff_stays_within_every_devices_memory() -> None:
    """And lets the others train more: the deeper its suffix, the more a device may need."""
    server, _, devices = made(setup("caff", "caff", memory_share=2.0))
    orders = server.orders(1, devices)
    depths = [int(str(orders[device.name].settings["depth"])) for device in devices]
    memories = [device.memory_bytes for device in devices]
    assert len(set(depths)) > 1
    ordered = sorted(zip(memories, depths, strict=True))
    assert all(less <= more for (_, less), (_, more) in pairwise(ordered))


def test_head_alone_trains_no_layer_and_all_take_part() -> None:
    """The cheapest baseline."""
    server, exchange, devices = made(setup("caff", "head", memory_share=0))
    played = server.play(1, devices, exchange)
    assert len(devices) == played.participants
    assert {"pooler.weight", "pooler.bias", "head.weight", "head.bias"} == set(
        server.state().arrays
    )


def test_who_cannot_train_all_layers_is_dropped_by_the_baseline_that_drops() -> None:
    """FedAvg without weak devices."""
    server, _, devices = made(setup("caff", "drop-weak", memory_share=1.2))
    assert 0 < len(server.orders(1, devices)) < len(devices)


def test_legend_gives_fast_devices_more_depth_and_its_ranks_rise() -> None:
    """The first round goes by the fleet's own figures."""
    server, _, devices = made(setup("legend", "legend", mean_rank=4, rank_step=2))
    orders = server.orders(1, devices)
    fastest = max(devices, key=lambda device: (device.flops_per_s, device.up_bytes_per_s))
    assert [3, 5] == orders[fastest.name].settings["ranks"]
    assert [5] in [order.settings["ranks"] for order in orders.values()]


def test_legend_learns_how_fast_devices_are() -> None:
    """A device of which nothing was heard keeps the estimate of its file."""
    server, exchange, devices = made(setup("legend", "legend"))
    slow = devices[0].name
    before = server.state().values["capacities"]
    server.planner.restore({"capacities": before | {slow: {"compute": 1e-6, "up": 1, "down": 1}}})
    server.play(1, devices, exchange)
    after = server.state().values["capacities"]
    assert 0.8e-6 + 0.2 * before[slow]["compute"] == pytest.approx(after[slow]["compute"])
    others = [device.name for device in devices[1:]]
    assert [before[name]["compute"] for name in others] == pytest.approx(
        [after[name]["compute"] for name in others]
    )


def test_random_depths_change_from_round_to_round() -> None:
    """The baseline that knows nothing of speed."""
    server, _, devices = made(setup("legend", "random-depth"))
    rounds = [
        tuple(order.settings["depth"] for order in server.orders(round_, devices).values())
        for round_ in range(1, 6)
    ]
    assert 1 < len(set(rounds))
    assert {1, 2} == {depth for depths in rounds for depth in depths}


def test_features_are_no_task_for_transformers() -> None:
    """The digits are pixels."""
    wrong = Setup(system="legend", method="legend", task="digits", fleet="classes20", devices=4)
    with pytest.raises(InvalidInput, match="task must be of texts"):
        find_system("legend").server(wrong)


def test_an_unknown_method_is_refused() -> None:
    """With those that there are."""
    with pytest.raises(InvalidInput, match="method must be one of legend, uniform"):
        find_system("legend").server(setup("legend", "nosuch"))
    with pytest.raises(InvalidInput, match="method must be one of caff, lora-r2"):
        find_system("caff").server(setup("caff", "nosuch"))
