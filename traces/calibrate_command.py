"""``ilgov board calibrate``: the command line of the calibration."""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from platforms.errors import InvalidInput
from platforms.options import check_ranges, comma_separated

if TYPE_CHECKING:
    from traces.calibration.profiles import AssumedSpeed

_MANUAL = """\
Fits a board's models to measurements ('ilgov trace import') or traces ('ilgov trace record') and
writes a board file in which every value says where it is from: fitted with its 95 % interval,
derived, or as the skeleton has it where the data do not tell it. Run means tell speed (cpi / f +
stall per program) and power (energies per counted event, clock tree, leakage), samples and run
means tell the thermal network. How wrong the fits are is measured on what they have not seen:
clocks, programs and workloads that were held out.

MEASUREMENTS are FILE[:cooling=NAME][:cores=4+5]: the cooling setup that the runs were under
(default: the file's, else the skeleton's first), and the cores that programs ran on where the file
does not say. Files must have the skeleton's clusters, cores and clocks. Traces have no power:
they tell speeds, and the thermal network under the power that the skeleton's model says, or with
--power heat both together (record under two cooling setups at least); record them with
--variation 0 --diversity 0, so that a program is the same in all of its runs.

exit codes:
  0    done
  1    ilgov has a fault
  2    a file or an option is wrong: the message says which. Nothing was written"""


def calibrate(parser: argparse.ArgumentParser) -> None:
    """Fit a board's models to measurements, and say how wrong they are on what they did not see."""
    parser.description, _, parser.epilog = _MANUAL.partition("\n\nexit codes:")
    parser.epilog = f"exit codes:{parser.epilog}"
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("measurements", nargs="+", metavar="MEASUREMENTS", help="see above")
    parser.add_argument(
        "--board", required=True, metavar="NAME", help="the skeleton: a board file, or a name"
    )
    parser.add_argument("--out", type=Path, required=True, help="the board file to write")
    parser.add_argument(
        "--applications", type=Path, metavar="FILE", help="write the programs' profiles here"
    )
    parser.add_argument("--report", type=Path, metavar="FILE", help="write a report (HTML) here")
    told = parser.add_argument_group("what the measurements do not say")
    told.add_argument(
        "--cluster-sensor",
        action="append",
        default=[],
        metavar="CLUSTER=SENSORS",
        help="the sensors whose mean is a cluster's temperature, as big=C4,C5 [those of the board "
        "that sit in its cores]",
    )
    told.add_argument(
        "--sensor-place",
        action="append",
        default=[],
        metavar="SENSOR=SENSOR",
        help="a sensor of the measurements sits where this one of the board does, as 'CPU(4)=C4'",
    )
    told.add_argument(
        "--ambient-c", type=float, metavar="X", help="the air's temperature, degC [fitted]"
    )
    told.add_argument(
        "--assume-speed",
        action="append",
        default=[],
        metavar="CLUSTER=CLUSTER:CPI:STALL",
        help="profiles of programs that no file has on a cluster, as little=big:1.55:2.1 "
        "[left out]",
    )
    told.add_argument(
        "--data-name",
        metavar="TEXT",
        help="how the values' sources call the measurements [the files' sources]",
    )
    told.add_argument("--suite", default="measured", help="the profiles' suite [%(default)s]")
    told.add_argument(
        "--power",
        choices=("measured", "heat"),
        default="measured",
        help="heat: fit powers to the steady temperatures of traces, together with the network; "
        "temperatures tell their products only, so the skeleton's scale of power is kept "
        "[%(default)s: by rails, else the skeleton's]",
    )
    parser.add_argument("--seed", type=int, default=0, help="draws the resamples [%(default)s]")
    parser.add_argument("--json", action="store_true", help="print what came of it as JSON")
    parser.set_defaults(run=_run)


def _run(args: argparse.Namespace) -> int:
    from platforms.board_file import load_board
    from traces.calibration.calibrate import STEPS
    from traces.calibration.calibrate import calibrate as fit
    from traces.calibration.input_file import read_input
    from traces.calibration.summary import errors, summary_lines
    from traces.calibration.written import write_calibration
    from traces.output import check_output_file
    from traces.progress import counted

    check_ranges(args, {"ambient_c": (-40.0, 60.0), "seed": (0, 2**32 - 1)})
    for option in ("out", "applications", "report"):
        if getattr(args, option):
            check_output_file(getattr(args, option), option=f"--{option}")
    skeleton = load_board(args.board)
    places = dict(_pair(text, "--sensor-place") for text in args.sensor_place)
    sensors = _cluster_sensors(args.cluster_sensor, [c.name for c in skeleton.clusters])
    assumed = [_assumed(text, [c.name for c in skeleton.clusters]) for text in args.assume_speed]
    files = [read_input(text, skeleton, places=places) for text in args.measurements]
    data = args.data_name or ", ".join(dict.fromkeys(s for f in files for s in f.origin))
    with counted("calibrating", len(STEPS)) as show:
        done = fit(
            files,
            skeleton,
            data=data,
            cluster_sensors=sensors,
            assumed=assumed,
            ambient_c=args.ambient_c,
            suite=args.suite,
            seed=args.seed,
            power_from_heat=args.power == "heat",
            on_step=lambda step: show(STEPS.index(step)),
        )
    write_calibration(
        done,
        files,
        out=args.out,
        applications=args.applications,
        report=args.report,
        command=_command(),
    )
    if args.json:
        print(json.dumps(errors(done), indent=2))
    else:
        print("\n".join(summary_lines(done, args.out)))
    return 0


def _command() -> str:
    """The command line as the user would type it again."""
    import shlex

    return shlex.join([Path(sys.argv[0]).name, *sys.argv[1:]])


def _pair(text: str, option: str) -> tuple[str, str]:
    name, _, value = text.partition("=")
    if not name or not value:
        raise InvalidInput(f"{option} must be like NAME=VALUE (got {text!r})")
    return name, value


def _cluster_sensors(texts: Sequence[str], clusters: Sequence[str]) -> dict[str, list[str]]:
    found = {}
    for text in texts:
        name, sensors = _pair(text, "--cluster-sensor")
        _check_cluster(name, clusters, "--cluster-sensor", text)
        found[name] = comma_separated(sensors)
    return found


def _assumed(text: str, clusters: Sequence[str]) -> "AssumedSpeed":
    from traces.calibration.profiles import AssumedSpeed

    name, value = _pair(text, "--assume-speed")
    like, *scales = value.split(":")
    for one in (name, like):
        _check_cluster(one, clusters, "--assume-speed", text)
    try:
        cpi, stall = map(float, scales)
    except ValueError:
        cpi = stall = float("nan")
    if not (0.1 <= cpi <= 10 and 0.1 <= stall <= 10):
        raise InvalidInput(
            f"--assume-speed must be like little=big:1.55:2.1, factors of 0.1 to 10 (got {text!r})"
        )
    return AssumedSpeed(name, like, cpi, stall)


def _check_cluster(name: str, clusters: Sequence[str], option: str, text: str) -> None:
    if name not in clusters:
        raise InvalidInput(f"{option} must name one of {', '.join(clusters)} (got {text!r})")
