"""``ilgov oracle solve``: the best decision for applications that are named, with its proof."""

import argparse
import json
import math
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import msgspec

from platforms.errors import InvalidInput
from platforms.options import check_ranges, comma_separated

if TYPE_CHECKING:
    from oracle.joint import JointSearch, Solution
    from oracle.whatif import Wanted
    from platforms.application import ApplicationProfile
    from platforms.board import Board

_MANUAL = """Search the best decision for the applications that you name, with its proof: which core
each runs on and at which frequency each cluster stands, so that all targets are met and the board
stays as cool as can be in the steady state. Temperatures and rates are those of the board's models.
Applications may share a core unless --no-sharing is given. A program with phases counts as its mean
over them.

The search first looks for decisions that meet all targets. Where there are none, it gives the one
that misses least, by the sum of the shares by which targets are missed, and says which target is
missed, on which core, and by how much. Where leakage outruns the cooling there is no steady state;
the JSON has null for it.

'optimal' is printed only with a proof: no other decision is better by more than the tolerance. A
search that spends its budget first says 'not proven', with the gap that is still open; more than 14
applications seldom come to a proof."""

_EXAMPLES = """examples:
  the coolest decision for two programs:
    ilgov oracle solve --app parsec.dedup=0.3 --app splash2x.barnes=1.2e9
  moving a program costs half a kelvin, and both are on core 4 now:
    ilgov oracle solve --app dedup=0.3@4 --app barnes=0.4@4 --move-k 0.5
  the least power without a fan, for another program to read:
    ilgov oracle solve --cooling passive --objective power --app dedup=0.2 --json

exit codes:
  0    a decision was found; the text, or 'shortfall' and 'optimal' in the JSON, say how good
  2    a mistake in the command line or in a file; the message says what to change"""

_APP_FORM = "NAME=TARGET or NAME=TARGET@CORE, as in parsec.dedup=0.3@4"

_LOWEST_TARGET, _HIGHEST_TARGET = 1e-6, 1e15
"""What `--app` takes: any share worth a name, and more instructions/s than any board gives."""


def solve(parser: argparse.ArgumentParser) -> None:
    """Search the best decision for given applications and targets, with its proof."""
    parser.description, parser.epilog = _MANUAL, _EXAMPLES
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument(
        "--app",
        action="append",
        required=True,
        metavar="NAME=TARGET[@CORE]",
        help="an application and its target; repeat it for each, the same may run twice. NAME is "
        "its whole name, or what follows the last point where that is unique. TARGET up to 1 is a "
        "share of its best rate, alone on the strongest core at its highest frequency with the "
        "memory idle; above 1 it is instructions/s. CORE is where it runs now, which only --move-k "
        "asks for",
    )
    parser.add_argument(
        "--board", default="hikey970", help="shipped board or board file [%(default)s]"
    )
    parser.add_argument("--cooling", default="fan", help="the board's cooling setup [%(default)s]")
    parser.add_argument(
        "--applications",
        default="cbench,parsec",
        help="where NAME is looked up: suites, application names or your own suite files (.toml), "
        "comma separated [%(default)s]",
    )
    parser.add_argument(
        "--objective",
        choices=("peak", "sensor", "mean", "power"),
        default="peak",
        help="what shall be least: the hottest core, the sensor, the mean of the cores (degC), or "
        "the power (W) [%(default)s]",
    )
    parser.add_argument(
        "--move-k",
        type=float,
        default=0.0,
        help="what moving an application from its CORE costs, in units of the objective "
        "[%(default)s]",
    )
    parser.add_argument(
        "--no-sharing", action="store_true", help="every application has a core of its own"
    )
    parser.add_argument(
        "--budget",
        type=int,
        default=2_000_000,
        help="nodes that the search may visit before it gives the best found (what a walk from "
        "better to better finds, at least) and the gap left [%(default)s]",
    )
    parser.add_argument("--json", action="store_true", help="print the decision as JSON")
    parser.set_defaults(run=_run)


def _run(args: argparse.Namespace) -> int:
    from platforms.board_file import load_board

    check_ranges(args, {"move_k": (0.0, 1e3), "budget": (1, 10**12)})
    board = load_board(args.board)
    search = _search(board, args)
    apps = _wanted(board, args)
    replace(search, budget=1).solve(apps)  # what is timed shall not be the loading of machine code
    begin_s = time.perf_counter()
    solution = search.solve(apps)
    search_ms = 1e3 * (time.perf_counter() - begin_s)
    answer = _answer(search, apps, solution) | {
        "cooling": args.cooling,
        "search_ms": round(search_ms, 3),
    }
    if args.json:
        print(json.dumps({key: _finite(value) for key, value in answer.items()}, allow_nan=False))
    else:
        print("\n".join(_told(answer)))
    return 0


def _search(board: "Board", args: argparse.Namespace) -> "JointSearch":
    """The search that the options ask for."""
    from oracle.joint import JointSearch
    from oracle.whatif import WhatIf

    steady = [setup.name for setup in board.cooling if setup.then is None]
    if args.cooling not in steady:
        raise InvalidInput(f"--cooling must be one of {', '.join(steady)} (got {args.cooling!r})")
    if args.no_sharing and len(args.app) > board.core_count:
        raise InvalidInput(
            f"--app must be given at most {board.core_count} times with --no-sharing, once for "
            f"each core of {board.name} (got {len(args.app)}); leave --no-sharing out"
        )
    return JointSearch(
        WhatIf(board, board.cooling_named(args.cooling)),
        objective=args.objective,
        move_k=args.move_k,
        sharing=not args.no_sharing,
        budget=args.budget,
    )


def _wanted(board: "Board", args: argparse.Namespace) -> "list[Wanted]":
    """The applications that the options name, checked."""
    from platforms.application_file import find_applications
    from traces.experiment import check_applications

    profiles = find_applications(comma_separated(args.applications) or [""])
    known = {profile.name: profile for profile in profiles}
    apps = [_one(number, word, board, known) for number, word in enumerate(args.app)]
    check_applications(board, [app.profile for app in apps])
    for app, word in zip(apps, args.app, strict=True):
        if args.move_k > 0.0 and not app.cores:
            raise InvalidInput(
                "--app must say with @CORE where every application is now, as --move-k counts "
                f"the moves (got {word!r}); add it, or leave --move-k out"
            )
    return [msgspec.structs.replace(app, target_ips=_target_ips(board, app)) for app in apps]


def _one(
    number: int, word: str, board: "Board", known: "Mapping[str, ApplicationProfile]"
) -> "Wanted":
    """One ``NAME=TARGET[@CORE]``, its target still as typed; without @CORE no `cores`."""
    from oracle.whatif import Wanted

    name, equals, asked = word.rpartition("=")
    target, at, core = asked.partition("@")
    if not (name and equals and target):
        raise InvalidInput(f"--app must be {_APP_FORM} (got {word!r})")
    profile = msgspec.structs.replace(known[find_name(name, known)], phases=())
    cores = (_core(core, word, board),) if at else ()
    return Wanted(number, profile, 0, _target(target, word), 1, cores)


def find_name(name: str, known: Sequence[str] | Mapping[str, object]) -> str:
    """The whole name that `name` stands for, being that or what follows its last point.

    Raises InvalidInput where there is none, or more than one.

    >>> find_name("dedup", ["parsec.dedup", "bzip2e"])
    'parsec.dedup'
    """
    if name in known:
        return name
    matches = sorted(whole for whole in known if whole.rpartition(".")[2] == name)
    if not matches:
        raise InvalidInput(
            f"--app must name one of {', '.join(sorted(known))} (got {name!r}); "
            "--applications also takes your own suite file (.toml)"
        )
    if len(matches) > 1:
        raise InvalidInput(
            f"--app must name one application (got {name!r}, which may be "
            f"{' or '.join(matches)}); give the whole name"
        )
    return matches[0]


def _target(text: str, word: str) -> float:
    try:
        target = float(text)
    except ValueError:
        target = math.nan
    if not _LOWEST_TARGET <= target <= _HIGHEST_TARGET:
        raise InvalidInput(
            f"--app needs a target: a share of the best rate ({_LOWEST_TARGET:g} ... 1) or "
            f"instructions/s (above 1, up to {_HIGHEST_TARGET:g}) (got {text!r} in {word!r})"
        )
    return target


def _core(text: str, word: str, board: "Board") -> int:
    cores = [str(core) for core in range(board.core_count)]
    if text not in cores:
        raise InvalidInput(
            f"--app needs a core of {board.name} after the @, 0 ... {board.core_count - 1} "
            f"(got {text!r} in {word!r})"
        )
    return int(text)


def _target_ips(board: "Board", app: "Wanted") -> float:
    """Instructions/s, where a share may have been typed."""
    if app.target_ips > 1.0:
        return app.target_ips
    strongest = board.clusters[board.clusters_by_capacity[-1]]
    return app.target_ips * app.profile.ips(strongest, strongest.freqs_hz[-1])


def _answer(
    search: "JointSearch", apps: "Sequence[Wanted]", solution: "Solution"
) -> dict[str, Any]:
    """The decision, what comes of it, and its proof; temperatures in degC, power in W."""
    unit, gap_unit = ("W", "W") if search.objective == "power" else ("degC", "K")
    return {
        "board": search.models.board.name,
        "objective": search.objective,
        "unit": unit,
        "gap_unit": gap_unit,
        "move_k": search.move_k,
        "sharing": search.sharing,
        "budget": search.budget,
        "tolerance": search.tolerance_k,
        "applications": list(_application_rows(search, apps, solution)),
        "clusters": list(_cluster_rows(search.models.board, solution)),
        "value": solution.value,
        "peak_c": solution.peak_c,
        "optimal": solution.optimal,
        "lower_bound": solution.lower_bound,
        "gap": solution.gap,
        "shortfall": solution.shortfall,
        "shortfall_bound": solution.shortfall_bound,
        "nodes": solution.nodes,
    }


def _application_rows(
    search: "JointSearch", apps: "Sequence[Wanted]", solution: "Solution"
) -> Iterator[dict[str, Any]]:
    board = search.models.board
    rates = search.models.rates_ips(apps, solution.placement, solution.opp_index)
    missed = {miss.application_id: miss.share for miss in solution.misses}
    for app, (core,), rate in zip(apps, solution.placement, rates, strict=True):
        yield {
            "application": app.profile.name,
            "core": core,
            "cluster": board.clusters[board.cluster_of_core[core]].name,
            "rate_ips": rate,
            "target_ips": app.target_ips,
            "missed_share": missed.get(app.id, 0.0),
            "moved": (core,) != app.cores if search.move_k > 0.0 else None,
        }


def _cluster_rows(board: "Board", solution: "Solution") -> Iterator[dict[str, Any]]:
    used = {core for cores in solution.placement for core in cores}
    for cluster, opp in zip(board.clusters, solution.opp_index, strict=True):
        yield {
            "cluster": cluster.name,
            "freq_hz": cluster.freqs_hz[opp],
            "opp_index": opp,
            "cores_used": [core for core in cluster.cores if core in used],
        }


def _finite(value: object) -> object:
    """JSON knows no infinity: what has no steady state is null there."""
    return None if value in (math.inf, -math.inf) else value


def _told(answer: Mapping[str, Any]) -> Iterator[str]:
    """The answer in words, line by line."""
    yield f"{answer['board']} ({answer['cooling']})"
    yield from _aligned(
        ("application", "core", "instructions/s", "target", "of target"),
        [
            (
                row["application"],
                f"{row['core']} ({row['cluster']})",
                f"{row['rate_ips']:.4g}",
                f"{row['target_ips']:.4g}",
                f"{100 * row['rate_ips'] / row['target_ips']:.1f} %",
            )
            for row in answer["applications"]
        ],
    )
    yield from _aligned(
        ("cluster", "frequency", "cores used"),
        [
            (
                row["cluster"],
                f"{row['freq_hz'] / 1e6:.0f} MHz",
                ", ".join(map(str, row["cores_used"])) or "none",
            )
            for row in answer["clusters"]
        ],
    )
    yield from _targets_told(answer)
    yield f"objective {answer['objective']}: {_value_told(answer)}"
    yield f"hottest core: {_with_unit(answer['peak_c'], 'degC')}"
    yield _proof_told(answer)


def _aligned(head: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """A table: the first column to the left, the others to the right."""
    widths = [max(map(len, column)) for column in zip(head, *rows, strict=True)]
    for first, *others in (head, *rows):
        cells = [cell.rjust(width) for cell, width in zip(others, widths[1:], strict=True)]
        yield "  " + "  ".join([first.ljust(widths[0]), *cells])


def _targets_told(answer: Mapping[str, Any]) -> Iterator[str]:
    """Whether all targets are met, and if not, which is missed where by how much."""
    missed = [row for row in answer["applications"] if row["missed_share"] > 0.0]
    if not missed:
        yield "all targets are met"
        return
    yield _shortfall_told(answer)
    for row in missed:
        yield (
            f"  {row['application']} misses its target on core {row['core']} ({row['cluster']}) "
            f"by {100 * row['missed_share']:.4g} %"
        )


def _shortfall_told(answer: Mapping[str, Any]) -> str:
    """How far the sum of missed targets is proven to be the least; sums agree in six digits."""
    from oracle.joint.solution import DIGITS

    total, bound = 100 * answer["shortfall"], 100 * answer["shortfall_bound"]
    if bound >= total - 50.0 * 10.0**-DIGITS:
        return f"infeasible: no decision meets all targets; this one misses least, {total:.4g} %:"
    if bound > 0.0:
        return (
            "infeasible: no decision meets all targets; the best found misses "
            f"{total:.4g} %, any other at least {bound:.4g} %:"
        )
    return (
        f"targets are missed by {total:.4g} % in the best decision found; that none meets all "
        "is not proven:"
    )


def _value_told(answer: Mapping[str, Any]) -> str:
    value = _with_unit(answer["value"], answer["unit"])
    moved = sum(bool(row["moved"]) for row in answer["applications"])
    each = f"{answer['move_k']:g} {answer['gap_unit']}"
    return f"{value}, {moved} moved at {each} each included" if answer["move_k"] > 0.0 else value


def _with_unit(value: float, unit: str) -> str:
    return f"{value:.3f} {unit}" if math.isfinite(value) else "no steady state (thermal runaway)"


def _proof_told(answer: Mapping[str, Any]) -> str:
    effort = f"{answer['nodes']} nodes, {answer['search_ms']:.1f} ms"
    bound = f"lower bound {_with_unit(answer['lower_bound'], answer['unit'])}"
    if answer["optimal"]:
        within = f"{answer['tolerance']:g} {answer['gap_unit']}"
        return f"optimal: proven within {within}, {bound}, {effort}"
    return (
        f"not proven: best found {_with_unit(answer['value'], answer['unit'])}, "
        f"gap {answer['gap']:.3f} {answer['gap_unit']} still open, {bound}, {effort}; "
        "a larger --budget may prove more"
    )
