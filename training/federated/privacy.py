"""Differential privacy of what devices send: what is asked for."""

from typing import Literal

from msgspec import Struct

Side = Literal["server", "client"]


class Privacy(Struct, frozen=True, kw_only=True):
    """Fixed clipping with Gaussian noise, for the record of each device as a whole.

    Changes of the model are clipped to `clipping_norm` (Euclidean) on the server's or the clients'
    `side`; the mean of n devices gets noise of standard deviation
    ``noise_multiplier * clipping_norm / n``. Epsilon is told for `delta`; the run ends before it
    exceeds `max_epsilon` (0: no limit).
    """

    side: Side = "server"
    noise_multiplier: float = 1.0
    clipping_norm: float = 1.0
    delta: float = 1e-5
    max_epsilon: float = 0.0
