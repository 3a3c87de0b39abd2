"""The report's tables of parameters: values, intervals, and which the data do not tell."""

from collections.abc import Iterator

from traces.calibration.calibrate import Calibration
from traces.calibration.cluster_study import ClusterStudy
from traces.calibration.heat_study import HeatStudy
from traces.calibration.power import LEAKAGE_REF_C
from traces.calibration.report_page import paragraph, section_html, table_html

_HEADERS = ("parameter", "value", "95 % interval", "unit", "told by the data")


def parameter_sections(done: Calibration) -> Iterator[str]:
    """A section for each cluster's power and one for the thermal network."""
    for study in done.clusters:
        if study.power:
            yield section_html(
                f"Parameters of {study.name}'s power",
                table_html(_HEADERS, _power_rows(study), texts=(0, 3), wide=(4,)),
            )
    if done.heat:
        yield section_html(
            "Parameters of the thermal network",
            table_html(_HEADERS, _heat_rows(done.heat), texts=(0, 3), wide=(4,)),
            *(paragraph(f"{note[0].upper()}{note[1:]}.") for note in done.notes),
        )


def _power_rows(study: ClusterStudy) -> Iterator[tuple[str, ...]]:
    assert study.power is not None
    power, growth, activity = study.power.study, study.power.growth, study.power.activity
    names = [f"energy of {event.removesuffix('_per_s')}" for event in power.fit.events]
    units = ["pJ at 1 V"] * len(names)
    names += ["clock tree", "clock tree while busy", f"leakage at {LEAKAGE_REF_C:g} °C"]
    scales = [1e12] * len(power.fit.events) + [1e12, 1e12, 1.0]
    units += ["pF", "pF", "W at 1 V"]
    for i, name in enumerate(names):
        value, low, high = (
            float(part[i]) * scales[i] for part in (power.fit.coefficients, power.low, power.high)
        )
        told = "yes" if low > 0 else "no more than the upper end"
        yield name, f"{value:.3g}", f"{low:.3g} to {high:.3g}", units[i], told
    yield (
        "growth of leakage",
        f"{growth.best_per_k:.3g}",
        f"{growth.low_per_k:.3g} to {growth.high_per_k:.3g}",
        "1/K",
        "yes"
        if growth.identified
        else f"no: at the end of what was tried, or too wide; {growth.used_per_k:.3g} of the "
        "skeleton's curve is used (assumed)",
    )
    low_j, high_j = study.power.reference_j
    yield (
        f"energy per busy cycle of {activity.reference}",
        f"{activity.reference_j * 1e12:.0f}",
        f"{low_j * 1e12:.0f} to {high_j * 1e12:.0f}",
        "pJ at 1 V",
        "yes: the reference, activity 1",
    )
    yield (
        "activity of a stalled core",
        f"{activity.floor:.2f}",
        f"{activity.low:.2f} to {activity.high:.2f}",
        "",
        "yes" if activity.identified else "no: the skeleton's is kept (assumed)",
    )


def _heat_rows(heat: HeatStudy) -> Iterator[tuple[str, ...]]:
    for one in heat.fit.estimates:
        kind = one.name.partition(".")[0]
        unit = {"capacity": "J/K", "conductance": "W/K", "air": "°C", "level": "K"}.get(kind, "")
        kept = (
            "no: the skeleton's is kept (assumed)"
            if one.kept
            else ("no: only in combination with others (assumed)")
        )
        yield (
            one.name,
            f"{one.value:.3g}",
            f"{one.low:.3g} to {one.high:.3g}",
            unit,
            "yes" if one.identified else kept,
        )
