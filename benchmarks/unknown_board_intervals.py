"""How often the truth lies in the intervals of powers and heat fitted to steady temperatures.

    python -m benchmarks.unknown_board_intervals --boards 20

Hidden boards (`benchmarks.hidden_board`, seeds from 100 on) are recorded as in
`benchmarks.unknown_board` and fitted with their true speeds. Temperatures leave two scales open,
which the fit holds: that of all powers by one core's power, that of all activities by their usual
mean. The truth is put to the same scales before it is compared; what is held is not counted.
"""

import argparse
import tempfile
from pathlib import Path

import numpy as np
from msgspec.structs import replace

from benchmarks.hidden_board import COOLINGS, hidden_board, suites
from benchmarks.unknown_board import AS_IT_IS, RECORDINGS, run
from platforms.board import Board
from platforms.board_file import load_board
from platforms.linux.probe.board_text import board_text
from traces.calibration.profiles import suite_text
from traces.calibration.recorded_runs import read_recorded
from traces.calibration.steady_fit import SteadyFit, fit_steady
from traces.calibration.steady_plan import steady_plan
from traces.calibration.steady_rows import steady_rows
from traces.calibration.thermal_network import plan_of


def truth_of(fit: SteadyFit, board: Board, activity: dict[str, float]) -> dict[str, float]:
    """The true parameters at the scales that the fit holds.

    Of what is told as a cluster's factor times a point's, the product.
    """
    skeleton, values = fit.plan.board, fit.plan.values(fit.theta)
    names = [name.removeprefix("activity.") for name in values if name.startswith("activity.")]
    fitted = np.log([values[f"activity.{name}"] for name in names])
    scale = float(np.exp(np.mean(fitted - np.log([activity[name] for name in names]))))
    truth = {f"activity.{name}": activity[name] * scale for name in names}
    tops = [_dynamic_w(b, -1)[-1] for b in (board, skeleton)]
    power = tops[0] / tops[1] / scale
    for index, (true, usual) in enumerate(zip(board.clusters, skeleton.clusters, strict=True)):
        truth[f"floor.{true.name}"] = true.activity_floor / usual.activity_floor
        truth[f"leakage.{true.name}"] = true.leakage_w_per_v3 / usual.leakage_w_per_v3 / power
        dynamic_w = zip(_dynamic_w(board, index), _dynamic_w(skeleton, index), strict=True)
        for opp, known, (a, b) in zip(true.opps, usual.opps, dynamic_w, strict=True):
            mhz = f"{true.name}.{opp.freq_hz / 1e6:g}"
            truth[f"point.{mhz}"] = a / b / power / scale / values[f"level.{true.name}"]
            shared = opp.cluster_busy_w / known.cluster_busy_w / power
            truth[f"tree.{mhz}"] = shared / values[f"shared.{true.name}"]
    clusters = [(cluster.name, cluster.cores) for cluster in board.clusters]
    thermal = plan_of(board.thermal, clusters, board.cooling, board.sensors)
    for parameter in thermal.parameters:
        value = parameter.value(parameter.mean)
        truth[parameter.name] = value / power if parameter.log else value
    return truth


def _dynamic_w(board: Board, index: int) -> list[float]:
    cluster = board.clusters[index]
    leak = cluster.leakage_w_per_v3
    return [opp.core_busy_w - leak * opp.volt_v**3 for opp in cluster.opps]


def trial(folder: Path, seed: int) -> tuple[SteadyFit, dict[str, float]]:
    """Record a hidden board, fit the shipped one to it; the fit and the truth."""
    board, programs = hidden_board(seed)
    (folder / "true.toml").write_text(board_text(board), "utf-8")
    cbench = suites(programs)["cbench"]
    (folder / "cbench.toml").write_text(suite_text(cbench), "utf-8")
    for cooling, sizes in RECORDINGS.items():
        run(
            folder, f"{cooling}.parquet",
            "trace", "record", "--board", "true.toml", "--applications", "cbench.toml",
            "--cooling", cooling, *AS_IT_IS, *sizes, "--jobs", 1, "--out", f"{cooling}.parquet",
        )  # fmt: skip
    recorded = [read_recorded(folder / f"{cooling}.parquet") for cooling in COOLINGS]
    shipped = load_board("hikey970")
    sensor = replace(shipped.sensors[0], name=board.sensors[0].name)
    skeleton = replace(
        shipped,
        sensors=(sensor,),
        cooling=tuple(shipped.cooling_named(name) for name in COOLINGS),
    )
    profiles = {profile.name: profile for profile in cbench}
    rows = steady_rows(recorded, skeleton, profiles)
    fit = fit_steady(steady_plan(skeleton, rows), rows, np.random.default_rng(seed))
    return fit, truth_of(fit, board, {p.name: p.activity for p in cbench})


def main() -> None:
    """Print a line per kind of parameter."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--boards", type=int, default=20, help="how many [%(default)s]")
    args = parser.parse_args()
    inside: dict[str, list[bool]] = {}
    for seed in range(100, 100 + args.boards):
        with tempfile.TemporaryDirectory() as folder:
            fit, truth = trial(Path(folder), seed)
        for name, factor in fit.factors.items():
            if factor.told and name in truth:
                kind = name.partition(".")[0]
                inside.setdefault(kind, []).append(factor.low <= truth[name] <= factor.high)
        print(f"board {seed}: RMS {fit.held_out_rms_k:.3f} K where held out", flush=True)
    for kind, found in inside.items():
        print(f"{kind}: {sum(found)} of {len(found)} inside ({np.mean(found):.1%})")
    every = [one for found in inside.values() for one in found]
    print(f"all: {sum(every)} of {len(every)} inside ({np.mean(every):.1%})")


if __name__ == "__main__":
    main()
