"""Differential privacy by Flower's own wrappers, with its accountant, around one exchange."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from flwr.app import Array, ArrayRecord, ConfigRecord, Message
from flwr.serverapp import Grid
from flwr.serverapp.exception import PrivacyBudgetExhausted
from flwr.serverapp.strategy import (
    DifferentialPrivacyClientSideFixedClipping,
    DifferentialPrivacyServerSideFixedClipping,
)
from flwr.supercore.privacy_accounting import (
    NeighboringRelation,
    PrivacyConfig,
    SamplingMethod,
)
from flwr.supercore.privacy_accounting.rdp_accountant import RdpAccountant
from numpy.typing import NDArray

from training.federated.checkpoint import Memories
from training.federated.engine.flower.encode import Unsound, array_of, order_records
from training.federated.engine.flower.exchange import FlowerCarrier, checked, receive
from training.federated.engine.flower.strategy import AsStrategy, weighted_equally
from training.federated.exchange import Arrays, Order, Reply
from training.federated.privacy import Privacy, everybody_sent, shared_arrays
from training.federated.running import BudgetSpent

_WRAPPERS = {
    "server": DifferentialPrivacyServerSideFixedClipping,
    "client": DifferentialPrivacyClientSideFixedClipping,
}


class PrivateCarrier(FlowerCarrier):
    """An exchange whose server sees nothing of arrays but their clipped mean with noise.

    The mean is released only if every device that was asked has sent a sound reply: noise is
    measured for that number. Numbers beside the arrays (samples, losses) are not protected, as
    Flower says of its own.
    """

    def __init__(self, grid: Grid, *, timeout_s: float, privacy: Privacy, population: int) -> None:
        super().__init__(grid, timeout_s=timeout_s)
        self.privacy = privacy
        self._accountant = RdpAccountant(
            PrivacyConfig(
                target_delta=privacy.delta,
                population_size=population,
                neighboring_relation=NeighboringRelation.ADD_OR_REMOVE_ONE,
                sampling_method=SamplingMethod.NO_AMPLIFICATION,
                max_epsilon=privacy.max_epsilon or None,
            )
        )

    def __call__(self, orders: Mapping[str, Order]) -> Mapping[str, Reply]:
        """See Exchange."""
        current = shared_arrays(orders, alone=self.privacy.side == "client")
        asked = self.asked(orders)
        if not asked:
            return {}
        wrapper = self._wrapper(
            {
                node: order_records(orders[device], device, self.round)
                for node, device in asked.items()
            }
        )
        try:
            sent = wrapper.configure_train(self.round, _record(current), ConfigRecord(), self.grid)
        except PrivacyBudgetExhausted as error:
            raise BudgetSpent(str(error)) from error
        answers = receive(self.grid, list(sent), self.timeout_s, self.nodes.connected)
        replies, sound = self._sound(asked, orders, current, answers)
        released, _ = wrapper.aggregate_train(self.round, sound)
        if released is None:
            for device in replies:
                self.left_out(device, f"nothing is released: {len(sound)} of {len(asked)} answered")
            return {}
        mean = {name: array_of(released[name]) for name in current}
        return everybody_sent(mean, replies)

    def _wrapper(self, contents: Mapping[int, Any]) -> Any:
        return _WRAPPERS[self.privacy.side](
            AsStrategy(contents, ttl_s=self.timeout_s),
            self.privacy.noise_multiplier,
            self.privacy.clipping_norm,
            len(contents),
            accountant=self._accountant,
        )

    def _sound(
        self,
        asked: Mapping[int, str],
        orders: Mapping[str, Order],
        current: Arrays,
        answers: Mapping[int, Message],
    ) -> tuple[dict[str, Reply], list[Message]]:
        replies, sound = {}, []
        for node, device in asked.items():
            answer = answers.get(node)
            try:
                replies[device] = checked(orders[device], answer)
                _check_changed(current, replies[device].arrays)
            except Unsound as error:
                replies.pop(device, None)
                self.left_out(device, str(error))
            else:
                assert answer is not None
                sound.append(weighted_equally(answer))
        return replies, sound

    def extra(self) -> dict[str, Any]:
        """What was spent, and the accountant's state."""
        spent = self._accountant.get_privacy_spent()
        told = {"epsilon": spent.epsilon, "delta": spent.delta, "releases": spent.num_releases}
        return {"privacy": told, "accountant": self._accountant.state_dict()}

    def restore(self, memories: Memories, extra: dict[str, Any]) -> None:
        """What was spent before stays spent."""
        super().restore(memories, extra)
        self._accountant.load_state_dict(extra["accountant"])


def _check_changed(current: Arrays, arrays: Arrays) -> None:
    """Unsound where nothing changed: Flower's clipping divides by the norm of the change."""
    if all(np.array_equal(current[name], array) for name, array in arrays.items()):
        raise Unsound("must change something (Flower's clipping divides by the change)")


def _record(arrays: Mapping[str, NDArray[Any]]) -> ArrayRecord:
    """In the order in which replies are, by name."""
    return ArrayRecord({name: Array(np.asarray(arrays[name])) for name in sorted(arrays)})
