"""Secure aggregation by Flower's SecAgg+ workflow, around one exchange."""

from collections.abc import Mapping
from typing import Any, cast

import numpy as np
from flwr.app import Array, ArrayRecord, ConfigRecord, Context, RecordDict
from flwr.common import parameters_to_ndarrays
from flwr.compat.common.typing import FitIns, FitRes
from flwr.server.client_manager import SimpleClientManager
from flwr.server.compat.legacy_context import LegacyContext
from flwr.server.strategy import Strategy
from flwr.server.workflow import SecAggPlusWorkflow
from flwr.server.workflow.constant import MAIN_CONFIGS_RECORD, MAIN_PARAMS_RECORD
from flwr.server.workflow.constant import Key as WorkflowKey
from flwr.serverapp import Grid
from numpy.typing import NDArray

from platforms.errors import InvalidInput
from training.federated.engine.flower.encode import Unsound, order_records
from training.federated.engine.flower.exchange import FlowerCarrier
from training.federated.engine.flower.secure_mod import metrics_of, to_ins
from training.federated.exchange import Arrays, Order, Reply, fault
from training.federated.privacy import shared_arrays

LARGEST = 8.0
"""Parameters beyond this are clipped before they become whole numbers (Flower's default)."""
FEWEST = 3
"""Flower's shares need so many devices."""
THRESHOLD = 2 / 3
"""Share of the devices whose shares unmask the sum: up to a third may be lost on the way."""


class SecureCarrier(FlowerCarrier):
    """An exchange whose server sees nothing of arrays but their mean, with equal weights.

    It is exact to about 2e-6 per parameter (whole numbers of 22 bits within +-8). Numbers beside
    the arrays are not protected.
    """

    def __init__(self, grid: Grid, *, timeout_s: float, context: Context) -> None:
        super().__init__(grid, timeout_s=timeout_s)
        self._context = context

    def __call__(self, orders: Mapping[str, Order]) -> Mapping[str, Reply]:
        """See Exchange."""
        current = shared_arrays(orders, alone=False)
        if max(float(np.abs(array).max(initial=0)) for array in current.values()) > LARGEST:
            raise InvalidInput(f"parameters must be within +-{LARGEST} for secure aggregation")
        asked = self.asked(orders)
        if len(asked) < FEWEST:
            for device in asked.values():
                self.left_out(device, f"secure aggregation needs {FEWEST} devices")
            return {}
        told = _Told(
            {
                node: to_ins(order_records(orders[device], device, self.round))
                for node, device in asked.items()
            }
        )
        workflow = SecAggPlusWorkflow(
            num_shares=1.0,
            reconstruction_threshold=THRESHOLD,
            max_weight=1.0,
            clipping_range=LARGEST,
            timeout=self.timeout_s,
        )
        context = LegacyContext(
            context=self._context, strategy=cast(Strategy, told), client_manager=told.manager
        )
        context.state = RecordDict(
            {
                MAIN_CONFIGS_RECORD: ConfigRecord({WorkflowKey.CURRENT_ROUND: self.round}),
                MAIN_PARAMS_RECORD: ArrayRecord({"0": Array(np.zeros(1))}),
            }
        )
        try:
            workflow(self.grid, context)
        except Exception as error:  # noqa: BLE001  # what nodes sent decides which
            told.mean, told.why = None, f"Flower's workflow broke off: {error!r}"
        return self._replies(orders, asked, told, sorted(current))

    def _replies(
        self,
        orders: Mapping[str, Order],
        asked: Mapping[int, str],
        told: "_Told",
        names: list[str],
    ) -> Mapping[str, Reply]:
        replies: dict[str, Reply] = {}
        if told.mean is not None and len(told.mean) != len(names):
            told.mean, told.why = None, "no aggregate: masked vectors were of another length"
        if told.mean is None:
            for device in asked.values():
                self.left_out(device, told.why)
            return replies
        found = dict(zip(names, told.mean, strict=True))
        for node, device in asked.items():
            order = orders[device]
            mean = {
                name: np.asarray(found[name], order.arrays[name].dtype) for name in order.returns
            }
            result = told.results.get(node)
            if result is None:
                self.left_out(device, "lost while its update was masked or sent")
                continue
            try:
                replies[device] = _sound(order, mean, result)
            except Unsound as error:
                self.left_out(device, str(error))
        return replies


def _sound(order: Order, mean: Arrays, result: FitRes) -> Reply:
    """The mean with a device's own numbers; Unsound where those are none."""
    reply = Reply(arrays=mean, metrics=metrics_of(result))
    if reason := fault(order, reply):
        raise Unsound(reason)
    return reply


class _Proxy:
    """A node, as the workflow knows it."""

    def __init__(self, node_id: int) -> None:
        self.node_id = node_id


class _Told:
    """What the workflow asks a strategy of Flower's older kind: orders out, the mean in."""

    def __init__(self, ins: Mapping[int, FitIns]) -> None:
        self.manager = SimpleClientManager()
        self.mean: list[NDArray[Any]] | None = None
        self.why = "no aggregate: too few devices went through all stages"
        self.results: dict[int, FitRes] = {}
        self._ins = ins

    def configure_fit(self, *_: object) -> list[tuple[_Proxy, FitIns]]:
        """The orders."""
        return [(_Proxy(node), ins) for node, ins in self._ins.items()]

    def aggregate_fit(
        self, _: int, results: list[tuple[_Proxy, FitRes]], failures: list[Exception]
    ) -> tuple[None, dict[str, float]]:
        """The mean: each result holds it in place of its own arrays."""
        del failures
        self.results = {proxy.node_id: result for proxy, result in results}
        if results:
            self.mean = parameters_to_ndarrays(results[0][1].parameters)
        return None, {}
