"""A fitted network as parts of a board file, every value with its source."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from msgspec.structs import replace

from platforms.board import Board, CoolingSetup, Thermal
from traces.calibration.thermal_fit import ThermalFit
from traces.calibration.thermal_intervals import Estimate
from traces.calibration.thermal_network import ThermalPlan


@dataclass(frozen=True)
class ThermalSuggestion:
    """What to put into a board file.

    `notes` are the lines that a reader of the board file has to know: which parameters the data
    did not tell, and what the air's temperature holds.
    """

    thermal: Thermal
    cooling: tuple[CoolingSetup, ...]
    notes: tuple[str, ...]


def with_values(thermal: Thermal, plan: ThermalPlan, values: Mapping[str, float]) -> Thermal:
    """The skeleton `thermal` that `plan` was made of, with the parameters' `values`."""
    nodes = zip(thermal.nodes, plan.capacity, strict=True)
    links = zip(thermal.links, plan.links, strict=True)
    return replace(
        thermal,
        nodes=tuple(replace(node, capacity_j_per_k=values[name]) for node, name in nodes),
        links=tuple(replace(link, conductance_w_per_k=values[name]) for link, (*_, name) in links),
    )


def suggest_thermal_section(fit: ThermalFit, board: Board, *, data: str) -> ThermalSuggestion:
    """The thermal section and the cooling setups of a fit of `board`'s skeleton.

    `data` names the measurements in the sources. The board's own setups come back with the fitted
    values where the fit saw them; setups that the fit did not see are left out, because they were
    made for another network.
    """
    plan = fit.plan
    values = {e.name: e.value for e in fit.estimates}
    by_name = {e.name: e for e in fit.estimates}
    thermal = with_values(board.thermal, plan, values)
    sources = dict(board.thermal.sources)
    sources["nodes.capacity_j_per_k"] = _source([by_name[n] for n in plan.capacity], "J/K", data)
    sources["links.conductance_w_per_k"] = _source(
        [by_name[name] for *_, name in plan.links], "W/K", data
    )
    skeletons = {setup.name: setup for setup in board.cooling}
    cooling = tuple(
        _cooling(skeletons[name], by_name[plan.ambient[name]], by_name[plan.air[name]], data)
        for name in plan.ambient
    )
    return ThermalSuggestion(replace(thermal, sources=sources), cooling, notes(fit))


def _cooling(setup: CoolingSetup, way: Estimate, air: Estimate, data: str) -> CoolingSetup:
    sources = {
        "conductance_w_per_k": _source([way], "W/K", data),
        "ambient_c": _source([air], "degC", data)
        + "; the air and the constant heat of the rest of the board together",
    }
    return replace(
        setup,
        conductance_w_per_k=way.value,
        ambient_c=air.value,
        then=None,
        sources=sources,
    )


def _source(found: Sequence[Estimate], unit: str, data: str) -> str:
    """Where values come from: fitted with intervals; what the data do not tell is assumed."""
    unique = list({estimate.name: estimate for estimate in found}.values())
    told = [e for e in unique if e.identified]
    kept = [e for e in unique if not e.identified]
    parts = [f"{_short(e)} {e.value:.3g} ({e.low:.3g} to {e.high:.3g})" for e in told]
    rest = [f"{_short(e)} {e.value:.3g}" + (" (prior)" if e.kept else "") for e in kept]
    if not told:
        return f"assumed: the data ({data}) do not tell {', '.join(rest)} {unit}"
    text = f"fitted: {data}, 95 % intervals, {unit}: {', '.join(parts)}"
    return text + (f"; assumed, not told by the data: {', '.join(rest)}" if rest else "")


def _short(estimate: Estimate) -> str:
    return estimate.name.split(".", 1)[1]


def notes(fit: ThermalFit) -> tuple[str, ...]:
    """What a reader of the fit has to know, a sentence each."""
    lines = []
    kept = [e.name for e in fit.estimates if e.kept]
    mixed = [e.name for e in fit.estimates if not e.identified and not e.kept]
    if kept:
        lines.append(f"not told by the data, kept at the prior (assumed): {', '.join(kept)}")
    if mixed:
        lines.append(
            "not told by the data one by one, set with the prior's help so that the whole fits "
            f"(assumed): {', '.join(mixed)}"
        )
    for name in fit.plan.ambient:
        way = _of(fit, fit.plan.ambient[name])
        air = _of(fit, fit.plan.air[name])
        if not (way.identified and air.identified):
            lines.append(
                f"{name}: the air's temperature and the total thermal resistance are confounded; "
                "record the air's temperature, or runs at several powers that settle"
            )
    if not fit.converged:
        lines.append("the fit did not converge: take none of its values")
    return tuple(lines)


def _of(fit: ThermalFit, name: str) -> Estimate:
    return next(e for e in fit.estimates if e.name == name)
