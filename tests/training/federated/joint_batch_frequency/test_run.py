"""A federated run in which each device has its own batch and frequency under its own cap."""

from typing import Any

import numpy as np
import pytest

from platforms.errors import InvalidInput
from training.federated.batches import batches
from training.federated.clock import speed
from training.federated.engine.inprocess import InProcess
from training.federated.exchange import Order, Reply
from training.federated.fleet import load_fleet
from training.federated.rounds import Record, run_rounds
from training.federated.system import Setup
from training.federated.systems.joint_batch_frequency import SYSTEM
from training.federated.systems.joint_batch_frequency.client import rows_of
from training.federated.systems.joint_batch_frequency.device import cap_of, tables_of
from training.federated.systems.joint_batch_frequency.options import Options
from training.federated.systems.joint_batch_frequency.parts import parts_of
from training.federated.systems.joint_batch_frequency.server import JointServer, averaged
from training.federated.systems.joint_batch_frequency.workload import WORKLOADS

OPTIONS = Options()


def setup_of(method: str = "joint", **changes: Any) -> Setup:
    """Six boards of the papers' mix."""
    values = {"task": "digits", "fleet": "jetson80", "devices": 6, "seed": 1} | changes
    return Setup(system=SYSTEM.name, method=method, **values)


def played(setup: Setup, rounds: int, drop_share: float = 0.0) -> tuple[JointServer, Record]:
    """A run in this process."""
    server = JointServer(setup)
    exchange = InProcess(SYSTEM, setup, drop_share=drop_share)
    fleet = load_fleet(setup.fleet, setup.devices)
    record = run_rounds(server, exchange, fleet, rounds=rounds, seed=setup.seed)
    return server, record


def test_every_device_holds_its_cap_at_its_own_batch_and_frequency() -> None:
    """By the tables that were chosen from; caps differ from device to device."""
    server = JointServer(setup_of())
    devices = load_fleet("jetson80", 6).devices
    caps = []
    for device in devices:
        tables = tables_of(device, OPTIONS)
        used = server.training[device.name]
        caps.append(cap_of(device, tables, OPTIONS, seed=1))
        assert tables.peak_w[used.batch, used.freq_hz] <= caps[-1]
    assert len(devices) == len(set(caps))


def test_a_run_learns() -> None:
    """The system, not only that it runs."""
    _, record = played(setup_of(), rounds=12)
    assert record.points[0].test < 0.45
    assert record.points[-1].test > 0.85


def test_only_the_reactive_baseline_is_ever_above_a_cap() -> None:
    """The others know the tables."""
    for method in SYSTEM.methods:
        _, record = played(setup_of(method), rounds=1)
        over = record.notes["over_cap_s"] > 0
        assert over == (method == "reactive")


def test_time_energy_and_bytes_of_a_round_are_the_tables() -> None:
    """The slowest device's samples, at its speed of the round, and its transfers."""
    setup = setup_of()
    server, record = played(setup, rounds=1)
    sent = WORKLOADS[OPTIONS.workload].weight_bytes
    ends = []
    for device in load_fleet("jetson80", 6).devices:
        used, tables = server.training[device.name], tables_of(device, OPTIONS)
        compute_s = OPTIONS.samples * tables.sample_s[used.batch, used.freq_hz]
        network_s = sent / device.up_bytes_per_s + sent / device.down_bytes_per_s
        ends.append(compute_s / speed(device, 1, setup.seed) + network_s)
    assert max(ends) == pytest.approx(record.points[1].time_s)
    assert 6 * sent == record.points[1].up_bytes == record.points[1].down_bytes
    assert sum(max(ends) - end for end in ends) == pytest.approx(record.points[1].waiting_s)


def test_a_restored_server_goes_on_as_if_it_had_never_stopped() -> None:
    """Bit for bit."""
    whole, _ = played(setup_of(), rounds=4)
    half, record = played(setup_of(), rounds=2)
    other = JointServer(setup_of())
    other.restore(half.state())
    exchange = InProcess(SYSTEM, setup_of())
    run_rounds(other, exchange, load_fleet("jetson80", 6), rounds=4, seed=1, before=record)
    for name, array in whole.state().arrays.items():
        np.testing.assert_array_equal(array, other.state().arrays[name])


def test_lost_replies_are_left_out_and_waited_for() -> None:
    """The model goes on with those that came."""
    _, calm = played(setup_of(), rounds=3)
    _, rough = played(setup_of(), rounds=3, drop_share=0.4)
    assert rough.points[-1].time_s > calm.points[-1].time_s
    assert rough.points[-1].test > 0.3


def test_a_reply_of_garbage_does_not_reach_the_model() -> None:
    """What a sound reply holds, the order says; without any, the model stays."""
    server = JointServer(setup_of())
    present = load_fleet("jetson80", 6).devices
    before = {name: array.copy() for name, array in server.state().arrays.items()}
    outcome = server.absorb(1, server.orders(1, present), {})
    assert 6 == len(outcome.failed)
    assert outcome.loss is None
    order: Order = server.orders(1, present)[present[0].name]
    assert {name: array.shape for name, array in before.items()} == order.returns
    for name, array in before.items():
        np.testing.assert_array_equal(array, server.state().arrays[name])


def test_a_device_trains_all_the_samples_that_the_clock_counts() -> None:
    """Also one that has fewer examples than its batch: it sees some of them twice."""
    setup = setup_of("fixed-batch", devices=10, seed=4)
    counts = [len(examples) for examples in parts_of(setup).values()]
    assert min(counts) < OPTIONS.batches[-1] < max(counts)
    present = load_fleet("jetson80", 10).devices
    replies = InProcess(SYSTEM, setup)(JointServer(setup).orders(1, present))
    assert {OPTIONS.samples} == {reply.metrics["samples"] for reply in replies.values()}


def test_rows_are_those_of_passes_over_all_examples() -> None:
    """Each example once, then each again; a batch of no more than there are is as elsewhere."""
    few = rows_of(5, batch=8, steps=5, seed=3)
    assert (5, 8) == few.shape
    assert [8] * 5 == np.bincount(few.ravel()).tolist()
    assert list(range(5)) == sorted(few.ravel()[5:10])
    plain = list(batches(20, batch=8, steps=5, seed=3))
    np.testing.assert_array_equal(plain, rows_of(20, batch=8, steps=5, seed=3))


def test_models_are_averaged_by_the_samples_that_they_have_seen() -> None:
    """Three parts to one."""
    replies = [
        Reply(arrays={"w": np.full(2, value, np.float32)}, metrics={"samples": samples})
        for value, samples in ((0.0, 100.0), (4.0, 300.0))
    ]
    np.testing.assert_allclose([3, 3], averaged(replies)["w"])


def test_the_learning_rate_follows_the_batch_by_the_rule() -> None:
    """As the server tells each device."""
    server = JointServer(setup_of(options={"rule": "linear", "learning_rate": 0.1}))
    for order in server.orders(1, load_fleet("jetson80", 6).devices).values():
        batch = order.settings["batch"]
        assert isinstance(batch, int)
        assert 0.1 * batch / 16 == pytest.approx(order.settings["learning_rate"])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"task": "topics"}, "task must be digits"),
        ({"stand_in": "roberta-base"}, "stand_in must be empty"),
        ({"method": "best"}, "method must be one of joint"),
        ({"options": {"workload": "gpt"}}, "workload must be one of resnet18"),
        ({"options": {"cap_low": 0.9, "cap_high": 0.1}}, "cap_low and cap_high must rise"),
        ({"options": {"batches": [0, 4]}}, "batches must be 1 or more"),
        ({"options": {"samples": 8}}, "samples must be at least the largest batch 64 (got 8)"),
        ({"options": {"samples": 200}}, "(got 200; [16, 32, 64] leave some over)"),
        (
            {
                "options": {
                    "learning_rate": 1e-9,
                    "batches": [256],
                    "samples": 256,
                    "proxy_seeds": 1,
                }
            },
            "learning_rate must let the proxy reach",
        ),
        ({"options": {"rule": "cubic"}}, "options of joint-batch-frequency"),
    ],
)
def test_a_wrong_setup_is_refused_in_words(changes: dict[str, Any], message: str) -> None:
    """Field, requirement, value."""
    with pytest.raises(InvalidInput) as caught:
        JointServer(setup_of(**changes))
    assert message in str(caught.value)
