"""The calibration's report: one HTML page with what was fitted and how wrong it is where unseen."""

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from traces.calibration.calibrate import Calibration
from traces.calibration.cluster_study import ClusterStudy
from traces.calibration.heat_study import FIRST_STEPS, FOLDS, HeatStudy, root_mean_square
from traces.calibration.input_file import InputFile
from traces.calibration.outliers import explanation, workload_of
from traces.calibration.report_figures import (
    power_figure,
    speed_figure,
    steady_figure,
    transient_figure,
)
from traces.calibration.report_page import (
    definitions_html,
    figure_html,
    page,
    paragraph,
    section_html,
    table_html,
)
from traces.calibration.report_parameters import parameter_sections
from traces.calibration.report_steady import steady_overview, steady_sections
from traces.calibration.thermal_data import ThermalRun

Vector = NDArray[np.float64]

OUTLIER_K = 1.25
"""A workload whose RMS of temperature is this many times the median workload's is an outlier."""

_VARIES = 0.1


def report_html(done: Calibration, files: Sequence[InputFile], *, command: str) -> str:
    """The page; equal arguments give equal text with the same versions of the libraries."""
    title = f"{done.board.title}: calibration"
    sections = [section_html("Errors where held out", _overview(done), _how())]
    for study in done.clusters:
        sections += _cluster_sections(study, len(done.board.clusters[study.index].cores))
    if done.heat:
        sections += _heat_sections(done.heat)
    sections += parameter_sections(done)
    if done.steady:
        sections += steady_sections(done.steady, done.notes)
    head = [
        ("board", f"{done.board.title} ({done.board.soc})"),
        ("measurements", "; ".join(t for file in files for t in file.origin)),
        ("rows", ", ".join(f"{len(file.table)} ({file.path.name})" for file in files)),
        ("left out of them", "; ".join(_dropped(files)) or "nothing"),
        ("made by", command),
    ]
    body = "\n".join([f"<h1>{title}</h1>", definitions_html(head), *sections])
    return page(title=title, body=body)


def _dropped(files: Sequence[InputFile]) -> Iterator[str]:
    for file in files:
        yield from (f"{one.count} {one.rule}" for one in file.metadata.dropped)


def _overview(done: Calibration) -> str:
    rows: list[tuple[str, str, str]] = []
    for study in done.clusters:
        rows += _cluster_overview(study)
    if done.heat:
        for settled, what in ((True, "steady temperature"), (False, "transients")):
            runs = done.heat.runs(settled=settled)
            if runs:
                count = len({run.application for run in runs})
                rms = f"{done.heat.rms_k(settled=settled):.2f} K RMS"
                none = done.heat.without_model_k(settled=settled)
                guess = "each sensor's mean" if settled else "all staying as it began"
                held = f"{len(runs)} runs of {count} workloads, held out"
                rows.append((what, rms, f"{held}; {guess} would be off by {none:.2f} K"))
    if done.steady:
        rows.append(steady_overview(done.steady))
    return table_html(("what", "error", "of what"), rows, texts=(0, 1), wide=(2,))


def _cluster_overview(study: ClusterStudy) -> Iterator[tuple[str, str, str]]:
    speeds, name = study.speeds, study.name
    if speeds.programs:
        for what, value in (
            ("clocks that were held out, every program", speeds.median_by_clock),
            ("all other clocks of programs seen at two", speeds.median_from_two_clocks),
            (
                f"programs held out, seen at {speeds.reference_hz / 1e6:g} MHz, by their counters",
                speeds.median_by_program,
            ),
        ):
            yield f"{name}: time per instruction", f"{value:.1%} in the median", what
    if study.power:
        power = study.power.study
        yield (
            f"{name}: power",
            f"{power.median:.1%} in the median",
            f"programs held out, by their counters; {len(power.errors)} rows",
        )
        known = study.board_errors[np.isfinite(study.board_errors)]
        yield (
            f"{name}: power",
            f"{np.median(np.abs(known)):.1%} in the median",
            f"the same, as the board file computes it: activity from one clock; {len(known)} rows",
        )
    else:
        yield f"{name}: power", "not fitted", study.why_no_power


def _how() -> str:
    return paragraph(
        "Held out means that the fit which predicts has not seen it. By clock: a program's fit to "
        "all its other clocks. By program: no row of that program, whatever its clock and number "
        f"of instances. By workload: {FOLDS} groups of workloads in turn; steady states need no "
        f"start, the others' comes from their first {FIRST_STEPS} samples, which do not count. "
        "Everything in the board file is fitted to all rows."
    )


def _cluster_sections(study: ClusterStudy, cores: int) -> Iterator[str]:
    if study.speeds.programs:
        yield section_html(
            f"Speed on {study.name}",
            figure_html(
                speed_figure(study),
                f"speed-{study.index}",
                "Time per instruction, each clock by a fit to the program's other clocks.",
            ),
            paragraph(
                "Cycles and stall (ns) per instruction; the stall's share of time at the highest "
                "clock; errors at clocks that were held out (median, worst), at all others from "
                "two clocks, and of the program held out, seen at one clock."
            ),
            _speed_table(study, cores),
        )
    if study.power:
        yield section_html(
            f"Power of {study.name}",
            figure_html(
                power_figure(study),
                f"power-{study.index}",
                "The cluster's rail, each program by a fit to all others. The model: energies per "
                "counted event, clock tree and leakage.",
            ),
            _grid_table(study),
            paragraph(
                "Busy cores; activity in the board file; errors of the program held out by its "
                "counters (median, mean, worst), and (board file) with its activity from one clock."
            ),
            _power_table(study, cores),
        )


def _speed_table(study: ClusterStudy, cores: int) -> str:
    worst = [float(np.abs(one.by_clock).max()) for one in study.speeds.programs]
    usual = float(np.median(worst))
    rows = []
    for place in np.argsort(worst)[::-1].tolist():
        one = study.speeds.programs[place]
        at = one.program.speeds.freq_hz[int(np.abs(one.by_clock).argmax())]
        workload = workload_of(study, one.program.application, one.program.instances)
        rows.append(
            (
                one.program.name,
                f"{one.fit.cpi.value:.3g}",
                f"{one.fit.stall_s.value * 1e9:.3g}",
                _percent(one.fit.stall_share(float(one.program.speeds.freq_hz.max()))),
                _percent(_median(one.by_clock)),
                f"{worst[place]:.1%} ({at / 1e6:g} MHz)",
                _percent(_median(one.from_two_clocks)),
                _percent(_median(one.by_program)),
                explanation(
                    workload,
                    cores,
                    error=worst[place],
                    usual=usual,
                    at_lowest=bool(at == one.program.speeds.freq_hz.min()),
                ),
            )
        )
    headers = (
        *("program", "cycles", "ns stall", "stall", "median", "worst clock"),
        *("two clocks", "held out", "why an outlier"),
    )
    return table_html(headers, rows, wide=(8,))


def _grid_table(study: ClusterStudy) -> str:
    """Median errors by clock and number of instances."""
    assert study.power is not None
    power = study.power.study
    counts = np.unique(power.instances)
    rows = []
    for hz in np.unique(power.samples.freq_hz):
        at = power.samples.freq_hz == hz
        cells = [power.median_where(at & (power.instances == count)) for count in counts]
        rows.append((f"{hz / 1e6:g} MHz", *map(_percent, cells), _percent(power.median_where(at))))
    total = [power.median_where(power.instances == count) for count in counts]
    rows.append(("all", *map(_percent, total), _percent(power.median)))
    headers = ("median error", *(f"{count} running" for count in counts), "all")
    return table_html(headers, rows)


def _power_table(study: ClusterStudy, cores: int) -> str:
    assert study.power is not None
    power = study.power.study
    samples, activity = power.samples, study.power.activity.activity
    keys = sorted(set(zip(samples.group.tolist(), power.instances.tolist(), strict=True)))
    masks = {key: (samples.group == key[0]) & (power.instances == key[1]) for key in keys}
    medians = {key: power.median_where(mask) for key, mask in masks.items()}
    usual = float(np.median(list(medians.values())))
    rows = []
    for key in sorted(keys, key=lambda key: -medians[key]):
        errors = power.errors[masks[key]]
        worst = int(np.abs(errors).argmax())
        mhz = samples.freq_hz[masks[key]][worst] / 1e6
        name, count = key
        rows.append(
            (
                f"{name} x{count}" if count > 1 else name,
                f"{samples.busy_cores[masks[key]].mean():.2f}",
                f"{activity[name]:.2f}" if name in activity else "",
                _percent(medians[key]),
                f"{errors.mean():+.1%}",
                f"{errors[worst]:+.1%} ({mhz:g} MHz)",
                _percent(_median(study.board_errors[masks[key]])),
                explanation(
                    workload_of(study, name, max(count, 1)),
                    cores,
                    error=medians[key],
                    usual=usual,
                    bias=float(errors.mean()),
                ),
            )
        )
    headers = (
        *("workload", "busy", "activity", "median", "mean", "worst", "board file"),
        "why an outlier",
    )
    return table_html(headers, rows, wide=(7,))


def _heat_sections(heat: HeatStudy) -> Iterator[str]:
    if heat.runs(settled=True):
        yield section_html(
            "Steady temperatures",
            figure_html(
                steady_figure(heat),
                "steady",
                "Run means over the sensors, each workload by a fit to the others.",
            ),
            _heat_table(heat, settled=True),
        )
    if heat.runs(settled=False):
        yield section_html(
            "Transients",
            figure_html(
                transient_figure(heat),
                "transients",
                "Every sampled run (grey) and what a fit that saw no run of its program makes of "
                "its power (orange), with the RMS of the difference. The start comes from the "
                f"first {FIRST_STEPS} samples.",
            ),
            _heat_table(heat, settled=False),
        )


def _heat_table(heat: HeatStudy, *, settled: bool) -> str:
    names = sorted({run.application for run in heat.runs(settled=settled)})
    rms = {name: heat.rms_k(settled=settled, application=name) for name in names}
    usual = float(np.median(list(rms.values())))
    rows = []
    for name in sorted(names, key=lambda name: -rms[name]):
        runs = [run for run in heat.runs(settled=settled) if run.application == name]
        over = np.concatenate([heat.left[run.name].ravel() for run in runs])
        over = over[np.isfinite(over)]
        power = np.concatenate([run.core_w.sum(axis=1) + run.shared_w for run in runs])
        per_sensor = [
            root_mean_square(np.concatenate([heat.left[run.name][:, i] for run in runs]))
            for i in range(len(heat.data.sensors))
        ]
        sensors = ", ".join(
            f"{sensor} {value:.1f}"
            for sensor, value in zip(heat.data.sensors, per_sensor, strict=True)
            if np.isfinite(value)
        )
        rows.append(
            (
                name,
                f"{power.min():.2f} to {power.max():.2f}",
                f"{rms[name]:.2f}",
                f"{-over.mean():+.2f}",
                f"{over[np.abs(over).argmax()] * -1:+.1f}",
                sensors,
                _heat_cause(runs, rms[name], usual),
            )
        )
    headers = (
        *("workload", "W", "RMS, K", "mean, K", "largest, K", "RMS by sensor, K"),
        "why an outlier",
    )
    return table_html(headers, rows, texts=(0, 5), wide=(6,))


def _heat_cause(runs: Sequence[ThermalRun], rms: float, usual: float) -> str:
    """Known causes of errors of temperatures, for workloads clearly worse than usual."""
    if rms < OUTLIER_K * usual:
        return ""
    if runs[0].application == "idle":
        return (
            "hardly any power: what is seen is heat left from the run before, and a fan that has "
            "not stopped yet"
        )
    if runs[0].settled:
        return "a fan that follows temperature is no constant conductance"
    power = [run.core_w.sum(axis=1) for run in runs]
    varies = float(np.median([np.std(one) / max(np.mean(one), 1e-9) for one in power]))
    if varies > _VARIES:
        return (
            f"its power varies by {varies:.0%} within a run: when it changes is known to a sample"
        )
    return "no known cause"


def _median(errors: Vector) -> float:
    known = np.abs(errors[np.isfinite(errors)])
    return float(np.median(known)) if len(known) else float("nan")


def _percent(value: float) -> str:
    return f"{value:.1%}" if np.isfinite(value) else ""
