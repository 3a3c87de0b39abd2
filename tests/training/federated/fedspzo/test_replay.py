"""Server and devices hold the same bits, whatever was missed; only what must travel does."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from platforms.errors import InvalidInput
from tests.training.federated.fedspzo.toys import setup
from training.federated.engine.inprocess import InProcess
from training.federated.exchange import Order, Reply, fault
from training.federated.fleet import Fleet, load_fleet
from training.federated.system import Client, Setup
from training.federated.systems.fedspzo import SYSTEM
from training.federated.systems.fedspzo.counts import LayerCounter
from training.federated.systems.fedspzo.options import METHODS
from training.federated.systems.fedspzo.server import ZerothOrderServer
from training.federated.systems.fedspzo.workbench import workbench


class Wire:
    """Devices with memories that a test can read and take away; it writes down what travels."""

    def __init__(self, setup_: Setup) -> None:
        self.memory: dict[str, dict[str, NDArray[Any]]] = {}
        self.orders: dict[str, Order] = {}
        self.replies: dict[str, Reply] = {}
        self.lost: set[str] = set()
        self._setup = setup_
        self._clients: dict[str, Client] = {}

    def __call__(self, orders: Mapping[str, Order]) -> Mapping[str, Reply]:
        """See Exchange."""
        self.orders, self.replies = dict(orders), {}
        for device, order in orders.items():
            client = SYSTEM.client(self._setup, device)
            reply = client.act(order, self.memory.setdefault(device, {}))
            assert fault(order, reply) is None
            self.replies[device] = reply
        return {name: reply for name, reply in self.replies.items() if name not in self.lost}


def _fleet(setup_: Setup) -> Fleet:
    return load_fleet(setup_.fleet, setup_.devices)


def _weights(server: Any) -> bytes:
    return server.state().arrays["weights"].tobytes()


@pytest.mark.parametrize(
    "options",
    [
        {"method": "fedspzo"},
        {"method": "fedspzo", "own_seeds": True},
        {"method": "fedspzo", "split": 0},
        {"method": "mezo-1"},
        {"method": "mezo-k"},
        {"method": "decomfl"},
    ],
)
def test_a_device_that_missed_rounds_comes_to_the_servers_very_bits(
    options: dict[str, Any],
) -> None:
    """It takes part in rounds 1 and 4; before its steps of round 4 it holds what the server has."""
    given = setup(**options)
    devices = _fleet(given).devices
    server, wire = SYSTEM.server(given), Wire(given)
    late = devices[0].name
    server.play(1, devices, wire)
    server.play(2, devices[1:], wire)
    server.play(3, devices[2:], wire)
    before = _weights(server)
    assert before != workbench(given).chain.packed(workbench(given).initial()).tobytes()
    server.play(4, devices, wire)
    assert before == wire.memory[late]["weights"].tobytes()
    assert before == wire.memory[devices[1].name]["weights"].tobytes()


def test_a_reply_that_is_lost_changes_nothing_of_what_its_device_will_hold() -> None:
    """It is told again what it heard, and does not step twice."""
    given = setup()
    devices = _fleet(given).devices
    server, wire = SYSTEM.server(given), Wire(given)
    server.play(1, devices, wire)
    wire.lost = {devices[0].name}
    played = server.play(2, devices, wire)
    assert (devices[0].name,) == played.failed
    wire.lost = set()
    before = _weights(server)
    server.play(3, devices, wire)
    assert 2 == len(wire.orders[devices[0].name].arrays["seeds"])
    assert 1 == len(wire.orders[devices[1].name].arrays["seeds"])
    assert all(before == memory["weights"].tobytes() for memory in wire.memory.values())


def test_a_device_that_lost_its_memory_says_so_and_gets_the_whole_history() -> None:
    """For one round it cannot take part; its reply changes nothing."""
    given = setup()
    devices = _fleet(given).devices
    server, wire = SYSTEM.server(given), Wire(given)
    server.play(1, devices, wire)
    server.play(2, devices, wire)
    wire.memory[devices[0].name].clear()
    assert (devices[0].name,) == server.play(3, devices, wire).failed
    before = _weights(server)
    assert () == server.play(4, devices, wire).failed
    assert before == wire.memory[devices[0].name]["weights"].tobytes()
    assert 3 == len(wire.orders[devices[0].name].arrays["seeds"])


def test_a_device_that_is_ahead_of_a_server_that_went_back_starts_anew() -> None:
    """The server is taken up from an older checkpoint: what the device holds is not its model."""
    given = setup()
    devices = _fleet(given).devices
    server, wire = SYSTEM.server(given), Wire(given)
    server.play(1, devices, wire)
    older = server.state()
    server.play(2, devices, wire)
    server.play(3, devices, wire)
    again = SYSTEM.server(given)
    again.restore(older)
    assert {device.name for device in devices} == set(again.play(2, devices, wire).failed)
    before = _weights(again)
    assert () == again.play(3, devices, wire).failed
    assert all(before == memory["weights"].tobytes() for memory in wire.memory.values())


def test_a_round_without_replies_leaves_the_model_alone() -> None:
    """Nor does it enter the history."""
    given = setup()
    devices = _fleet(given).devices
    server, wire = SYSTEM.server(given), Wire(given)
    before = _weights(server)
    wire.lost = {device.name for device in devices}
    played = server.play(1, devices, wire)
    assert before == _weights(server)
    assert played.loss is None
    assert 0 == len(server.state().arrays["seeds"])


def test_only_seeds_and_slopes_travel() -> None:
    """Four steps of three slopes: 48 bytes up; down, a seed and 48 bytes for the round missed."""
    given = setup(local_steps=4, samples=3)
    devices = _fleet(given).devices
    server, wire = SYSTEM.server(given), Wire(given)
    server.play(1, devices, wire)
    played = server.play(2, devices, wire)
    for order, reply in zip(wire.orders.values(), wire.replies.values(), strict=True):
        assert 48 == sum(array.nbytes for array in reply.arrays.values())
        assert 8 + 48 == sum(array.nbytes for array in order.arrays.values())
    assert 3 * (48 + 8 * len(reply.metrics)) == played.up_bytes
    assert 3 * (56 + 8 * len(order.settings)) == played.down_bytes
    assert played.up_bytes < workbench(given).chain.parameters / 100


def test_decomfl_by_central_differences_is_mezo_with_as_many_directions() -> None:
    """The two baselines differ in their estimator alone."""
    states = []
    for given in (setup("decomfl", estimator="rge-central"), setup("mezo-k")):
        server = SYSTEM.server(given)
        server.play(1, _fleet(given).devices, InProcess(SYSTEM, given))
        states.append(_weights(server))
    assert states[0] == states[1]


def test_fedmezo_steps_as_mezo_does_along_directions_of_each_devices_own() -> None:
    """Only what travels differs, and with it the last bits: a mean of sums, or a sum of means."""
    found = []
    for given in (setup("fedmezo"), setup("mezo-1", own_seeds=True)):
        server = SYSTEM.server(given)
        for round_ in (1, 2):
            server.play(round_, _fleet(given).devices, InProcess(SYSTEM, given))
        found.append(server.state().arrays["weights"])
    start = workbench(setup()).chain.packed(workbench(setup()).initial())
    moved = np.linalg.norm(found[0] - start)
    assert np.linalg.norm(found[0] - found[1]) < 1e-3 * moved


def test_mezo_is_fedspzo_without_a_first_block_and_one_direction() -> None:
    """With nothing but the embeddings below the split, and one rate, both take the same slopes."""
    one = workbench(setup("mezo-k", samples=1))
    other = workbench(setup("mezo-1"))
    assert one.plan == other.plan
    assert 0 == one.rates.boundary < workbench(setup("fedspzo", split=0)).rates.boundary


def test_a_pools_sums_stand_for_the_servers_weights() -> None:
    """FedKSeed: a device rebuilds them from the pre-trained ones, bit for bit."""
    from training.federated.systems.fedspzo.pool import rebuilt

    given = setup("fedkseed")
    devices = _fleet(given).devices
    server, wire = SYSTEM.server(given), Wire(given)
    assert isinstance(server, ZerothOrderServer)
    server.play(1, devices, wire)
    server.play(2, devices, wire)
    order = server.orders(3, devices)[devices[0].name]
    bench = workbench(given)
    weights = rebuilt(bench, int(str(order.settings["seed"])), order.arrays["sums"])
    expected = [part.tobytes() for part in server.weights]
    assert expected == [part.tobytes() for part in weights]
    assert expected != [part.tobytes() for part in bench.initial()]
    assert 4 * 16 == order.arrays["sums"].nbytes


def test_a_reply_that_names_seeds_outside_the_pool_is_refused() -> None:
    """A sum elsewhere would be written to."""
    given = setup("fedkseed")
    devices = _fleet(given).devices
    server = SYSTEM.server(given)

    def garbled(orders: Mapping[str, Order]) -> Mapping[str, Reply]:
        replies = dict(Wire(given)(orders))
        good = replies[devices[0].name]
        places = np.array([3, -1])
        replies[devices[0].name] = Reply(
            arrays={**good.arrays, "places": places}, metrics=good.metrics
        )
        return replies

    played = server.play(1, devices, garbled)
    assert (devices[0].name,) == played.failed


def test_fedmezo_sends_all_weights_both_ways() -> None:
    """Four bytes for each."""
    given = setup("fedmezo")
    server, wire = SYSTEM.server(given), Wire(given)
    server.play(1, _fleet(given).devices, wire)
    expected = 4 * workbench(given).chain.parameters
    for order, reply in zip(wire.orders.values(), wire.replies.values(), strict=True):
        assert expected == order.arrays["weights"].nbytes == reply.arrays["weights"].nbytes


def test_a_device_whose_numpy_draws_other_directions_refuses() -> None:
    """It would train another model than the server believes."""
    given = setup()
    devices = _fleet(given).devices
    server = SYSTEM.server(given)
    assert isinstance(server, ZerothOrderServer)
    order = server.orders(1, devices)[devices[0].name]
    changed = Order(settings={**order.settings, "noise": 1}, returns=order.returns)
    with pytest.raises(InvalidInput, match=r"directions must have the server's fingerprint 1"):
        SYSTEM.client(given, devices[0].name).act(changed, {})


@pytest.mark.parametrize("method", METHODS)
def test_a_restored_server_goes_on_to_the_same_bits(method: str) -> None:
    """Rounds 2 and 3 after a restart are those of a server that never stopped."""
    given = setup(method)
    devices = _fleet(given).devices
    server, wire = SYSTEM.server(given), InProcess(SYSTEM, given)
    server.play(1, devices, wire)
    state = server.state()
    copy = {name: np.array(array) for name, array in state.arrays.items()}
    other, other_wire = SYSTEM.server(given), InProcess(SYSTEM, given)
    other.play(1, devices, other_wire)
    for round_ in (2, 3):
        server.play(round_, devices, wire)
    restored = SYSTEM.server(given)
    restored.restore(type(state)(arrays=copy, values=state.values))
    for round_ in (2, 3):
        restored.play(round_, devices, other_wire)
    for name, array in server.state().arrays.items():
        assert array.tobytes() == restored.state().arrays[name].tobytes()


@pytest.mark.parametrize("method", METHODS)
def test_a_round_runs_as_many_layers_as_it_is_charged(method: str) -> None:
    """By hooks on the layers of all devices, server included."""
    given = setup(method)
    server = SYSTEM.server(given)
    with LayerCounter(workbench(given).chain) as counter:
        played = server.play(1, _fleet(given).devices, InProcess(SYSTEM, given))
    assert counter.count == played.notes["layer_forwards"]
    assert counter.count == 3 * workbench(given).plan.round_forwards
