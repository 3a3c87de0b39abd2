"""``ilgov federated profile``: what training can do on a board, modelled or measured."""

import argparse
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from platforms.errors import InvalidInput
from platforms.linux.root_option import add_root_option, must_be_a_root
from platforms.options import check_ranges
from training.federated.profile.networks import NETWORKS
from training.federated.profile.selection import Choice, chosen, grid, parse_choice

if TYPE_CHECKING:
    from platforms.board import Board
    from platforms.training_work import TrainingFile
    from rm.planner.capability import Capability
    from training.federated.profile.measured import Subject
    from training.federated.profile.points import Point, Points

_SECONDS = 1.0
_STATE_DIR = Path("/var/lib/ilgov")


def profile(parser: argparse.ArgumentParser) -> None:
    """Say what a training can do: time, power and memory by settings and places, as JSON.

    A training job gives the file to the daemon (docs/training-jobs.md). Without --modelled it is
    measured on this device: every setting on every number of cores of every cluster, at every
    frequency where cpufreq can be written, else at the present one. What is measured is kept in
    OUT.points.jsonl, and the same command goes on from there.
    """
    what = parser.add_argument_group("what trains")
    what.add_argument("--model", metavar="NAME|FILE",
        help=f"{', '.join(NETWORKS)}, or (with --modelled) a training's TOML file",
    )  # fmt: skip
    what.add_argument("--step", metavar="MODULE:FUNCTION",
        help="your own loop: the function takes the knobs by name and returns a function that "
        "does one step; needs --settings",
    )  # fmt: skip
    what.add_argument("--settings", nargs="+", default=[], metavar="KNOB=VALUES",
        help="only these, for example: batch=4,16 depth=4",
    )  # fmt: skip
    where = parser.add_argument_group("where")
    where.add_argument("--board", metavar="NAME|FILE", help="the board, as for 'ilgov run'")
    add_root_option(where)
    where.add_argument(
        "--state-dir", type=Path, default=_STATE_DIR, metavar="DIR",
        help="where the undo of clocks is kept while it measures [%(default)s]",
    )  # fmt: skip
    how = parser.add_argument_group("how")
    how.add_argument("--out", type=Path, required=True, metavar="FILE", help="the file to write")
    how.add_argument(
        "--modelled", action="store_true", help="from the board's models; nothing is measured"
    )
    how.add_argument("--work", action="store_true",
        help="write the training's own file instead (TOML, no board): what a --step asks as "
        "PyTorch counts it, or a network's as it is shipped (minutes)",
    )  # fmt: skip
    how.add_argument(
        "--seconds", type=float, default=_SECONDS, metavar="S",
        help="how long each point is measured [%(default)s]",
    )  # fmt: skip
    how.add_argument(
        "--dry-run", action="store_true", help="only say what would be measured, and how long"
    )
    parser.set_defaults(run=_run)


def _run(args: argparse.Namespace) -> int:
    check_ranges(args, {"seconds": (0.05, 600.0)})
    if (args.model is None) == (args.step is None):
        raise InvalidInput("--model or --step must be given, one of them")
    if args.work:
        return _write_work(args)
    if args.board is None:
        raise InvalidInput("--board must be given: places are its clusters; see 'ilgov board list'")
    from platforms.board_file import load_board

    board, choice = load_board(args.board), parse_choice(args.settings)
    if args.modelled:
        return _write(args.out, board, _modelled(args, board, choice))
    return _measure(args, board, _subject(args, choice))


def _write_work(args: argparse.Namespace) -> int:
    from platforms.atomic_file import replacing
    from training.federated.profile.training_file import training_text

    text = training_text(_training(args))
    with replacing(args.out) as building:
        building.write_text(text)
    print(f"{args.out}: the training {args.out.stem}")
    return 0


def _training(args: argparse.Namespace) -> "TrainingFile":
    from training.federated.profile.networks import network
    from training.federated.profile.training_file import made_training

    if args.step is not None:
        from training.federated.profile.counted import counted_training

        _let_own_modules_be_found()
        return counted_training(args.out.stem, args.step, grid(parse_choice(args.settings)))
    found = network(args.model)
    _say("counting samples to the goal on the proxies; this takes minutes")
    return made_training(found)


def _modelled(args: argparse.Namespace, board: "Board", choice: Choice) -> "Capability":
    from platforms.training_work import load_training
    from rm.planner.capability import modelled_capability

    if args.model is None:
        raise InvalidInput(
            "--modelled is for --model NAME|FILE (got --step); --work makes a file of a step"
        )
    training = load_training(args.model)
    kept = chosen([work.knobs for work in training.works], choice)
    return modelled_capability(board, [training.works[x] for x in kept], training.curve)


def _subject(args: argparse.Namespace, choice: Choice) -> "Subject":
    from platforms.training_work import load_training
    from training.federated.profile.measured import Subject
    from training.federated.profile.workers import find_worker

    _let_own_modules_be_found()
    worker = args.step or args.model
    find_worker(worker)
    if args.step:
        return Subject(worker=worker, settings=grid(choice))
    training = load_training(args.model)
    kept = chosen([work.knobs for work in training.works], choice)
    works = tuple(training.works[x] for x in kept)
    settings = tuple(work.knobs for work in works)
    return Subject(worker=worker, settings=settings, works=works, curve=training.curve)


def _let_own_modules_be_found() -> None:
    """The user's module lies where the command is given."""
    if (here := str(Path.cwd())) not in sys.path:
        sys.path.insert(0, here)


def _measure(args: argparse.Namespace, board: "Board", subject: "Subject") -> int:
    from training.federated.profile.clocks import clocks_of
    from training.federated.profile.measured import (
        OVERHEAD_S,
        measure,
        measured_capability,
        places_of,
    )
    from training.federated.profile.points import Head, Points
    from training.federated.profile.power_sensor import find_power_sensor

    must_be_a_root(args.root)
    root = args.root.resolve()
    head = Head(worker=subject.worker, board=board.name, seconds=args.seconds)
    with clocks_of(board, root=root, state_dir=args.state_dir, take=not args.dry_run) as clocks:
        places = places_of(board, clocks)
        every = len(places) * len(subject.settings)
        if clocks.why:
            _say(f"frequencies stay as they are: {clocks.why}")
        sensor = find_power_sensor(root)
        power = f"by {sensor.name}, above idle" if sensor else f"modelled, by board {board.name}"
        _say(f"power: {power}")
        if args.dry_run:
            print(_announced(every, 0, every * (args.seconds + OVERHEAD_S)))
            return 0
        points = Points(args.out.with_name(args.out.name + ".points.jsonl"), head)
        there = sum(points.find(k, p) is not None for k in subject.settings for p in places)
        _say(_announced(every, there, (every - there) * (args.seconds + OVERHEAD_S)))
        measure(
            clocks, subject, places, points,
            seconds=args.seconds, sensor=sensor, on_point=_teller(there, every),
        )  # fmt: skip
    _tell_disturbed(points)
    return _write(args.out, board, measured_capability(board, subject, places, points))


def _tell_disturbed(points: "Points") -> None:
    disturbed = sum(point.timed.undisturbed < _UNDISTURBED for point in points)
    if disturbed:
        _say(
            f"{disturbed} of {len(points)} points were DISTURBED by other load, and say too long; "
            f"remove {points.path} and measure on an idle machine"
        )


def _announced(every: int, there: int, left_s: float) -> str:
    known = f", {there} of them measured before" if there else ""
    return f"{every} points{known}; about {_duration(left_s)}"


def _teller(there: int, every: int) -> "Callable[[Point], None]":
    """Says each point on a line, and how long the others will take."""
    begin_s, done = time.monotonic(), 0

    def tell(point: "Point") -> None:
        nonlocal done
        done += 1
        left_s = (time.monotonic() - begin_s) / done * (every - there - done)
        knobs = " ".join(f"{name} {value:g}" for name, value in point.knobs.items())
        place, found = point.place, point.timed
        loaded = "" if found.undisturbed > _UNDISTURBED else (
            f" (DISTURBED: its threads ran {found.undisturbed:.0%} of the time)"
        )  # fmt: skip
        _say(
            f"{there + done} of {every}: {knobs}, {place.cores} of {place.unit} at "
            f"{place.freq_hz / 1e6:.0f} MHz: {found.wall_s * 1e3:.3g} ms a sample "
            f"({found.cpu_s * 1e3:.3g} ms of CPU), {found.resident_bytes / 1e6:.0f} MB{loaded}; "
            f"{_duration(left_s)} left"
        )

    return tell


_UNDISTURBED = 0.9
"""Threads that ran for less of the time had to share their cores, or waited."""


def _write(path: Path, board: "Board", capability: "Capability") -> int:
    from rm.planner.capability import check_capability
    from rm.training_client import LONGEST_TRAIN_BYTES
    from training.federated.profile.capability_file import write_capability

    check_capability(board, capability)
    length = write_capability(path, capability)
    watts = capability.power_origin or capability.origin
    print(
        f"{path}: {len(capability.settings)} settings at {len(capability.places)} places of "
        f"{board.name}; times {capability.origin}, power {watts}"
    )
    if length > LONGEST_TRAIN_BYTES:
        _say(
            f"the daemon takes at most {LONGEST_TRAIN_BYTES} bytes (this has {length}): name "
            "fewer by --settings"
        )
    return 0


def _duration(seconds: float) -> str:
    """A length of time for people.

    >>> [_duration(45.2), _duration(3661.0)]
    ['45 s', '61 min']
    """
    return f"{seconds:.0f} s" if seconds < 100 else f"{seconds / 60:.0f} min"


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
