"""`frequency-cap`: a fixed batch, and frequencies capped so that the limits hold.

This is what power and temperature limits are kept with today, and what the joint choice of
frequency and batch size (arXiv 2502.18323, section "state of the art": keep the batch, lower the
frequency until the cap holds) is compared with. Training runs as with `nice`; above the stock
foreground a controller caps all clusters (`frequency_caps`), the foreground's as well, since a
cluster has one clock.
"""

from platforms.platform import Observation
from rm.policies.energy_model import EnergyModel
from rm.training.baselines.background import Background
from rm.training.baselines.frequency_caps import HeatCap, highest_within
from rm.training.registry import TrainingContext


class FrequencyCap(Background):
    """`nice` within caps."""

    def __init__(self, context: TrainingContext) -> None:
        """The limits are the context's."""
        board = context.board
        super().__init__("frequency-cap", board, context.jobs, tuple(range(board.core_count)))
        self._model = EnergyModel.of(board)
        self._heat = HeatCap(board.highest_opps, context.limits.temp_c)
        self._power_w = context.limits.power_w

    def scale(self, observation: Observation) -> tuple[int, ...]:
        """What the stock governor asks for, as far as the caps allow."""
        within = highest_within(self._model, observation.core_utilisation, self._power_w)
        asked = super().scale(observation)
        capped = zip(asked, self._heat.update(observation), within, strict=True)
        return tuple([min(opps) for opps in capped])


def make(context: TrainingContext) -> FrequencyCap:
    """The policy within the context's limits."""
    return FrequencyCap(context)
