"""Tests of the engine in one process: what reaches the server, what does not, and what is kept."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.training.federated.toy import SYSTEM, ToyClient, ToyServer, toy_setup
from training.federated.engine.inprocess import Failure, InProcess
from training.federated.exchange import Order, Reply
from training.federated.system import Client, Setup, System

SETUP = toy_setup(seed=5)
NAMES = ("fast-01", "fast-02", "slow-01", "slow-02")
DEVICES = ToyServer(SETUP).fleet.devices


def orders(round_: int = 1) -> Mapping[str, Order]:
    """What the toy's server orders."""
    return ToyServer(SETUP).orders(round_, DEVICES)


class Meddler:
    """A client that changes what it was given, and keeps hold of what it sends and remembers."""

    def __init__(self, setup: Setup, device: str) -> None:
        self.kept = np.ones((3, 3))

    def act(self, order: Order, memory: dict[str, NDArray[Any]]) -> Reply:
        """See Client."""
        order.arrays["weights"][:] = 7.0
        self.kept += 1.0
        if "old" in memory:
            assert 2.0 == memory["old"][0, 0]
        else:
            memory["old"] = self.kept
        return Reply(arrays={"weights": self.kept}, metrics={"samples": 1.0, "loss": 0.0})


class Wrong(ToyClient):
    """A client that sends numbers that are none, from one device."""

    def __init__(self, setup: Setup, device: str) -> None:
        super().__init__(setup, device)
        self.bad = device == "slow-01"

    def act(self, order: Order, memory: dict[str, NDArray[Any]]) -> Reply:
        """See Client."""
        reply = super().act(order, memory)
        bad = {"weights": np.full((3, 3), np.nan)}
        return Reply(arrays=bad, metrics=reply.metrics) if self.bad else reply


def with_client(client: Any) -> System:
    """The toy with another client."""
    return replace(SYSTEM, client=client)


def test_replies_come_in_the_order_of_the_orders() -> None:
    """Sums in floating point depend on it."""
    exchange = InProcess(SYSTEM, SETUP)
    backwards = dict(reversed(orders().items()))
    assert NAMES == tuple(exchange(orders()))
    assert NAMES[::-1] == tuple(exchange(backwards))
    assert [] == exchange.failures


def test_an_unsound_reply_is_left_out_and_told() -> None:
    """What is not finite must not reach the model."""
    exchange = InProcess(with_client(Wrong), SETUP)
    exchange.round = 4
    assert ("fast-01", "fast-02", "slow-02") == tuple(exchange(orders()))
    failure = Failure(round=4, device="slow-01", reason="weights must be finite")
    assert [failure] == exchange.failures


def test_neither_side_can_change_what_the_other_holds() -> None:
    """Over a network it could not either; a mistake must show in the engine of tests."""
    exchange = InProcess(with_client(Meddler), SETUP)
    server = ToyServer(SETUP)
    asked = server.orders(1, DEVICES)
    first = exchange(asked)
    second = exchange(asked)
    assert 0.0 == np.abs(server.weights).max()
    assert 2.0 == first["fast-01"].arrays["weights"][0, 0], "a reply is as it was when sent"
    assert 3.0 == second["fast-01"].arrays["weights"][0, 0]


def test_a_devices_memory_outlives_its_orders() -> None:
    """It is all that a device keeps; devices share nothing."""
    asked: dict[str, list[int]] = {}

    class Counts(ToyClient):
        def __init__(self, setup: Setup, device: str) -> None:
            super().__init__(setup, device)
            self.device = device

        def act(self, order: Order, memory: dict[str, NDArray[Any]]) -> Reply:
            reply = super().act(order, memory)
            asked.setdefault(self.device, []).append(int(memory["asked"][0]))
            return reply

    exchange = InProcess(with_client(Counts), SETUP)
    exchange(orders(1))
    exchange({"slow-02": orders(2)["slow-02"]})
    assert {"fast-01": [1], "fast-02": [1], "slow-01": [1], "slow-02": [1, 2]} == asked


def test_clients_are_built_for_devices_that_are_asked() -> None:
    """A fleet may be large, and a round small."""
    built: list[str] = []

    def client(setup: Setup, device: str) -> Client:
        built.append(device)
        return ToyClient(setup, device)

    exchange = InProcess(with_client(client), SETUP)
    exchange({"slow-01": orders()["slow-01"]})
    exchange({"slow-01": orders()["slow-01"]})
    assert ["slow-01"] == built


def lost(share: float, rounds: int = 300) -> list[tuple[int, str]]:
    """Which device was lost in which round."""
    exchange = InProcess(SYSTEM, SETUP, drop_share=share)
    for round_ in range(1, rounds + 1):
        exchange.round = round_
        exchange(orders(round_))
    assert {"lost"} == {failure.reason for failure in exchange.failures}
    return [(failure.round, failure.device) for failure in exchange.failures]


def test_the_share_of_lost_devices_is_as_asked() -> None:
    """1,200 throws at 0.3: within four standard deviations, 0.053."""
    assert len(lost(0.3)) / 1200 == pytest.approx(0.3, abs=0.053)


def test_who_is_lost_depends_on_seed_round_and_device_alone() -> None:
    """All methods lose the same devices, so that differences are paired."""
    exchange = InProcess(SYSTEM, SETUP, drop_share=0.3)
    for round_ in reversed(range(1, 21)):
        exchange.round = round_
        for device in NAMES:
            exchange({device: orders(round_)[device]})
            exchange({device: orders(round_)[device]})
    found = [(failure.round, failure.device) for failure in exchange.failures]
    assert set(lost(0.3, rounds=20)) == set(found)
    assert 2 * len(set(found)) == len(found), "lost once, lost for the round"


def test_a_mistake_in_a_client_is_raised() -> None:
    """A study that hides it would measure something else."""

    class Broken(ToyClient):
        def act(self, order: Order, memory: dict[str, NDArray[Any]]) -> Reply:
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        InProcess(with_client(Broken), SETUP)(orders())
