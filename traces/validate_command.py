"""``ilgov board validate``: a board's power and speed beside measurements of other chips."""

import argparse
import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from platforms.errors import InvalidInput
from platforms.options import comma_separated

if TYPE_CHECKING:
    from traces.validation import Validation

_MANUAL = """\
Compares a board file with benchmarks of other chips that have the same kinds of cores, as
freqbench's ('ilgov trace import --format freqbench'): the power of one busy core with its cluster's
shared part at each operating point, and how much faster the big cores are at the same clock. The
differences tell nothing of the board's own chip, but whether its figures are of that order."""


def validate(parser: argparse.ArgumentParser) -> None:
    """Compare a board's power and speed with measurements of other chips with such cores."""
    parser.description = _MANUAL
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("board", metavar="NAME", help="a board's name, or a board file")
    parser.add_argument("measurements", nargs="+", type=Path, metavar="FILE", help="one per chip")
    parser.add_argument(
        "--match",
        required=True,
        metavar="PAIRS",
        help="the files' cluster for each of the board's, as little=cpu1,big=cpu4",
    )
    parser.add_argument("--report", type=Path, metavar="FILE", help="write a page (HTML) here")
    parser.add_argument("--json", action="store_true", help="print the differences as JSON")
    parser.set_defaults(run=_run)


def _run(args: argparse.Namespace) -> int:
    from platforms.application_file import shipped_applications
    from platforms.board_file import load_board
    from traces.measurements import read_measurements
    from traces.output import check_output_file
    from traces.validation import validate as compare

    if args.report:
        check_output_file(args.report, option="--report")
    board = load_board(args.board)
    match = _match(args.match, [cluster.name for cluster in board.clusters])
    files = [read_measurements(path) for path in args.measurements]
    profiles = list(shipped_applications().values())
    done = compare(board, files, match, profiles)
    if args.report:
        from platforms.atomic_file import replacing
        from traces.validation_page import validation_html

        with replacing(args.report) as temporary:
            temporary.write_text(validation_html(done), "utf-8")
    print(json.dumps(_document(done), indent=2) if args.json else "\n".join(_lines(done)))
    return 0


def _match(text: str, clusters: list[str]) -> dict[str, str]:
    found = {}
    for part in comma_separated(text):
        name, _, other = part.partition("=")
        if name not in clusters or not other:
            raise InvalidInput(
                f"--match must be like {clusters[0]}=cpu1, of {', '.join(clusters)} (got {text!r})"
            )
        found[name] = other
    return found


def _document(done: "Validation") -> dict[str, Any]:
    return {
        "board": done.board.name,
        "chips": list(done.chips),
        "clusters": [
            {
                "name": cluster.name,
                "points": [
                    {
                        "freq_hz": point.freq_hz,
                        "board_w": point.board_w,
                        "board_core_alone_w": point.core_w,
                        "measured_w": [_known(one) for one in point.measured_w],
                        "difference": [_known(one) for one in point.differences],
                    }
                    for point in cluster.points
                ],
                "median_difference": [
                    _known(cluster.median_difference(i)) for i in range(len(done.chips))
                ],
            }
            for cluster in done.clusters
        ],
        "per_mhz_ratio": list(done.per_mhz_ratio),
        "profile_ratios": done.profile_ratios.tolist(),
        "capacity_ratio": done.capacity_ratio,
    }


def _known(value: float) -> float | None:
    return None if value != value else value


def _lines(done: "Validation") -> Iterator[str]:
    yield f"{done.board.title} beside {', '.join(done.chips)}: one busy core and its shared part"
    for cluster in done.clusters:
        yield f"  {cluster.name} ({cluster.core_type})"
        for point in cluster.points:
            others = ", ".join(
                f"{chip} {watt * 1e3:.0f} mW ({difference:+.0%})"
                for chip, watt, difference in zip(
                    done.chips, point.measured_w, point.differences, strict=True
                )
                if watt == watt
            )
            mhz = f"{point.freq_hz / 1e6:.0f} MHz"
            own = f"{point.board_w * 1e3:5.0f} mW (core {point.core_w * 1e3:.0f})"
            yield f"    {mhz:>8} {own}; {others or 'no chip reaches it'}"
        medians = ", ".join(
            f"{chip} {cluster.median_difference(i):+.0%}" for i, chip in enumerate(done.chips)
        )
        yield f"    in the median of the points: {medians}"
    measured = ", ".join(
        f"{chip} {ratio:.3f}" for chip, ratio in zip(done.chips, done.per_mhz_ratio, strict=True)
    )
    ratios = done.profile_ratios
    middle = ratios[len(ratios) // 2]
    yield f"  big over little at the same clock, CoreMark: {measured}"
    yield (
        f"    the applications' profiles, without stalls: median {middle:.3f}, {ratios[0]:.2f} to "
        f"{ratios[-1]:.2f}"
    )
    if done.capacity_ratio:
        yield f"    the board's capacities: {done.capacity_ratio:.2f}"
