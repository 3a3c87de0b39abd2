"""The kernel's power allocator ("IPA"): a PID controller's power budget, shared among the clusters.

Source: Documentation/driver-api/thermal/power_allocator.rst @3993a8abd475,
drivers/thermal/gov_power_allocator.c @03c11eb3b16d (with the correction of divvy_up_power, 6.14,
that makes weights count) and drivers/thermal/cpufreq_cooling.c @03ab8e6297ac. Units here are W and
K where the kernel has mW and milli-degC in 10-bit fixed point; its roundings are left out.

Trips, polling period and sustainable power are the board file's [protection], the weights its
clusters' `thermal_weight`. The kernel reads the sensor anew every polling period; a governor has
the reading that the board shows, which may be older, and several polls may fall into one of its
rounds: their errors are all integrated, and the last one's budget is shared out.
"""

from collections.abc import Sequence

from msgspec import Struct

from platforms.board import Board, ThermalProtection
from platforms.platform import Observation
from rm.policies.energy_model import EnergyModel, PerformanceDomain

UNIT_WEIGHT = 1024
"""A `thermal_weight` (contribution) that leaves a request as it is (FRAC_BITS 10)."""

LEAST_LOAD = 0.01
"""CPUs' worth of load that an idle cluster is given when power becomes a frequency (the kernel's
``last_load ?: 1``, in percent)."""


class PidConstants(Struct, frozen=True, kw_only=True):
    """Gains of the controller, W/K.

    `k_po` while the temperature is over the target, `k_pu` while it is under; `k_i` for the sum of
    errors (one a poll), `k_d` for the last difference. Errors below `integral_cutoff_k` are summed.
    """

    k_po: float
    k_pu: float
    k_i: float
    k_d: float = 0.0
    integral_cutoff_k: float = 0.0


def estimate_pid_constants(sustainable_w: float, control_k: float) -> PidConstants:
    """The kernel's defaults; `control_k` lies between the switch-on and the target temperature.

    >>> estimate_pid_constants(4.0, 20.0).k_pu
    0.4
    """
    k_pu = 2.0 * sustainable_w / control_k
    return PidConstants(k_po=sustainable_w / control_k, k_pu=k_pu, k_i=k_pu / 10.0)


class PidController:
    """``budget = sustainable + k_p e + k_i sum(e) + k_d de``, e being target minus temperature.

    With the default cut-off of 0 only overshoot is summed, and only `reset` forgets it.
    """

    def __init__(self, constants: PidConstants, sustainable_w: float, target_c: float) -> None:
        """A controller that has seen nothing."""
        self._k = constants
        self._sustainable_w = sustainable_w
        self._target_c = target_c
        self.reset()

    def reset(self) -> None:
        """Forget all errors."""
        self.error_sum_k = 0.0
        self._last_error_k = 0.0

    def budget_w(self, temp_c: float, most_w: float) -> float:
        """The power to share out until the next poll, 0 to `most_w`."""
        k, error_k = self._k, self._target_c - temp_c
        proportional_w = (k.k_po if error_k < 0.0 else k.k_pu) * error_k
        summed_k = self.error_sum_k + error_k
        # Anti-windup: the integral never outgrows what the clusters can take.
        if error_k < k.integral_cutoff_k and abs(k.k_i * summed_k) < most_w:
            self.error_sum_k = summed_k
        derivative_w = k.k_d * (error_k - self._last_error_k)
        self._last_error_k = error_k
        budget_w = self._sustainable_w + proportional_w + k.k_i * self.error_sum_k + derivative_w
        return min(max(budget_w, 0.0), most_w)


def divvy_up(
    requested_w: Sequence[float], most_w: Sequence[float], budget_w: float
) -> tuple[float, ...]:
    """Share a budget in proportion to (weighted) requests, no one more than `most_w`.

    What an actor cannot take goes to the others in proportion to what they still can. Where nobody
    requests anything everybody may have its most (a later patch of the kernel; older ones give all
    nothing, and the next load starts at the lowest frequency).

    >>> divvy_up([1.0, 1.0, 1.0], [9.0, 9.0, 9.0], 6.0)
    (2.0, 2.0, 2.0)
    """
    total_w = sum(requested_w)
    if total_w <= 0.0:
        return tuple(most_w)
    shares = [budget_w * request_w / total_w for request_w in requested_w]
    granted = [min(pair) for pair in zip(shares, most_w, strict=True)]
    surplus_w = sum(shares) - sum(granted)
    room = [most - grant for most, grant in zip(most_w, granted, strict=True)]
    room_w = sum(room)
    if surplus_w <= 0.0 or room_w <= 0.0:
        return tuple(granted)
    part = min(1.0, surplus_w / room_w)
    return tuple([grant + part * left for grant, left in zip(granted, room, strict=True)])


class PowerAllocator:
    """Caps on the clusters' operating points while the protected sensor is warm."""

    def __init__(self, board: Board, model: EnergyModel, protection: ThermalProtection) -> None:
        """Nothing is capped yet; the constants are the kernel's defaults for the protection."""
        self._model = model
        self._protection = protection
        weights = [cluster.thermal_weight for cluster in board.clusters]
        # Where nobody has a weight all are equal, as in the kernel.
        self._weights = [
            (weight if any(weights) else UNIT_WEIGHT) / UNIT_WEIGHT for weight in weights
        ]
        self._highest = board.highest_opps
        self._most_w = [
            _power_w(d, top) for d, top in zip(model.domains, self._highest, strict=True)
        ]
        target_c, sustainable_w = protection.target_c, protection.sustainable_w
        constants = estimate_pid_constants(sustainable_w, target_c - protection.switch_on_c)
        self._pid = PidController(constants, sustainable_w, target_c)
        self._since_poll_s = 0.0
        self.caps = self._highest

    def update(self, observation: Observation, core_util: Sequence[float]) -> tuple[int, ...]:
        """The highest operating points allowed now.

        `core_util` (1024: the strongest core, full) says what the clusters draw. While the board
        does not show the protected sensor nothing changes.
        """
        temp_c = self._temp_c(observation)
        if temp_c is None:
            return self.caps
        if temp_c < self._protection.switch_on_c:
            self._pid.reset()
            self._since_poll_s = 0.0
            self.caps = self._highest
            return self.caps
        self._since_poll_s += observation.window_s
        polls = int(self._since_poll_s / self._protection.polling_s + 1e-6)
        self._since_poll_s -= polls * self._protection.polling_s
        budgets_w = [self._pid.budget_w(temp_c, sum(self._most_w)) for _ in range(polls)]
        if budgets_w:
            self.caps = self._caps(budgets_w[-1], observation.opp_index, core_util)
        return self.caps

    def _temp_c(self, observation: Observation) -> float | None:
        shown = (r.temp_c for r in observation.temperatures if r.sensor == self._protection.sensor)
        return next(shown, None)

    def _caps(
        self, budget_w: float, opp_index: Sequence[int], core_util: Sequence[float]
    ) -> tuple[int, ...]:
        domains = self._model.domains
        loads = [_load(domain, core_util) for domain in domains]
        requested_w = [
            weight * load * domain.states[opp].power_w
            for weight, load, domain, opp in zip(
                self._weights, loads, domains, opp_index, strict=True
            )
        ]
        granted_w = divvy_up(requested_w, self._most_w, budget_w)
        return tuple(map(_state_within, domains, granted_w, loads))


def _power_w(domain: PerformanceDomain, state: int) -> float:
    """All CPUs busy at a state (state2power)."""
    return len(domain.cores) * domain.states[state].power_w


def _load(domain: PerformanceDomain, core_util: Sequence[float]) -> float:
    """How many CPUs' worth of load the domain has (get_load, summed over its CPUs)."""
    return sum([min(1.0, core_util[core] / domain.capacity) for core in domain.cores])


def _state_within(domain: PerformanceDomain, granted_w: float, load: float) -> int:
    """The highest state at which so much load takes at most `granted_w`, else the lowest.

    (power2state.)
    """
    cpu_w = granted_w / max(load, LEAST_LOAD)
    within = [state for state, power_w in enumerate(domain.powers_w) if power_w <= cpu_w]
    return max(within, default=0)
