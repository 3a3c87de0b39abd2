"""What the sensors of a network show over a run, for many parameter vectors at once.

Every step of constant power is exact (the matrix exponential in the eigenbasis). Leakage, where it
is modelled, is taken where the cores will be in the middle of the step.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from platforms.simulated.power import LeakageShape
from traces.calibration.thermal_data import ThermalRun
from traces.calibration.thermal_network import Modes, ThermalPlan

Vector = NDArray[np.float64]
Matrix = NDArray[np.float64]

_GRID_S = 1e-6
"""Steps are told apart down to this."""

_SETTLING = 30
"""Repetitions of leakage on temperature: at a feedback of 0.5 they leave a billionth."""


def respond(
    plan: ThermalPlan,
    thetas: Matrix,
    run: ThermalRun,
    start_c: Vector,
    shape: LeakageShape | None = None,
) -> Matrix:
    """What the sensors show (networks x steps x sensors, degC) for each row of `thetas`.

    `start_c` is the ambient node's temperature at the start, per network; the others are settled on
    it under the first step's power. Runs that carry their own `start_c` begin evenly warm there.
    """
    modes = plan.networks(thetas, run.cooling)
    heat = _node_power(plan, run, modes.rates.shape[1])
    drive = np.einsum("pnm,tn->tpm", modes.rise, heat, optimize=True)
    leakage = _Leakage.of(plan, modes, run, shape)
    if run.settled:
        path = _settle(modes, drive, leakage)
    else:
        z0 = modes.of_field(_start(plan, run, modes, heat[0], start_c))
        path = _march(modes, run, z0, _shifted(plan, thetas, run, drive), leakage)
    shown = np.einsum("psm,tpm->pts", modes.reads, path, optimize=True)
    shown += modes.air_c[:, None, None]
    for i, sensor in enumerate(plan.sensors):
        if sensor.name in plan.level:
            shown[:, :, i] += thetas[:, plan.names.index(plan.level[sensor.name])][:, None]
    return np.asarray(shown, dtype=np.float64)


def _node_power(plan: ThermalPlan, run: ThermalRun, size: int) -> Matrix:
    heat = np.zeros((len(run.step_s), size))
    heat[:, list(plan.core_nodes)] = run.core_w
    heat[:, plan.cluster_node] += run.shared_w
    return heat


def _start(
    plan: ThermalPlan, run: ThermalRun, modes: Modes, power_w: Vector, start_c: Vector
) -> Matrix:
    """The rise of every node at the start (networks x nodes)."""
    count, size = modes.rates.shape
    if run.start_c is not None:
        return np.repeat((run.start_c - modes.air_c)[:, None], size, axis=1)
    rise = np.repeat((start_c - modes.air_c)[:, None], size, axis=1)
    others = [node for node in range(size) if node != plan.ambient_node]
    if others:
        inner = modes.conductance[:, others][:, :, others]
        power = np.broadcast_to(power_w[others][:, None], (count, len(others), 1))
        rise[:, others] += np.linalg.solve(inner, power)[:, :, 0]
    return rise


def _shifted(plan: ThermalPlan, thetas: Matrix, run: ThermalRun, drive: Matrix) -> Matrix:
    """The drive as it was when the power was told `shift` seconds late (networks differ)."""
    if run.cooling not in plan.shift:
        return drive
    late_s = thetas[:, plan.names.index(plan.shift[run.cooling])]
    share = np.clip(late_s[None, :] / run.step_s[:, None], -1.0, 1.0)[:, :, None]
    ahead = np.concatenate([drive[1:], drive[-1:]])
    behind = np.concatenate([drive[:1], drive[:-1]])
    there = np.where(share > 0, ahead, behind)
    return np.asarray(drive + np.abs(share) * (there - drive), dtype=np.float64)


@dataclass(frozen=True)
class _Leakage:
    """Leakage that follows the cores' temperature."""

    shape: LeakageShape
    reference_w: Matrix
    of_cores: Matrix
    air_c: Vector

    @classmethod
    def of(
        cls, plan: ThermalPlan, modes: Modes, run: ThermalRun, shape: LeakageShape | None
    ) -> "_Leakage | None":
        if run.leakage_w is None or shape is None:
            return None
        rise = modes.rise[:, list(plan.core_nodes)]
        return cls(shape, run.leakage_w, rise, modes.air_c[:, None])

    def drive(self, step: int, modes: Matrix) -> Matrix:
        """The drive of one step at `modes` (networks x modes)."""
        temp_c = self.air_c + np.matmul(self.of_cores, modes[:, :, None])[:, :, 0]
        power_w = self.reference_w[step] * self.shape.value(temp_c)
        return np.asarray(np.matmul(power_w[:, None, :], self.of_cores)[:, 0], dtype=np.float64)

    def drives(self, path: Matrix) -> Matrix:
        """The drive of every step at the modes of every step (steps x networks x modes)."""
        rise = np.einsum("pcm,tpm->tpc", self.of_cores, path, optimize=True)
        power_w = self.reference_w[:, None, :] * self.shape.value(self.air_c + rise)
        found: Matrix = np.einsum("tpc,pcm->tpm", power_w, self.of_cores, optimize=True)
        return found


def _settle(modes: Modes, drive: Matrix, leakage: _Leakage | None) -> Matrix:
    """The modes of every step's steady state; leakage by repetition, which the cooling must win."""
    path: Matrix = drive / modes.rates
    if leakage is None:
        return path
    for _ in range(_SETTLING):
        path = (drive + leakage.drives(path)) / modes.rates
    return path


def _march(
    modes: Modes, run: ThermalRun, z: Matrix, drive: Matrix, leakage: _Leakage | None
) -> Matrix:
    """The modes after every step, or their means over the steps (steps x networks x modes)."""
    grid, which = np.unique(np.round(run.step_s / _GRID_S), return_inverse=True)
    seconds = grid[:, None, None] * _GRID_S
    left = np.exp(-modes.rates * seconds)
    gain = -np.expm1(-modes.rates * seconds) / modes.rates
    left_half = np.sqrt(left) if leakage is not None else left
    gain_half = (1.0 - left_half) / modes.rates
    path = np.empty((len(run.step_s), *z.shape))
    leak = 0.0 if leakage is None else leakage.drive(0, z)
    for i, kind in enumerate(which):
        pull = drive[i]
        if leakage is not None:
            middle = left_half[kind] * z + gain_half[kind] * (pull + leak)
            leak = leakage.drive(i, middle)
            pull = pull + leak
        after = left[kind] * z + gain[kind] * pull
        if run.averaged:
            settled = pull / modes.rates
            path[i] = settled + (z - settled) * gain[kind] / seconds[kind]
        else:
            path[i] = after
        z = after
    return path
