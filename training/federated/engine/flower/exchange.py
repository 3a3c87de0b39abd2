"""Orders over Flower's grid: devices found by asking, replies waited for and checked."""

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from flwr.app import ConfigRecord, Message, RecordDict
from flwr.app.message_type import MessageType
from flwr.serverapp import Grid

from training.federated.checkpoint import Memories
from training.federated.engine.flower.encode import WHO, Unsound, order_records, reply_of
from training.federated.engine.inprocess import Failure
from training.federated.exchange import Order, Reply, fault

POLL_S = 0.1
LEFT_S = 2.0
"""How often it is looked whether a node that is waited for is still connected."""
LONGEST = 500
"""Characters of a reason that are kept: devices have a say in it."""


class Nodes:
    """Which node is which device.

    In a deployment the name that a node's key was registered under says it, so that no node can
    be another. Nodes without a name (the simulation's) are asked; the first to say a name has it,
    unless a key was registered under it.
    """

    def __init__(self, grid: Grid, *, timeout_s: float) -> None:
        self.grid, self.timeout_s = grid, timeout_s
        self._devices: dict[int, str] = {}

    def connected(self) -> set[int]:
        """The nodes that are there now."""
        return set(self.grid.get_node_ids())

    def by_device(self) -> dict[str, int]:
        """The node of each device that is connected."""
        here = list(self.grid.get_nodes())
        self._devices |= {node.node_id: node.name for node in here if node.name}
        self._ask({node.node_id for node in here} - self._devices.keys())
        found: dict[str, int] = {}
        for node in sorted(here, key=lambda node: not node.name):
            device = self._devices.get(node.node_id)
            if device:
                found.setdefault(device, node.node_id)
        return found

    def wait_for(self, devices: Sequence[str], until_s: float) -> set[str]:
        """Wait until these are connected, or until the time is up; gives those that are not."""
        deadline = time.monotonic() + until_s
        while missing := set(devices) - self.by_device().keys():
            if time.monotonic() > deadline:
                return missing
            time.sleep(POLL_S)
        return set()

    def _ask(self, nodes: Iterable[int]) -> None:
        questions = [
            Message(RecordDict(), node, MessageType.QUERY, ttl=self.timeout_s)
            for node in sorted(nodes)
        ]
        answers = receive(self.grid, questions, self.timeout_s, self.connected)
        for node, answer in answers.items():
            if answer.has_content():
                who = answer.content.config_records.get(WHO) or ConfigRecord()
                self._devices[node] = str(who.get("device", ""))


class FlowerCarrier:
    """A Carrier; `failures` are the replies that were left out. See InProcess.

    An exchange ends when all have answered, or after `timeout_s`; a device that is not connected
    when it begins, or leaves while it lasts, is not waited for.
    """

    def __init__(self, grid: Grid, *, timeout_s: float) -> None:
        self.round = 1
        self.failures: list[Failure] = []
        self.nodes = Nodes(grid, timeout_s=timeout_s)
        self.grid, self.timeout_s = grid, timeout_s

    def __call__(self, orders: Mapping[str, Order]) -> Mapping[str, Reply]:
        """See Exchange."""
        asked = self.asked(orders)
        messages = [
            Message(
                order_records(orders[device], device, self.round),
                node,
                MessageType.TRAIN,
                ttl=self.timeout_s,
                group_id=str(self.round),
            )
            for node, device in asked.items()
        ]
        answers = receive(self.grid, messages, self.timeout_s, self.nodes.connected)
        replies = {}
        for node, device in asked.items():
            try:
                replies[device] = checked(orders[device], answers.get(node))
            except Unsound as error:
                self.left_out(device, str(error))
        return replies

    def asked(self, orders: Mapping[str, Order]) -> dict[int, str]:
        """The devices of orders by their nodes; those that are not connected are left out.

        If none is, one of them is waited for: a server's broken line must not use up rounds.
        """
        deadline = time.monotonic() + self.timeout_s
        while orders.keys().isdisjoint(nodes := self.nodes.by_device()):
            if time.monotonic() > deadline:
                break
            time.sleep(POLL_S)
        for device in orders:
            if device not in nodes:
                self.left_out(device, "not connected")
        return {nodes[device]: device for device in orders if device in nodes}

    def left_out(self, device: str, reason: str) -> None:
        """Write down that nothing of a device reached the server, and why, in a line of text."""
        plain = "".join(letter if letter.isprintable() else " " for letter in reason[:LONGEST])
        self.failures.append(Failure(round=self.round, device=device, reason=plain))

    def memories(self) -> Memories:
        """None: devices remember for themselves."""
        return {}

    def extra(self) -> dict[str, Any]:
        """Nothing."""
        return {}

    def restore(self, memories: Memories, extra: dict[str, Any]) -> None:
        """Nothing to do."""


def checked(order: Order, answer: Message | None) -> Reply:
    """The sound reply in an answer; Unsound says why there is none."""
    if answer is None:
        raise Unsound("no answer in time")
    if answer.has_error():
        raise Unsound(f"the device failed: {answer.error.reason}")
    reply = reply_of(answer.content)
    reason = fault(order, reply)
    if reason is not None:
        raise Unsound(reason)
    return reply


def receive(
    grid: Grid,
    messages: Sequence[Message],
    timeout_s: float,
    connected: Callable[[], set[int]],
) -> dict[int, Message]:
    """The answers to messages by node; nodes that leave are no longer waited for.

    `Grid.send_and_receive` does the same, but looks only every three seconds.
    """
    if not messages:
        return {}
    sent = zip(list(grid.push_messages(messages)), messages, strict=False)
    open_ = {id_: message.metadata.dst_node_id for id_, message in sent if id_}
    deadline = time.monotonic() + timeout_s
    look_at = time.monotonic() + LEFT_S
    answers: dict[int, Message] = {}
    while open_ and time.monotonic() < deadline:
        for answer in grid.pull_messages(list(open_)):
            node = open_.pop(answer.metadata.reply_to_message_id, None)
            if node is not None:
                answers[node] = answer
        if open_ and time.monotonic() > look_at:
            here = connected()
            open_ = {id_: node for id_, node in open_.items() if node in here}
            look_at = time.monotonic() + LEFT_S
        if open_:
            time.sleep(POLL_S)
    return answers
