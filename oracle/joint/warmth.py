"""How warm every core is at least, whatever is decided: leakage may be taken at that temperature.

A core that serves a target is busy with it for ``target * (compute_s + stall_s)`` of the time and
computes for ``target * compute_s``; so every application brings at least so much power with it,
whoever it shares a core with.
"""

import math

from oracle.joint.compiled import compiled
from oracle.joint.demand import Demand
from oracle.joint.hardware import Floats, Hardware
from oracle.joint.measure import Measure

_ROUNDS = 4
"""Leakage and temperature raise each other; every round is a valid bound."""


@compiled
def leakage_factor(curve: Floats, temp_c: float) -> float:
    """Leakage at a temperature, relative to its reference."""
    raw = curve[0] + temp_c * (curve[1] + temp_c * (curve[2] + temp_c * curve[3]))
    return min(max(raw, curve[4]), curve[5])


@compiled
def least_temperature(board: Hardware, asked: Demand, rated: Measure, cap: float) -> float:
    """No decision within `cap` leaves a core cooler, degC."""
    temp_c = board.ambient_c
    for _ in range(_ROUNDS):
        factor = leakage_factor(board.leakage, temp_c)
        temp_c = board.ambient_c + rated.warmth_shared * _least_shared(board)
        for k in range(len(asked.target_ips)):
            temp_c += _least_rise(board, asked, rated, k, cap, factor)
    return temp_c


@compiled
def _least_shared(board: Hardware) -> float:
    """The shared power of one cluster at least, W."""
    least = math.inf
    for x in range(len(board.sizes)):
        for o in range(board.points[x]):
            least = min(least, board.shared_w[x, o])
    return least


@compiled
def _least_rise(
    board: Hardware, asked: Demand, rated: Measure, k: int, cap: float, factor: float
) -> float:
    """What an application adds to every core's temperature at least, K."""
    rate_ips = asked.target_ips[k] * max(0.0, 1.0 - cap)
    least = math.inf
    for x in range(len(board.sizes)):
        floor = board.activity_floor[x]
        for o in range(board.points[x]):
            computing = rate_ips * asked.compute_s[k, x, o]
            busy = computing + rate_ips * asked.stall_s[k, x]
            if asked.allowed[k, x] and busy <= 1.0 + 1e-9:
                active = asked.activity[k] * (floor * busy + (1.0 - floor) * computing)
                watts = active * board.dynamic_w[x, o] + busy * factor * board.leakage_w[x, o]
                least = min(least, rated.warmth[x] * watts)
    return least if least < math.inf else 0.0
