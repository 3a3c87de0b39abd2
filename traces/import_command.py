"""``ilgov trace import``: the command line of the importers."""

import argparse
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from platforms.errors import InvalidInput
from platforms.options import check_ranges, comma_separated

if TYPE_CHECKING:
    from collections.abc import Callable

    from platforms.board import Board
    from traces.importers.importer import Request
    from traces.importing import Imported

_MANUAL = """\
Files of one format and of one machine become one Parquet file of the kind 'measurements'
(docs/measurements.md). gzip is undone on the way; files may be larger than memory. Whatever
cannot be stops the import, with file, line and column, and nothing is written; whole runs that a
rule below knows to be corrupt are dropped, counted, and told of here and in the file.

Wherever a number has a unit it must be possible in it: clocks 10 ... 6000 MHz, voltages 0.3 ...
2 V, powers -1 ... 50 W on a rail and -1 ... 200 W of a device or block, temperatures -40 ...
150 °C; counters must not be negative. Where a value would be possible in another unit, the error
says in which.

formats:
"""

FORMATS = ("powmon", "armpm", "armpm-sensors", "freqbench", "perf-stat", "sbc-bench", "hotspot")


def import_(parser: argparse.ArgumentParser) -> None:
    """Make measurements out of files that other tools wrote."""
    parser.formatter_class = _WithManuals
    parser.add_argument("files", nargs="+", type=Path, metavar="FILE", help="files of one format")
    parser.add_argument(
        "--format",
        choices=("auto", *FORMATS),
        default="auto",
        help="what the files are; auto looks at their beginning [%(default)s]",
    )
    parser.add_argument(
        "--board",
        required=True,
        metavar="NAME",
        help="the machine: a shipped board or a board file, whose clusters and frequencies the "
        "files then must have, or a name of your own",
    )
    parser.add_argument(
        "--out", type=Path, required=True, help="the file of measurements to write (Parquet)"
    )
    parser.add_argument(
        "--clusters",
        metavar="LIST",
        help="the machine's clusters and cores, as little=0-3,big=4-7 [the board's, or as in the "
        "files]",
    )
    parser.add_argument(
        "--application", metavar="NAME", help="the program, where files do not say [their name]"
    )
    parser.add_argument(
        "--runs", metavar="NAMES", default="", help="sbc-bench: only these runs, comma separated"
    )
    parser.add_argument(
        "--step-s", type=float, metavar="S", help="hotspot: time between two rows, seconds"
    )
    parser.add_argument("--json", action="store_true", help="print what came of it as JSON")
    parser.description = f"{import_.__doc__}\n\n{_MANUAL}"
    parser.set_defaults(run=_run)


class _WithManuals(argparse.RawDescriptionHelpFormatter):
    """Adds the formats' manuals where the help is shown, and only then: importers load Arrow."""

    def add_text(self, text: str | None) -> None:
        """Put the manuals behind the description."""
        super().add_text(text + _manuals() if text and text.endswith(_MANUAL) else text)


def _manuals() -> str:
    from traces.importers.registry import IMPORTERS

    return "\n\n".join(
        f"  {name}\n" + "\n".join(f"    {line}" for line in one.manual.splitlines())
        for name, one in IMPORTERS.items()
    )


def _run(args: argparse.Namespace) -> int:
    import msgspec

    from traces.importing import import_files
    from traces.output import check_output_file

    check_ranges(args, {"step_s": (1e-9, 1e5)})
    check_output_file(args.out)
    name, asked = _request(args)
    with _progress(args.files) as on_bytes:
        done = import_files(
            args.files,
            args.out,
            format_name=args.format,
            board=name,
            asked=asked,
            on_bytes=on_bytes,
        )
    print(json.dumps(msgspec.to_builtins(done), indent=2) if args.json else _text(done))
    return 0


def _request(args: argparse.Namespace) -> tuple[str, "Request"]:
    """The board's name, and what the importers are asked for."""
    from traces.importers.importer import Request
    from traces.importers.machine import board_layout, parse_clusters

    board = _board(args.board)
    layout = board_layout(board) if board else None
    if args.clusters:
        layout = parse_clusters(args.clusters)
        if board and board_layout(board).cores != layout.cores:
            raise InvalidInput(f"--clusters must have the cores of {board.name} (got another set)")
    return board.name if board else args.board, Request(
        layout=layout,
        board=board,
        application=args.application,
        runs=tuple(comma_separated(args.runs)),
        step_s=args.step_s,
    )


def _board(name: str) -> "Board | None":
    """A board that ilgov knows, or None where the name is only a name."""
    from platforms.board_file import load_board, shipped_boards

    if name in shipped_boards() or name.endswith(".toml") or "/" in name:
        return load_board(name)
    if not name.strip():
        raise InvalidInput("--board must be the machine's name (got nothing)")
    return None


@contextmanager
def _progress(files: list[Path]) -> "Iterator[Callable[[int], None]]":
    """A bar of the bytes read; some formats read their files twice and start anew."""
    from traces.progress import counted

    total = sum(path.stat().st_size for path in files if path.is_file())
    with counted("importing", max(total, 1)) as show:
        yield show


def _text(done: "Imported") -> str:
    metadata = done.metadata
    lines = [
        (
            f"{done.out}: {done.rows} rows, {done.runs} runs of {done.applications} applications "
            f"on {metadata.board}, from {done.format}"
        ),
        f"  clusters: {_shortened(_clusters(metadata.clusters, metadata.cores))}",
        f"  sensors: {_shortened(list(metadata.sensors)) or 'none'}; power: {metadata.power_of}",
    ]
    for one in metadata.dropped:
        lines.append(f"  {one.count} {one.rule}; the first: {one.example}")
    if not metadata.dropped:
        lines.append("  nothing dropped")
    lines += [f"  note: {note}" for note in metadata.notes]
    return "\n".join(lines)


def _clusters(names: tuple[str, ...], cores: tuple[tuple[int, ...], ...]) -> list[str]:
    pairs = zip(names, cores, strict=True)
    return [f"{name} ({' '.join(map(str, own)) or 'cores unknown'})" for name, own in pairs]


def _shortened(names: list[str], most: int = 8) -> str:
    more = [f"and {len(names) - most} more"] if len(names) > most else []
    return ", ".join(names[:most] + more)
