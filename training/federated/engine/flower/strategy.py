"""Orders as a strategy of Flower's, so that its privacy wrappers work around it."""

from collections.abc import Iterable, Mapping

from flwr.app import ArrayRecord, ConfigRecord, Message, MetricRecord, RecordDict
from flwr.app.message_type import MessageType
from flwr.serverapp import Grid
from flwr.serverapp.strategy import FedAvg

from training.federated.engine.flower.encode import ARRAYS, METRICS, TOLD

WEIGHT = "weight"


class AsStrategy(FedAvg):
    """Sends what it is given, and takes the plain mean of what comes back.

    Aggregation is FedAvg's own (Flower's accountant insists), with equal weights: what the mean
    can change by for one device is then the clipping norm over the number of devices.
    """

    def __init__(self, contents: Mapping[int, RecordDict], *, ttl_s: float) -> None:
        super().__init__(weighted_by_key=WEIGHT)
        self._contents, self._ttl_s = contents, ttl_s

    def configure_train(
        self, server_round: int, arrays: ArrayRecord, config: ConfigRecord, grid: Grid
    ) -> Iterable[Message]:
        """One message for each node, with what a wrapper adds to the configuration."""
        del arrays, grid
        for content in self._contents.values():
            content.config_records[TOLD].update(config)
        return [
            Message(content, node, MessageType.TRAIN, ttl=self._ttl_s, group_id=str(server_round))
            for node, content in self._contents.items()
        ]


def weighted_equally(answer: Message) -> Message:
    """An answer that counts once, with nothing in it but its arrays, in the order of their names.

    Flower's clipping pairs arrays by their place.
    """
    arrays = answer.content.array_records[ARRAYS]
    answer.content = RecordDict(
        {
            ARRAYS: ArrayRecord({name: arrays[name] for name in sorted(arrays)}),
            METRICS: MetricRecord({WEIGHT: 1.0}),
        }
    )
    return answer
