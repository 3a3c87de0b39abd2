"""Tests of whole rounds: the wire, identities between methods, lost and garbled replies."""

from collections.abc import Mapping

import numpy as np
import pytest

from platforms.errors import InvalidInput
from tests.training.federated.mergesfl.recording import FLEET, Recording, played, setup
from tests.training.federated.mergesfl.reference import assert_same, step
from training.federated.engine.inprocess import InProcess
from training.federated.exchange import Order, Reply
from training.federated.fleet import Device, load_fleet
from training.federated.system import Played, Server, Setup
from training.federated.systems.mergesfl import SYSTEM
from training.federated.systems.mergesfl.client import make_worker
from training.federated.systems.mergesfl.methods import METHODS
from training.federated.systems.mergesfl.network import BOTTOM, TOP, Floats
from training.federated.systems.mergesfl.wire import fit_order
from training.federated.tasks.load import load_task

SPLIT = [name for name, method in METHODS.items() if method.top != "none"]


def one_round(server: Server, setup_: Setup, exchange: Recording) -> Played:
    """Round 1 with the whole fleet."""
    devices: tuple[Device, ...] = load_fleet(FLEET, setup_.devices).devices
    return server.play(1, devices, exchange)


def weights(server: Server) -> Mapping[str, Floats]:
    """Both halves as they are now."""
    return {name: server.state().arrays[name] for name in (*BOTTOM, *TOP)}


@pytest.mark.parametrize("method", METHODS)
def test_what_is_counted_is_what_went_over_the_wire(method: str) -> None:
    """To the byte, features, labels, gradients, bottoms and label counts."""
    asked = setup(method)
    wire = Recording(InProcess(SYSTEM, asked))
    counted = one_round(SYSTEM.server(asked), asked, wire)
    assert sum(wire.up_bytes.values()) == counted.up_bytes
    assert wire.down_bytes == counted.down_bytes


@pytest.mark.parametrize("method", SPLIT)
def test_a_label_of_every_sample_leaves_the_device(method: str) -> None:
    """8 bytes each; split training has no privacy to speak of."""
    asked = setup(method, local_steps=3)
    wire = Recording(InProcess(SYSTEM, asked))
    counted = one_round(SYSTEM.server(asked), asked, wire)
    assert 8 * counted.notes["samples"] == wire.up_bytes["labels"]
    assert 4 * 64 * counted.notes["samples"] == wire.up_bytes["features"]


def test_a_round_takes_one_exchange_more_than_steps() -> None:
    """And the first round of all one to ask for label counts."""
    asked = setup("mergesfl", local_steps=5)
    server, wire = SYSTEM.server(asked), Recording(InProcess(SYSTEM, asked))
    one_round(server, asked, wire)
    assert 5 + 1 + 1 == wire.exchanges
    one_round(server, asked, wire)
    assert 2 * (5 + 1) + 1 == wire.exchanges


def test_fedavg_sends_no_features_and_no_labels() -> None:
    """Models only."""
    asked = setup("fedavg")
    wire = Recording(InProcess(SYSTEM, asked))
    one_round(SYSTEM.server(asked), asked, wire)
    assert {"bottom", "top.0.weight", "top.0.bias", "top.1.weight", "top.1.bias"} == set(
        wire.up_bytes
    )


def test_splitfed_v1_is_fedavg() -> None:
    """Copies that are averaged with the bottoms are whole networks that are averaged."""
    split, _ = played(setup("splitfed-v1"), 3)
    whole, _ = played(setup("fedavg"), 3)
    assert_same(weights(whole), weights(split))


@pytest.mark.parametrize("method", ["mergesfl", "splitfed-v1", "splitfed-v2", "fedavg"])
def test_with_one_device_every_method_is_plain_sgd(method: str) -> None:
    """On the batches that the device draws, by autograd."""
    asked = setup(method, devices=1, local_steps=4, learning_rate=0.2)
    server = SYSTEM.server(asked)
    expected = dict(weights(server))
    worker = make_worker(asked, load_fleet(FLEET, 1).devices[0].name)
    examples = load_task(asked).parts[0]
    for local_step in range(4):
        rows = worker.rows(1, local_step, 32)
        expected = step(expected, (examples.x[rows], examples.y[rows]), 0.2)
    one_round(server, asked, Recording(InProcess(SYSTEM, asked)))
    assert_same(expected, weights(server))


def test_one_merged_step_per_round_is_central_training() -> None:
    """With a single local step, all workers together are one machine with all their batches."""
    asked = setup("mergesfl", local_steps=1, learning_rate=0.3)
    server, task = SYSTEM.server(asked), load_task(asked)
    before = weights(server)
    seen: dict[str, int] = {}

    def note(device: str, order: Order, reply: Reply) -> Reply:
        if "features" in reply.arrays:
            seen[device] = len(reply.arrays["labels"])
        return reply

    one_round(server, asked, Recording(InProcess(SYSTEM, asked), note))
    fleet = load_fleet(FLEET, asked.devices)
    xs, ys = [], []
    for device, batch in seen.items():
        part = task.parts[fleet.index(device)]
        rows = make_worker(asked, device).rows(1, 0, batch)
        xs.append(part.x[rows])
        ys.append(part.y[rows])
    assert len(set(seen.values())) > 1
    expected = step(before, (np.concatenate(xs), np.concatenate(ys)), 0.3)
    assert_same(expected, weights(server))


@pytest.mark.parametrize("method", ["mergesfl", "splitfed-v1", "splitfed-v2", "fedavg"])
def test_training_learns(method: str) -> None:
    """A mechanism test: far above chance after a few rounds."""
    _, record = played(setup(method, alpha=10.0, learning_rate=0.3), 12)
    assert record.points[0].test < 0.3
    assert record.points[-1].test > 0.8


@pytest.mark.parametrize("method", ["mergesfl", "splitfed-v2", "regulate-only"])
def test_a_restored_server_goes_on_as_if_nothing_had_been(method: str) -> None:
    """Bit for bit, with devices that lost their memory."""
    asked = setup(method, line_bytes_per_s=2e6)
    devices = load_fleet(FLEET, asked.devices).devices
    whole, halted = SYSTEM.server(asked), SYSTEM.server(asked)
    carried = InProcess(SYSTEM, asked)
    for round_ in (1, 2, 3, 4):
        whole.play(round_, devices, carried)
    first = InProcess(SYSTEM, asked)
    for round_ in (1, 2):
        halted.play(round_, devices, first)
    resumed = SYSTEM.server(asked)
    resumed.restore(halted.state())
    again = InProcess(SYSTEM, asked)
    for round_ in (3, 4):
        resumed.play(round_, devices, again)
    assert whole.state().values == resumed.state().values
    for name, array in whole.state().arrays.items():
        assert np.array_equal(array, resumed.state().arrays[name])


@pytest.mark.parametrize("method", ["mergesfl", "splitfed-v1", "splitfed-v2"])
def test_a_device_that_falls_silent_is_left_out(method: str) -> None:
    """It is named, its bottom does not count, and the others go on."""
    asked = setup(method, alpha=10.0)
    lost = load_fleet(FLEET, 6).devices[2].name

    def silent(device: str, order: Order, reply: Reply) -> Reply | None:
        return None if device == lost and order.settings.get("step", 0) == 4 else reply

    server = SYSTEM.server(asked)
    before = weights(server)
    played_ = one_round(server, asked, Recording(InProcess(SYSTEM, asked), silent))
    assert (lost,) == played_.failed
    assert any(not np.array_equal(before[name], array) for name, array in weights(server).items())
    assert lost not in server.state().values["paces"]


def test_a_device_that_never_answers_is_not_the_guest_forever() -> None:
    """Being chosen counts, not having answered; else the others would wait for it every round."""
    asked = setup("mergesfl", line_bytes_per_s=1e6, local_steps=1)
    dead = load_fleet(FLEET, 6).devices[0].name

    def silent(device: str, order: Order, reply: Reply) -> Reply | None:
        return None if device == dead and order.action == "step" else reply

    server, wire = SYSTEM.server(asked), Recording(InProcess(SYSTEM, asked), silent)
    devices = load_fleet(FLEET, 6).devices
    rounds = [server.play(round_, devices, wire) for round_ in range(1, 13)]
    assert 0 < sum(dead in played_.failed for played_ in rounds) < 12


@pytest.mark.parametrize("labels", [np.full(32, 10), np.full(32, -1), np.full(32, 0.5)])
def test_labels_that_are_none_are_refused(labels: np.ndarray) -> None:
    """The engine knows only shapes; what is no class must not index the loss."""
    asked = setup("splitfed-v1", alpha=10.0)
    liar = load_fleet(FLEET, 6).devices[0].name

    def lie(device: str, order: Order, reply: Reply) -> Reply:
        if device != liar or "labels" not in reply.arrays:
            return reply
        return Reply(arrays={**reply.arrays, "labels": labels}, metrics=reply.metrics)

    played_ = one_round(SYSTEM.server(asked), asked, Recording(InProcess(SYSTEM, asked), lie))
    assert (liar,) == played_.failed


def test_a_round_in_which_all_are_lost_changes_nothing() -> None:
    """The server keeps what it has, merged updates without bottoms as well."""
    asked = setup("mergesfl")
    server = SYSTEM.server(asked)
    before = weights(server)

    def end(device: str, order: Order, reply: Reply) -> Reply | None:
        return None if order.settings.get("last") else reply

    played_ = one_round(server, asked, Recording(InProcess(SYSTEM, asked), end))
    assert played_.participants == len(played_.failed)
    assert all(np.array_equal(array, weights(server)[name]) for name, array in before.items())


def test_a_device_that_tells_no_counts_is_not_chosen() -> None:
    """Selection by labels knows nothing of it."""
    asked = setup("mergesfl")
    mute = load_fleet(FLEET, 6).devices[1].name

    def silent(device: str, order: Order, reply: Reply) -> Reply | None:
        return None if device == mute and "counts" in order.returns else reply

    server = SYSTEM.server(asked)
    one_round(server, asked, Recording(InProcess(SYSTEM, asked), silent))
    assert mute not in server.state().values["chosen"]


def test_regulation_waits_less() -> None:
    """On devices whose bandwidths differ by ten, by the share of time that they stand still."""
    _, regulated = played(setup("mergesfl"), 2)
    _, equal = played(setup("merge-only"), 2)
    shares = [r.points[-1].waiting_s / r.notes["presence_s"] for r in (regulated, equal)]
    assert shares[0] < 0.7 * shares[1]


def test_a_narrow_line_makes_rounds_longer() -> None:
    """All that is sent passes it, so a round cannot be shorter than that."""
    asked = setup("splitfed-v1", line_bytes_per_s=1e5)
    counted = one_round(SYSTEM.server(asked), asked, Recording(InProcess(SYSTEM, asked)))
    assert counted.up_bytes / 1e5 == pytest.approx(counted.time_s)


def test_unknown_methods_and_options_are_refused() -> None:
    """With what there is."""
    with pytest.raises(InvalidInput, match=r"method must be one of mergesfl, .* \(got fedsgd\)"):
        SYSTEM.server(setup("fedsgd"))
    with pytest.raises(InvalidInput, match=r"unknown field `rate`"):
        SYSTEM.server(setup("mergesfl", rate=0.1))


def test_fedavg_orders_ask_for_the_whole_network_back() -> None:
    """Names and shapes of what was sent."""
    server = SYSTEM.server(setup("fedavg"))
    order = fit_order(weights(server), round_=1, steps=2, batch=4, rate=0.1)
    assert {name: array.shape for name, array in order.arrays.items()} == order.returns


@pytest.mark.parametrize("method", ["mergesfl", "splitfed-v2", "fedavg"])
@pytest.mark.filterwarnings("error")
def test_training_that_diverges_leaves_a_finite_model(method: str) -> None:
    """Devices whose numbers are no numbers are lost, and the server keeps what it had."""
    server, record = played(setup(method, learning_rate=1e6), 3)
    assert all(np.isfinite(array).all() for array in weights(server).values())
    assert 3 == record.rounds
