"""Tests of orders over Flower's grid: same numbers as in one process, whatever nodes send."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from flwr.app import Array, ArrayRecord, Context, Message, RecordDict
from flwr.proto.node_pb2 import NodeInfo

from tests.training.federated.engine.awkward import SYSTEM, awkward_setup
from tests.training.federated.engine.local_grid import Change, LocalGrid
from training.federated.engine.flower import client_app, encode
from training.federated.engine.flower.exchange import LONGEST, FlowerCarrier
from training.federated.engine.flower.memory import KEPT_ROUNDS, folder_of_run, remember, remembered
from training.federated.engine.inprocess import InProcess
from training.federated.exchange import Order
from training.federated.fleet import load_fleet
from training.federated.rounds import Record, run_rounds
from training.federated.system import Setup

SETUP = awkward_setup(seed=3)
FLEET = load_fleet(SETUP.fleet, SETUP.devices)
NAMES = tuple(device.name for device in FLEET.devices)
FIRST = NAMES[0]


def told(setup: Setup = SETUP, **more: Any) -> dict[str, Any]:
    """A run's configuration."""
    return {"setup": msgspec.json.encode(setup).decode(), **more}


def play(carrier: Any, rounds: int, setup: Setup = SETUP, before: Record | None = None) -> Any:
    """The server after so many rounds."""
    server = SYSTEM.server(setup)

    def next_round(record: Record, _: Any) -> None:
        carrier.round = record.rounds + 1

    run_rounds(
        server, carrier, FLEET, rounds=rounds, seed=setup.seed, before=before, on_round=next_round
    )
    return server


def flower(*, changes: dict[str, Change] | None = None, **more: Any) -> FlowerCarrier:
    """An exchange over nodes that are in this process."""
    return FlowerCarrier(LocalGrid(NAMES, told(**more), changes or {}), timeout_s=1.0)


def order(names: Sequence[str] = NAMES) -> dict[str, Order]:
    """The first round's orders."""
    orders = SYSTEM.server(SETUP).orders(1, FLEET.devices)  # type: ignore[attr-defined]
    return {name: orders[name] for name in names}


def test_rounds_over_messages_are_those_in_one_process_bit_for_bit() -> None:
    """The devices remember between rounds, and what they remember decides."""
    carrier = flower()
    expected = play(InProcess(SYSTEM, SETUP), 3).weights
    assert expected.tobytes() == play(carrier, 3).weights.tobytes()
    assert [] == carrier.failures


def nothing_as_arrays(answer: Message) -> Message:
    """No arrays at all."""
    answer.content["arrays"] = ArrayRecord()
    return answer


def other_shape(answer: Message) -> Message:
    """Arrays that do not fit."""
    answer.content["arrays"] = ArrayRecord({"weights": Array(np.zeros(4))})
    return answer


def not_a_number(answer: Message) -> Message:
    """The right shape, full of nothing."""
    answer.content["arrays"] = ArrayRecord({"weights": Array(np.full((3, 3), np.nan))})
    return answer


def no_records(answer: Message) -> Message:
    """Nothing in it."""
    answer.content = RecordDict()
    return answer


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (nothing_as_arrays, "arrays must be"),
        (other_shape, "weights must be of shape"),
        (not_a_number, "weights must be finite"),
        (no_records, "must say what it is"),
        (lambda answer: None, "no answer in time"),
    ],
)
def test_a_bad_answer_is_left_out_and_the_others_count(change: Change, reason: str) -> None:
    """The model is what it is without that device."""
    carrier = flower(changes={FIRST: change})
    replies = carrier(order())
    assert list(NAMES[1:]) == list(replies)
    (failure,) = carrier.failures
    assert (FIRST, 1) == (failure.device, failure.round)
    assert reason in failure.reason
    expected = InProcess(SYSTEM, SETUP)(order())
    for name in NAMES[1:]:
        assert (
            expected[name].arrays["weights"].tobytes() == replies[name].arrays["weights"].tobytes()
        )


def test_a_device_that_is_not_connected_is_not_waited_for() -> None:
    """And one that comes back takes part again."""
    carrier = flower()
    grid = carrier.grid
    assert isinstance(grid, LocalGrid)
    grid.gone.add(FIRST)
    assert list(NAMES[1:]) == list(carrier(order()))
    assert "not connected" == carrier.failures[0].reason
    grid.gone.clear()
    assert list(NAMES) == list(carrier(order()))


def test_an_error_in_a_client_is_a_failure_of_that_device_alone() -> None:
    """Its reason is handed on."""
    wrong = order()
    wrong[FIRST] = Order(arrays={}, settings={"round": 1, "steps": 1})
    carrier = flower()
    assert list(NAMES[1:]) == list(carrier(wrong))
    assert "the device failed: KeyError('weights')" == carrier.failures[0].reason


def test_a_reason_that_a_device_gives_is_one_short_line_of_plain_text() -> None:
    """It goes to a terminal and, with every round, into the checkpoint."""

    def loud(answer: Message) -> Message:
        answer.content = RecordDict({"\x1b[2J\n" + "x" * 10**6: ArrayRecord()})
        return answer

    carrier = flower(changes={FIRST: loud})
    carrier(order())
    (failure,) = carrier.failures
    assert failure.reason.startswith("must say what it is")
    assert failure.reason.isprintable()
    assert len(failure.reason) <= LONGEST


def test_a_node_that_only_says_a_name_does_not_take_it_from_the_one_with_the_key() -> None:
    """Even where it is the first that is found."""
    grid = Impostor(NAMES, told())
    assert 12 == FlowerCarrier(grid, timeout_s=1.0).nodes.by_device()[FIRST]


class Impostor(LocalGrid):
    """The first node says that it is a device that the second was registered as."""

    def get_nodes(self) -> Any:
        """See Grid."""
        return [NodeInfo(node_id=11), NodeInfo(node_id=12, name=FIRST)]


def test_a_node_under_another_devices_key_does_nothing() -> None:
    """The server goes by the key's name; a node that takes itself for another device refuses."""
    grid = LocalGrid(NAMES, told())
    mixed = {11: NAMES[1], 12: NAMES[0]}
    carrier = FlowerCarrier(grid, timeout_s=1.0)
    carrier.nodes._devices = {**mixed, 13: NAMES[2], 14: NAMES[3]}
    assert list(NAMES[2:]) == list(carrier(order()))
    assert "WrongDevice" in carrier.failures[0].reason


def test_a_device_with_another_model_of_that_name_is_left_out(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What is frozen does not travel: two pre-trained models would be mixed silently."""
    monkeypatch.setattr(encode, "fingerprints", lambda: {"tiny-2": "a" * 64, "minilm": "b" * 64})
    monkeypatch.setattr(client_app, "fingerprints", lambda: {"tiny-2": "c" * 64})
    carrier = flower()
    assert {} == carrier(order())
    assert "tiny-2 must be the server's, aaaaaaaaaaaa (got cccccccccccc)" in str(
        carrier.failures[0].reason
    )
    monkeypatch.setattr(client_app, "fingerprints", lambda: {"tiny-2": "a" * 64})
    assert set(NAMES) == set(carrier(order()))


def test_waiting_for_devices_tells_who_has_not_come() -> None:
    """The first round begins without them."""
    carrier = flower()
    assert isinstance(carrier.grid, LocalGrid)
    carrier.grid.gone.add(FIRST)
    assert {FIRST} == carrier.nodes.wait_for(NAMES, 0.0)
    carrier.grid.gone.clear()
    assert set() == carrier.nodes.wait_for(NAMES, 0.0)


def test_devices_that_were_restarted_remember_from_disk(tmp_path: Path) -> None:
    """A round that is played again begins with what was known when it began."""
    expected = play(InProcess(SYSTEM, SETUP), 4).weights
    first = flower(memory=str(tmp_path))
    server = play(first, 3)
    middle = play(flower(memory=str(tmp_path / "other")), 2)
    again = SYSTEM.server(SETUP)
    again.restore(middle.state())
    second = flower(memory=str(tmp_path))
    for second.round in (3, 4):
        again.play(second.round, FLEET.devices, second)
    assert server.weights.tobytes() != again.weights.tobytes()  # type: ignore[attr-defined]
    assert expected.tobytes() == again.weights.tobytes()  # type: ignore[attr-defined]


def test_a_device_that_was_away_for_long_still_remembers(tmp_path: Path) -> None:
    """What it knew when it took part last, and no more files than needed."""
    context, later = (
        Context(run_id=1, node_id=1, node_config={}, state=RecordDict(), run_config={})
        for _ in range(2)
    )
    for round_ in range(1, 6):
        remember(context, tmp_path, round_, {"m": np.full(1, round_)})
    assert KEPT_ROUNDS == len(list(tmp_path.iterdir()))
    assert [5] == remembered(later, tmp_path, 20)["m"].tolist()
    assert [4] == remembered(later, tmp_path, 5)["m"].tolist()
    assert {} == remembered(later, tmp_path, 1)
    assert {} == remembered(later, None, 20)
    assert [5] == remembered(context, tmp_path, 20)["m"].tolist()


def test_a_board_tells_what_it_knows_of_one_run_from_another(tmp_path: Path) -> None:
    """A device that joins a new run late would go on from the end of the one before."""
    context = Context(
        run_id=1,
        node_id=1,
        node_config={"device": FIRST, "memory": str(tmp_path)},
        state=RecordDict(),
        run_config={},
    )
    first, second = (client_app.memory_of(context, told(run=run * 16)) for run in "ab")
    remember(context, first, 7, {"m": np.ones(1)})
    context.state = RecordDict()
    assert {} == remembered(context, second, 9)
    assert [1.0] == remembered(context, first, 9)["m"].tolist()


def test_a_board_forgets_runs_of_long_ago(tmp_path: Path) -> None:
    """Its disk is small; what else is in its folder stays."""
    (tmp_path / "other").mkdir()
    for age, run in enumerate("fedcba"):
        os.utime(folder_of_run(tmp_path, run), (age, age))
    assert {"a", "b", "c", "other"} == {path.name for path in tmp_path.iterdir()}
    with pytest.raises(ValueError, match="hexadecimal"):
        folder_of_run(tmp_path, "../x")


def test_if_nobody_is_connected_a_device_is_waited_for() -> None:
    """It comes while the exchange waits."""
    carrier = FlowerCarrier(LateGrid(NAMES, told()), timeout_s=30.0)
    assert [FIRST] == list(carrier(order([FIRST])))
    assert [] == carrier.failures


class LateGrid(LocalGrid):
    """Nobody is there at the first look."""

    looks = 0

    def get_nodes(self) -> Any:
        """See Grid."""
        self.looks += 1
        return super().get_nodes() if self.looks > 1 else []
