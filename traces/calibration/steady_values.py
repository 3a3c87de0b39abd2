"""A fit of powers and heat to steady temperatures as parts of a board file and as activities."""

from collections.abc import Sequence

from msgspec.structs import replace

from platforms.application import ApplicationProfile
from platforms.board import Board, Cluster, CoolingSetup, Thermal
from traces.calibration.steady_fit import Factor, SteadyFit
from traces.calibration.thermal_section import with_values


def fitted_board(fit: SteadyFit, board: Board, *, data: str) -> Board:
    """The skeleton `board` with the fitted powers, network and cooling setups.

    Setups under which nothing was recorded stay as they are. `data` names the recordings in the
    sources.
    """
    values = fit.plan.values(fit.theta)
    known = {setup.name: setup for setup in board.cooling}
    fitted = {name: _cooling(known[name], fit, data) for name in fit.plan.thermal.ambient}
    return replace(
        board,
        clusters=tuple(_cluster(cluster, fit, values, data) for cluster in board.clusters),
        thermal=_thermal(board, fit, values, data),
        cooling=tuple(fitted.get(setup.name, setup) for setup in board.cooling),
    )


def with_activities(
    profiles: Sequence[ApplicationProfile], fit: SteadyFit, *, data: str
) -> tuple[ApplicationProfile, ...]:
    """The profiles with the fitted activities, 1 at most; programs that were not seen stay."""
    return tuple(
        replace(
            profile,
            activity=_rounded(min(found.value, 1.0)),
            sources=profile.sources | {"activity": _activity_source(found, data)},
        )
        if (found := fit.factors.get(f"activity.{profile.name}"))
        else profile
        for profile in profiles
    )


def notes(fit: SteadyFit) -> tuple[str, ...]:
    """What a reader of the board has to know, a sentence each."""
    plan = fit.plan
    strongest = plan.board.clusters[plan.board.clusters_by_capacity[-1]]
    top = strongest.opps[-1]
    blind = [n for n, f in fit.factors.items() if not f.told and n not in plan.pinned]
    scale = (
        "powers and heat are fitted together to steady temperatures, which tell their products "
        f"only: the scale of all powers is assumed, {top.core_busy_w:g} W with the skeleton's "
        f"leakage for a {strongest.name} core at {top.freq_hz / 1e6:g} MHz, and so is that of all "
        "activities"
    )
    return (
        scale,
        f"steady temperatures of scenarios held out in turn: RMS {fit.held_out_rms_k:.2f} K",
        f"not told by the data, near the skeleton's values (assumed): {', '.join(blind) or 'none'}",
        "heat capacities are the skeleton's: steady states do not tell them",
    )


def _cluster(cluster: Cluster, fit: SteadyFit, values: dict[str, float], data: str) -> Cluster:
    plan, name = fit.plan, cluster.name
    leak = plan.leakage_w_per_v3(values, cluster)
    pairs = zip(
        cluster.opps, plan.dynamic_w(values, cluster), plan.shared_w(values, cluster), strict=True
    )
    opps = tuple(
        replace(
            opp,
            core_busy_w=_rounded(float(dynamic) + leak * opp.volt_v**3),
            cluster_busy_w=_rounded(float(shared)),
        )
        for opp, dynamic, shared in pairs
    )
    sources = {
        "opps.core_busy_w": _points_source(cluster, fit, "level", "point", data),
        "opps.cluster_busy_w": _points_source(cluster, fit, "shared", "tree", data),
        "leakage_w_per_v3": _source(fit.factors[f"leakage.{name}"], data),
        "activity_floor": _source(fit.factors[f"floor.{name}"], data),
    }
    return replace(
        cluster,
        opps=opps,
        leakage_w_per_v3=_rounded(leak),
        activity_floor=_rounded(plan.floor(values, cluster)),
        sources=cluster.sources | sources,
    )


def _thermal(board: Board, fit: SteadyFit, values: dict[str, float], data: str) -> Thermal:
    plan = fit.plan.thermal
    rounded = {name: _rounded(value) for name, value in values.items()}
    names = list(dict.fromkeys(name for *_, name in plan.links))
    told = [name for name in names if fit.factors[name].told]
    parts = [f"{_short(name)} {_interval(fit.factors[name])}" for name in told]
    rest = [_short(name) for name in names if name not in told]
    source = f"fitted: {_method(data)}, W/K, 95 % intervals: {', '.join(parts)}"
    if not told:
        source = f"assumed: {_method(data)} do not tell them; near the skeleton's"
    elif rest:
        source += f"; assumed, near the skeleton's: {', '.join(rest)}"
    thermal = with_values(board.thermal, plan, rounded)
    return replace(
        thermal,
        nodes=board.thermal.nodes,
        sources=board.thermal.sources | {"links.conductance_w_per_k": source},
    )


def _cooling(setup: CoolingSetup, fit: SteadyFit, data: str) -> CoolingSetup:
    plan = fit.plan
    values = plan.values(fit.theta)
    way, air = plan.thermal.ambient[setup.name], plan.thermal.air[setup.name]
    sources = setup.sources | {"conductance_w_per_k": _plain_source(fit.factors[way], "W/K", data)}
    if air not in plan.pinned:
        sources["ambient_c"] = (
            f"{_plain_source(fit.factors[air], 'degC', data)}; the air and the constant heat of "
            "the rest of the board together"
        )
    return replace(
        setup,
        conductance_w_per_k=_rounded(values[way]),
        ambient_c=_rounded(values[air]),
        then=None,
        sources=sources,
    )


def _points_source(cluster: Cluster, fit: SteadyFit, level: str, point: str, data: str) -> str:
    """A cluster's factor and those of its points, beside the skeleton's values."""
    found = fit.factors[f"{level}.{cluster.name}"]
    points = [fit.factors[f"{point}.{cluster.name}.{hz / 1e6:g}"] for hz in cluster.freqs_hz]
    told = sum(one.told for one in points)
    spread = ", ".join(f"{one.value:.2f}" for one in points)
    text = (
        f"the skeleton's x {_interval(found)} (95 % interval) x {spread} by point, {told} of "
        f"{len(points)} points told by the data"
    )
    held = f"{level}.{cluster.name}" in fit.plan.pinned
    if held:
        text += "; the scale is held at the highest point (assumed)"
    kind = "fitted" if found.told or (held and told) else "assumed"
    return f"{kind}: {_method(data)}, {text}"


def _source(found: Factor, data: str) -> str:
    if not found.told:
        return f"assumed: {_method(data)} do not tell it; the skeleton's x {found.value:.2f}"
    return f"fitted: {_method(data)}, the skeleton's x {_interval(found)} (95 % interval)"


def _plain_source(found: Factor, unit: str, data: str) -> str:
    if not found.told:
        return f"assumed: {_method(data)} do not tell it; 95 % interval {_interval(found)} {unit}"
    return f"fitted: {_method(data)}, 95 % interval {_interval(found)} {unit}"


def _activity_source(found: Factor, data: str) -> str:
    kind = "fitted" if found.told else "assumed"
    return (
        f"{kind}: {_method(data)}, 95 % interval {_interval(found)}; the scale of all activities "
        "is assumed"
    )


def _method(data: str) -> str:
    return f"steady temperatures of {data}"


def _interval(found: Factor) -> str:
    return f"{found.value:.3g} ({found.low:.3g} to {found.high:.3g})"


def _short(name: str) -> str:
    return name.split(".", 1)[1]


def _rounded(value: float) -> float:
    """To five digits: more would only look exact."""
    return float(f"{value:.5g}")
