"""``ilgov federated fleet``: which devices a run would have, and where their figures are from."""

import argparse
import json
from collections.abc import Iterator, Sequence

import msgspec

from platforms.options import check_ranges
from training.federated.fleet import FleetFile, Group, apportion, load_fleet_file, shipped_fleets

_HEADERS = (
    *("kind", "count", "GFLOP/s", "memory GB", "up MB/s", "down MB/s"),
    *("active W", "idle W", "there", "drift"),
)


def fleet(parser: argparse.ArgumentParser) -> None:
    """Show a fleet of devices, its figures and where they are from; without a name, list fleets."""
    parser.add_argument("fleet", nargs="?", metavar="NAME", help="a fleet's name, or a TOML file")
    parser.add_argument(
        "--devices", type=int, default=0, metavar="N", help="so many of the same mix (0: all)"
    )
    parser.add_argument("--sources", action="store_true", help="say where each figure is from")
    parser.add_argument("--json", action="store_true", help="everything as JSON, sources included")
    parser.set_defaults(run=_run)


def _run(args: argparse.Namespace) -> int:
    check_ranges(args, {"devices": (0, 10**6)})
    names = [args.fleet] if args.fleet else shipped_fleets()
    fleets = [_taken(load_fleet_file(name), args.devices) for name in names]
    if args.json:
        shown = [msgspec.to_builtins(described) for described in fleets]
        print(json.dumps(shown[0] if args.fleet else shown, indent=2))
    elif args.fleet:
        print("\n".join(_lines(fleets[0], with_sources=args.sources)))
    else:
        print("\n".join(_table(("name", "devices", "what"), [_summary(f) for f in fleets])))
    return 0


def _taken(described: FleetFile, devices: int) -> FleetFile:
    """The fleet in so many devices, groups of which none is taken left out."""
    if devices < 1:
        return described
    counts = apportion([group.count for group in described.groups], devices)
    groups = zip(described.groups, counts, strict=True)
    kept = tuple(msgspec.structs.replace(group, count=n) for group, n in groups if n)
    return msgspec.structs.replace(described, groups=kept)


def _summary(described: FleetFile) -> tuple[str, str, str]:
    count = sum(group.count for group in described.groups)
    return described.name, str(count), described.title


def _lines(described: FleetFile, *, with_sources: bool) -> Iterator[str]:
    count = sum(group.count for group in described.groups)
    yield f"{described.name}: {described.title}, {count} devices"
    yield from _table(_HEADERS, [_row(group) for group in described.groups])
    if with_sources:
        for group in described.groups:
            yield from ("", f"{group.kind}:")
            yield from (f"  {line}" for line in _table((), list(group.sources.items())))


def _row(group: Group) -> tuple[str, ...]:
    return (
        group.kind,
        str(group.count),
        f"{group.flops_per_s / 1e9:g}",
        f"{group.memory_bytes / 1e9:g}",
        f"{group.up_bytes_per_s / 1e6:g}",
        f"{group.down_bytes_per_s / 1e6:g}",
        f"{group.active_power_w:g}",
        f"{group.idle_power_w:g}",
        f"{group.availability:.0%}",
        f"{group.drift:g}",
    )


def _table(headers: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """Columns as wide as their widest cell, two spaces apart; no headers, no head line."""
    lines = [headers, *rows] if headers else list(rows)
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    for line in lines:
        cells = (cell.ljust(width) for cell, width in zip(line, widths, strict=True))
        yield "  ".join(cells).rstrip()
