"""A grid of Flower's without a network: nodes run the ClientApp when they are asked for replies."""

from collections.abc import Callable, Iterable, Mapping
from copy import deepcopy
from typing import Any
from uuid import uuid4

from flwr.app import Context, Error, Message, RecordDict
from flwr.proto.node_pb2 import NodeInfo
from flwr.serverapp import Grid

from training.federated.engine.flower.client_app import make_client_app

Change = Callable[[Message], Message | None]
"""What becomes of an answer on its way; None loses it."""


class LocalGrid(Grid):
    """Nodes 11, 12, ... are the devices; `changes` meddles with their answers."""

    def __init__(
        self, devices: Iterable[str], told: Mapping[str, Any], changes: Mapping[str, Change] = {}
    ) -> None:
        self.names = {11 + index: name for index, name in enumerate(devices)}
        self.changes = changes
        self.gone: set[str] = set()
        self.sent: list[Message] = []
        self._app = make_client_app(told)
        self._contexts = {
            node: Context(
                run_id=1,
                node_id=node,
                node_config={"device": name},
                state=RecordDict(),
                run_config={},
            )
            for node, name in self.names.items()
        }
        self._waiting: dict[str, Message] = {}

    def set_run(self, run: Any) -> None:
        """Not needed."""

    @property
    def run(self) -> Any:
        """Not needed."""
        raise NotImplementedError

    def create_message(self, *args: Any, **kwargs: Any) -> Message:
        """Not needed."""
        raise NotImplementedError

    def get_node_ids(self) -> list[int]:
        """Who is there."""
        return [node for node, name in self.names.items() if name not in self.gone]

    def get_nodes(self) -> list[NodeInfo]:
        """Who is there; without names, as the simulation has it."""
        return [NodeInfo(node_id=node) for node in self.get_node_ids()]

    def push_messages(self, messages: Iterable[Message]) -> list[str]:
        """Take messages."""
        ids = []
        for message in messages:
            message.metadata.__dict__["_message_id"] = str(uuid4())
            self.sent.append(message)
            self._waiting[message.metadata.message_id] = deepcopy(message)
            ids.append(message.metadata.message_id)
        return ids

    def pull_messages(self, message_ids: Iterable[str]) -> list[Message]:
        """Have nodes do what they were sent, and bring what is left of their answers."""
        answers = []
        for id_ in message_ids:
            if id_ not in self._waiting:
                continue
            message = self._waiting.pop(id_)
            name = self.names[message.metadata.dst_node_id]
            answer: Message | None = self._answer(message)
            if answer is not None and message.metadata.message_type != "query":
                answer = self.changes.get(name, lambda same: same)(answer)
            if answer is not None:
                answers.append(answer)
        return answers

    def send_and_receive(
        self, messages: Iterable[Message], *, timeout: float | None = None
    ) -> list[Message]:
        """Both at once."""
        del timeout
        return self.pull_messages(self.push_messages(messages))

    def _answer(self, message: Message) -> Message:
        try:
            return self._app(message, self._contexts[message.metadata.dst_node_id])
        except Exception as error:  # noqa: BLE001  # as a SuperNode does with any app
            return Message(Error(code=1, reason=repr(error)), reply_to=message)
