"""The report's sections of powers and heat that were fitted together to steady temperatures."""

from collections.abc import Iterator, Sequence

import numpy as np
import plotly.graph_objects as go

from traces.calibration.report_figures import pair_figure
from traces.calibration.report_page import figure_html, paragraph, section_html, table_html
from traces.calibration.steady_fit import SteadyFit
from traces.calibration.steady_rows import NOBODY
from traces.calibration.thermal_network import Parameter

_HEADERS = ("parameter", "value", "95 % interval", "unit", "told by the data")
_UNITS = {"conductance": "W/K", "capacity": "J/K", "air": "°C", "activity": ""}


def steady_overview(fit: SteadyFit) -> tuple[str, str, str]:
    """A row of the table of errors."""
    rows, spread_k = fit.rows, float(np.std(fit.rows.temp_c))
    held = f"{len(rows)} runs of {int(rows.scenario.max()) + 1} scenarios, held out"
    of_what = f"{held}; the mean of all would be off by {spread_k:.2f} K"
    return "steady temperature", f"{fit.held_out_rms_k:.2f} K RMS", of_what


def steady_sections(fit: SteadyFit, notes: Sequence[str]) -> Iterator[str]:
    """What was read against what is predicted where held out, then every parameter."""
    yield section_html(
        "Steady temperatures, by powers and heat fitted together",
        figure_html(
            _figure(fit),
            "steady",
            "Means over each run's window; every run by a fit that did not see its scenario. "
            f"RMS {fit.held_out_rms_k:.2f} K, {fit.rms_k:.2f} K where fitted.",
        ),
    )
    yield section_html(
        "Parameters of powers and heat",
        table_html(_HEADERS, _rows(fit), texts=(0, 3), wide=(4,)),
        *(paragraph(f"{note[0].upper()}{note[1:]}.") for note in notes),
    )


def _figure(fit: SteadyFit) -> go.Figure:
    rows, left_k = fit.rows, fit.held_out_k
    busy = (rows.program != NOBODY).sum(axis=1)
    return pair_figure(
        rows.temp_c,
        rows.temp_c - left_k,
        left=-left_k,
        against=np.asarray(busy, float),
        labels=[f"scenario {s}, {n} busy" for s, n in zip(rows.scenario, busy, strict=True)],
        groups=[rows.coolings[index] for index in rows.cooling],
        titles=(
            "measured (°C)",
            "modelled without that scenario (°C)",
            "busy cores",
            "modelled − measured (K)",
        ),
        logarithmic=False,
    )


def _rows(fit: SteadyFit) -> Iterator[tuple[str, ...]]:
    for parameter in fit.plan.parameters:
        found = fit.factors[parameter.name]
        pinned = parameter.name in fit.plan.pinned
        told = "yes" if found.told else "no: near the skeleton's (assumed)"
        yield (
            parameter.name,
            f"{found.value:.3g}",
            "" if pinned else f"{found.low:.3g} to {found.high:.3g}",
            _unit(parameter),
            "no: held at the skeleton's (assumed)" if pinned else told,
        )


def _unit(parameter: Parameter) -> str:
    return _UNITS.get(parameter.name.partition(".")[0], "x the skeleton's")
