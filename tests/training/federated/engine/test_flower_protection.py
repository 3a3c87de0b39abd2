"""Tests of differential privacy and secure aggregation as Flower has them, around our exchanges."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from flwr.app import Array, ArrayRecord, ConfigRecord, Context, Message, RecordDict
from flwr.app.message_type import MessageType
from flwr.common.secure_aggregation.secaggplus_constants import RECORD_KEY_CONFIGS, Key

from tests.training.federated.engine.local_grid import Change, LocalGrid
from tests.training.federated.engine.test_flower_exchange import (
    FIRST,
    NAMES,
    SETUP,
    order,
    other_shape,
    told,
)
from tests.training.federated.toy import SYSTEM as TOY
from tests.training.federated.toy import toy_setup
from training.federated.engine.flower.encode import ARRAYS
from training.federated.engine.flower.private import PrivateCarrier
from training.federated.engine.flower.secure import SecureCarrier
from training.federated.engine.flower.strategy import weighted_equally
from training.federated.engine.inprocess import InProcess
from training.federated.exchange import Order
from training.federated.privacy import NotUniform, Privacy, check_protection, shared_arrays
from training.federated.running import BudgetSpent
from training.federated.system import System

NO_NOISE = 1e-9


def private(
    *, changes: dict[str, Change] | None = None, population: int = len(NAMES), **privacy: Any
) -> PrivateCarrier:
    """An exchange with privacy over nodes in this process."""
    asked = Privacy(**privacy)
    grid = LocalGrid(NAMES, told(clip=asked.side == "client"), changes or {})
    return PrivateCarrier(grid, timeout_s=1.0, privacy=asked, population=population)


def changes_of(devices: Any) -> np.ndarray[Any, Any]:
    """What each device would change, in a row each."""
    replies = InProcess(TOY, toy_setup(seed=SETUP.seed))(order())
    start = order()[FIRST].arrays["weights"]
    return np.stack([(replies[name].arrays["weights"] - start).ravel() for name in devices])


@pytest.mark.parametrize("side", ["server", "client"])
def test_every_device_counts_with_its_clipped_change(side: str) -> None:
    """With next to no noise the mean is that of clipped changes, computed here by hand."""
    norm = 0.3
    replies = private(side=side, noise_multiplier=NO_NOISE, clipping_norm=norm)(order())
    whole = changes_of(NAMES)
    norms = np.linalg.norm(whole, axis=1, keepdims=True)
    assert (norms > norm).all(), "there is something to clip"
    expected = (whole * np.minimum(1, norm / norms)).mean(axis=0)
    start = order()[FIRST].arrays["weights"].ravel()
    for name in NAMES:
        got = replies[name].arrays["weights"].ravel() - start
        np.testing.assert_allclose(got, expected, atol=1e-7)


@pytest.mark.parametrize("side", ["server", "client"])
def test_noise_is_as_large_as_the_accountant_assumes(
    side: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its standard deviation is noise multiplier times clipping norm over devices."""
    asked: list[float] = []

    def normal(_: float, deviation: float, shape: tuple[int, ...]) -> np.ndarray[Any, Any]:
        asked.append(deviation)
        return np.full(shape, deviation)

    monkeypatch.setattr("numpy.random.normal", normal)
    plain = private(side=side, noise_multiplier=NO_NOISE, clipping_norm=0.3)(order())
    noisy = private(side=side, noise_multiplier=2.0, clipping_norm=0.3)(order())
    deviation = 2.0 * 0.3 / len(NAMES)
    assert deviation == pytest.approx(asked[-1])
    difference = noisy[FIRST].arrays["weights"] - plain[FIRST].arrays["weights"]
    np.testing.assert_allclose(difference, deviation, atol=1e-7)


def test_the_server_learns_the_same_from_every_device() -> None:
    """Only the mean with noise reaches it, whatever it does with single replies."""
    replies = private(clipping_norm=0.3)(order())
    assert 1 == len({reply.arrays["weights"].tobytes() for reply in replies.values()})


def test_epsilon_is_that_of_the_gaussian_mechanism() -> None:
    """Composed Gaussians: RDP at order a is a T / (2 z^2), turned into epsilon, is no less."""
    carrier = private(noise_multiplier=4.0, delta=1e-5)
    for carrier.round in (1, 2, 3):
        carrier(order())
    spent = carrier.extra()["privacy"]
    mu = math.sqrt(3) / 4.0
    best = mu**2 / 2 + mu * math.sqrt(2 * math.log(1 / 1e-5))
    assert (3, 1e-5) == (spent["releases"], spent["delta"])
    assert 0.7 * best < spent["epsilon"] <= 1.001 * best


def test_what_was_spent_stays_spent_when_a_run_is_resumed() -> None:
    """The accountant goes into the checkpoint."""
    first = private(noise_multiplier=4.0)
    first(order())
    second = private(noise_multiplier=4.0)
    second.restore({}, first.extra())
    second.round = 2
    second(order())
    assert 2 == second.extra()["privacy"]["releases"]
    assert first.extra()["privacy"]["epsilon"] < second.extra()["privacy"]["epsilon"]


def test_the_run_ends_before_the_budget_is_exceeded() -> None:
    """What would exceed it is not released."""
    carrier = private(noise_multiplier=1.0, max_epsilon=7.0)
    carrier(order())
    carrier.round = 2
    with pytest.raises(BudgetSpent, match="max_epsilon"):
        carrier(order())
    assert carrier.extra()["privacy"]["epsilon"] <= 7.0


@pytest.mark.parametrize("change", [other_shape, lambda answer: None])
def test_nothing_is_released_if_a_device_fails(change: Change) -> None:
    """Noise is measured for all that were asked: fewer would be less hidden."""
    carrier = private(changes={FIRST: change})
    assert {} == carrier(order())
    assert set(NAMES) == {failure.device for failure in carrier.failures}
    assert 0 == carrier.extra()["privacy"]["releases"]


def test_a_device_that_is_not_there_when_it_begins_is_not_counted() -> None:
    """The noise is then larger, for there are fewer devices."""
    carrier = private(clipping_norm=0.3)
    assert isinstance(carrier.grid, LocalGrid)
    carrier.grid.gone.add(FIRST)
    assert list(NAMES[1:]) == list(carrier(order()))


def test_arrays_are_paired_by_their_names_whatever_order_a_device_sends_them_in() -> None:
    """Flower clips by place: another order would clip the change of nothing that there is."""
    first, second = Array(np.zeros(2)), Array(np.ones(2))
    sent = Message(
        RecordDict({ARRAYS: ArrayRecord({"b": second, "a": first})}), 1, MessageType.TRAIN
    )
    assert ["a", "b"] == list(weighted_equally(sent).content.array_records[ARRAYS])


SENT = np.zeros((2, 2))


@pytest.mark.parametrize(
    ("orders", "reason"),
    [
        ({"a": Order()}, "must return arrays"),
        (
            {
                "a": Order(arrays={"w": SENT}, returns={"w": (2, 2)}),
                "b": Order(arrays={"w": SENT}, returns={"v": (2, 2)}),
            },
            "the same arrays \\(a and b differ\\)",
        ),
        ({"a": Order(arrays={}, returns={"w": (2, 2)})}, "was not sent"),
        ({"a": Order(arrays={"w": SENT}, returns={"w": (4,)})}, "was not sent"),
        (
            {"a": Order(arrays={"w": np.zeros(3, np.int64)}, returns={"w": (3,)})},
            "floating point \\(got int64\\)",
        ),
        (
            {
                "a": Order(arrays={"w": SENT}, returns={"w": (2, 2)}),
                "b": Order(arrays={"w": SENT + 1}, returns={"w": (2, 2)}),
            },
            "the same for all devices \\(not so for b\\)",
        ),
    ],
)
def test_a_round_that_is_no_mean_of_equal_arrays_is_refused(
    orders: dict[str, Order], reason: str
) -> None:
    """Clipping and masks would be of something else."""
    with pytest.raises(NotUniform, match=reason):
        shared_arrays(orders)


def test_clipping_by_the_client_needs_orders_without_anything_else() -> None:
    """Flower's mod compares what is returned with all that was sent."""
    orders = {"a": Order(arrays={"w": SENT, "frozen": SENT}, returns={"w": (2, 2)})}
    assert ["w"] == list(shared_arrays(orders))
    with pytest.raises(NotUniform, match="also sent: frozen"):
        shared_arrays(orders, alone=True)


def test_a_system_is_judged_by_its_first_orders() -> None:
    """Before anything is started."""
    check_protection(TOY, toy_setup(), alone=True)

    class Unequal(TOY.server):  # type: ignore[misc,name-defined]
        def orders(self, round_: int, present: Any) -> Any:
            orders = super().orders(round_, present)
            return {name: Order(returns={name: (1,)}) for name in orders}

    unequal = System(**{**TOY.__dict__, "server": Unequal})
    with pytest.raises(NotUniform, match=r"toy:SYSTEM, method toy, cannot be protected so"):
        check_protection(unequal, toy_setup(), alone=False)


def secure(changes: dict[str, Change] | None = None) -> SecureCarrier:
    """An exchange with secure aggregation over nodes in this process."""
    context = Context(run_id=1, node_id=1, node_config={}, state=RecordDict(), run_config={})
    grid = LocalGrid(NAMES, told(secure=True), changes or {})
    return SecureCarrier(grid, timeout_s=1.0, context=context)


def test_the_mean_comes_through_secure_aggregation() -> None:
    """To what whole numbers of 22 bits can hold; samples and losses are each device's own."""
    replies = secure()(order())
    expected = changes_of(NAMES).mean(axis=0) + order()[FIRST].arrays["weights"].ravel()
    for name in NAMES:
        np.testing.assert_allclose(
            replies[name].arrays["weights"].ravel(), expected, atol=16 / 2**22
        )
        assert 20.0 == replies[name].metrics["samples"]


def test_the_server_sees_no_update_in_the_clear() -> None:
    """What nodes send in any stage holds nothing like their own weights."""
    seen: list[Message] = []

    def look(answer: Message) -> Message:
        seen.append(answer)
        return answer

    secure(dict.fromkeys(NAMES, look))(order())
    own = [
        reply.arrays["weights"].tobytes()
        for reply in InProcess(TOY, toy_setup(seed=SETUP.seed))(order()).values()
    ]
    assert 4 * len(NAMES) == len(seen)
    for answer in seen:
        assert all(not record for record in answer.content.array_records.values())
        for record in answer.content.config_records.values():
            assert not any(part in str(record).encode() for part in own)


def lost_from(stage: int) -> Change:
    """A node that is gone from a stage on."""
    count = 0

    def change(answer: Message) -> Message | None:
        nonlocal count
        count += 1
        return answer if count < stage else None

    return change


def test_a_device_lost_after_its_keys_were_shared_is_left_out_of_the_mean() -> None:
    """The others' shares take its masks away."""
    carrier = secure({FIRST: lost_from(3)})
    replies = carrier(order())
    expected = changes_of(NAMES[1:]).mean(axis=0) + order()[FIRST].arrays["weights"].ravel()
    assert list(NAMES[1:]) == list(replies)
    np.testing.assert_allclose(
        replies[NAMES[1]].arrays["weights"].ravel(), expected, atol=16 / 2**22
    )
    assert FIRST == carrier.failures[0].device


def test_too_few_devices_give_no_mean() -> None:
    """Two of four lost is more than a third."""
    carrier = secure({name: lost_from(3) for name in NAMES[:2]})
    assert {} == carrier(order())
    assert "too few devices" in carrier.failures[0].reason


def nonsense(answer: Message) -> Message:
    """None of what the protocol expects."""
    answer.content = RecordDict(
        {ARRAYS: ArrayRecord({"x": Array(np.zeros(1))}), "x": ConfigRecord()}
    )
    return answer


def test_a_device_that_sends_nonsense_does_not_end_the_run() -> None:
    """Flower's workflow breaks off; the round counts for nothing."""
    carrier = secure({FIRST: nonsense})
    assert {} == carrier(order())
    assert "broke off" in carrier.failures[0].reason


def fewer_arrays(answer: Message) -> Message:
    """A masked vector without its last array."""
    told = answer.content.config_records[RECORD_KEY_CONFIGS]
    if Key.MASKED_PARAMETERS in told:
        told[Key.MASKED_PARAMETERS] = told[Key.MASKED_PARAMETERS][:-1]  # type: ignore[index]
    return answer


@pytest.mark.parametrize("devices", [NAMES[:1], NAMES])
def test_masked_vectors_of_another_length_do_not_end_the_run(devices: Sequence[str]) -> None:
    """What comes out of them is no mean."""
    carrier = secure(dict.fromkeys(devices, fewer_arrays))
    assert {} == carrier(order())
    assert set(NAMES) == {failure.device for failure in carrier.failures}
