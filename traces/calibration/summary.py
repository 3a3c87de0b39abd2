"""What a calibration came to, in numbers: for people, and for machines."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from traces.calibration.calibrate import Calibration
from traces.calibration.cluster_study import ClusterStudy


def errors(done: Calibration) -> dict[str, Any]:
    """All errors where held out (relative, or K), as JSON; None where nothing tells them."""
    return {
        "board": done.board.name,
        "clusters": [_cluster(study) for study in done.clusters],
        "steady_rms_k": _steady_rms_k(done),
        "transient_rms_k": _known(done.heat.rms_k(settled=False)) if done.heat else None,
        "parameters": _parameters(done),
        "applications": len(done.applications),
        "left_out": list(done.left_out),
        "notes": list(done.notes),
    }


def _cluster(study: ClusterStudy) -> dict[str, Any]:
    speeds = study.speeds
    found: dict[str, Any] = {
        "name": study.name,
        "programs": len({one.program.application for one in speeds.programs}),
        "speed_median_by_clock": _known(speeds.median_by_clock),
        "speed_median_from_two_clocks": _known(speeds.median_from_two_clocks),
        "speed_median_of_held_out_programs": _known(speeds.median_by_program),
        "why_no_power": study.why_no_power or None,
    }
    if study.power:
        power = study.power.study
        freq_hz = power.samples.freq_hz
        found |= {
            "power_rows": len(power.errors),
            "power_median_of_held_out_programs": power.median,
            "power_median_by_mhz": {
                f"{hz / 1e6:g}": power.median_where(freq_hz == hz) for hz in np.unique(freq_hz)
            },
            "power_median_by_instances": {
                str(n): power.median_where(power.instances == n) for n in np.unique(power.instances)
            },
            "board_power_median_of_held_out_programs": _known(
                float(np.nanmedian(np.abs(study.board_errors)))
            ),
            "leakage_growth_identified": study.power.growth.identified,
        }
    return found


def _steady_rms_k(done: Calibration) -> float | None:
    if done.steady:
        return _known(done.steady.held_out_rms_k)
    return _known(done.heat.rms_k(settled=True)) if done.heat else None


def _parameters(done: Calibration) -> list[dict[str, Any]]:
    if done.steady:
        return [
            {"name": name, "value": one.value, "low": one.low, "high": one.high,
             "identified": one.told}
            for name, one in done.steady.factors.items()
        ]  # fmt: skip
    if done.heat is None:
        return []
    return [
        {
            "name": one.name,
            "value": one.value,
            "low": one.low,
            "high": one.high,
            "identified": one.identified,
        }
        for one in done.heat.fit.estimates
    ]


def _known(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None


def summary_lines(done: Calibration, out: Path) -> Iterator[str]:
    """The same as text."""
    yield f"{out}: {done.board.title}, calibrated; errors are of what the fits did not see"
    for study in done.clusters:
        yield from _cluster_lines(study)
    if done.heat:
        for settled, what in ((True, "steady temperatures"), (False, "transients")):
            runs = done.heat.runs(settled=settled)
            if runs:
                workloads = len({run.application for run in runs})
                rms = done.heat.rms_k(settled=settled)
                yield f"  {what}: RMS {rms:.2f} K, {workloads} workloads held out in turn"
        told = sum(one.identified for one in done.heat.fit.estimates)
        total = len(done.heat.fit.estimates)
        yield f"  thermal network: {told} of {total} parameters are told by the data"
    if done.steady:
        factors, pinned = done.steady.factors, done.steady.plan.pinned
        told = sum(one.told for one in factors.values())
        yield (
            f"  steady temperatures: RMS {done.steady.held_out_rms_k:.2f} K, scenarios held out in "
            f"turn; {told} of {len(factors) - len(pinned)} parameters are told by the data"
        )
    yield from (f"  no profile of {text}" for text in done.left_out)
    yield from (f"  note: {note}" for note in done.notes)


def _cluster_lines(study: ClusterStudy) -> Iterator[str]:
    speeds = study.speeds
    if speeds.programs:
        yield (
            f"  {study.name} speed: median error {speeds.median_by_clock:.1%} at held-out clocks, "
            f"{speeds.median_from_two_clocks:.1%} from two clocks, "
            f"{speeds.median_by_program:.1%} of held-out programs seen at "
            f"{speeds.reference_hz / 1e6:g} MHz alone"
        )
    if study.power:
        power = study.power.study
        yield (
            f"  {study.name} power: median error {power.median:.1%} of held-out programs by their "
            f"counters, {float(np.nanmedian(np.abs(study.board_errors))):.1%} as the board file "
            f"computes it from one clock ({len(power.errors)} rows)"
        )
