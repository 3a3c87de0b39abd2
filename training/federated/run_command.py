"""``ilgov federated run``."""

import argparse
import math
import secrets
import sys
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from platforms.errors import InvalidInput
from platforms.options import check_ranges, option
from training.federated.registry import find_system, system_names
from training.federated.system import Setup, System

if TYPE_CHECKING:
    from training.federated.engine.progress import Event
    from training.federated.privacy import Privacy
    from training.federated.running import Plan, Results

ENGINES = ("inprocess", "simulation", "deployment")
DEFAULT_ROUNDS = 20
PRIVACY_FIGURES = ("noise_multiplier", "clipping_norm", "delta", "max_epsilon")
FEWEST_FOR_MASKS = 3
"""Devices that secure aggregation needs at least."""
NOT_DONE = 1
"""Exit code: the run began and did not end as planned; what was played is kept."""
INTERRUPTED = 130
"""Exit code: Ctrl-C; what was played is kept."""


def run(parser: argparse.ArgumentParser) -> None:
    """Train with one system: in this process, on Flower's simulation, or between machines.

    After each round a checkpoint is written; --resume goes on from the last.
    """
    what = parser.add_argument_group("what (fixed once a run has begun)")
    what.add_argument("--system", metavar="NAME", help=f"one of {', '.join(system_names())}")
    what.add_argument("--method", metavar="NAME", help="the system itself (default) or a baseline")
    what.add_argument("--task", metavar="NAME", help="the task (default: the system's own)")
    what.add_argument("--fleet", metavar="NAME|FILE", help="the devices (default jetson80)")
    what.add_argument(
        "--devices", type=int, metavar="N", help="so many of the fleet (default: all)"
    )
    what.add_argument(
        "--alpha", type=float, metavar="A",
        help="Dirichlet concentration of labels over devices (default 1)",
    )  # fmt: skip
    what.add_argument("--seed", type=int, metavar="SEED", help="seed of everything (default 0)")
    what.add_argument("--models", metavar="DIR",
        help="folder of pre-trained models (default $ILGOV_MODELS, else ~/.cache/ilgov/models)",
    )  # fmt: skip
    what.add_argument(
        "--stand-in", dest="stand_in", metavar="MODEL",
        help="the virtual clock counts as if the model were this one",
    )  # fmt: skip
    what.add_argument(
        "--set", dest="options", action="append", metavar="KEY=VALUE",
        help="an option of the system, its value in JSON; may be given several times",
    )  # fmt: skip
    how = parser.add_argument_group("how")
    how.add_argument("--out", type=Path, required=True, metavar="DIR", help="the run's folder")
    how.add_argument(
        "--resume", action="store_true",
        help="go on with the run in DIR, from its last checkpoint",
    )  # fmt: skip
    how.add_argument("--engine", choices=ENGINES, help="what carries orders (default inprocess)")
    how.add_argument(
        "--rounds", type=int, metavar="N", help=f"rounds in all (default {DEFAULT_ROUNDS})"
    )
    how.add_argument(
        "--timeout", type=float, metavar="S",
        help="an exchange ends after so many seconds without those who have not answered "
        "(default 600)",
    )  # fmt: skip
    how.add_argument(
        "--wait", type=float, metavar="S",
        help="the first round waits so many seconds for devices to connect (default 120)",
    )  # fmt: skip
    how.add_argument(
        "--actors", type=int, metavar="N",
        help="simulation: devices that train at the same time (default: one per CPU)",
    )  # fmt: skip
    how.add_argument("--json", action="store_true", help="print the results as JSON")
    _add_deployment(parser.add_argument_group("deployment"))
    _add_protection(parser.add_argument_group("protection (simulation and deployment)"))
    parser.set_defaults(run=_run)


def _add_deployment(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--keys", type=Path, metavar="DIR",
        help="keys that 'ilgov federated deploy keys' made (default: made for this run)",
    )  # fmt: skip
    group.add_argument(
        "--superlink", metavar="HOST:PORT",
        help="the SuperLink that 'ilgov federated deploy server' started on this machine; "
        "without it one is started here, with a SuperNode for every device",
    )  # fmt: skip


def _add_protection(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--privacy", choices=("server", "client"),
        help="differential privacy per device: who clips (noise is added by the server)",
    )  # fmt: skip
    group.add_argument(
        "--noise-multiplier", type=float, metavar="Z", help="noise over clipping norm (default 1)"
    )
    group.add_argument(
        "--clipping-norm", type=float, metavar="C", help="norm to clip changes to (default 1)"
    )
    group.add_argument(
        "--delta", type=float, metavar="D", help="epsilon is for this (default 1e-5)"
    )
    group.add_argument(
        "--max-epsilon", type=float, metavar="E", help="end before this is exceeded (0: never)"
    )
    group.add_argument(
        "--secure-aggregation", action="store_true",
        help="the server sees only the mean of updates (Flower's SecAgg+)",
    )  # fmt: skip


def _run(args: argparse.Namespace) -> int:
    from training.federated.engine.deployment.processes import DeploymentFailed
    from training.federated.running import begin, begun

    if args.resume:
        plan = _resumed(begun(args.out), args)
        _check(plan, args)
    else:
        plan = _planned(args)
        _check(plan, args)
        begin(plan)
    tell = _teller(quiet=args.json)
    try:
        results = _engine(plan, args, tell)
    except DeploymentFailed as error:
        print(f"ilgov: error: {error}", file=sys.stderr)
        return NOT_DONE
    except KeyboardInterrupt:
        _say(f"ilgov: stopped; go on with: ilgov federated run --out {args.out} --resume")
        return INTERRUPTED
    if args.json:
        print(msgspec.json.format(msgspec.json.encode(results)).decode())
    else:
        _summary(results)
    return 0


def _planned(args: argparse.Namespace) -> "Plan":
    from training.federated.running import Plan

    if args.system is None:
        raise InvalidInput(f"--system must be given: one of {', '.join(system_names())}")
    return Plan(
        setup=_setup(args, find_system(args.system)),
        engine=args.engine or "inprocess",
        rounds=DEFAULT_ROUNDS if args.rounds is None else args.rounds,
        out=str(args.out.resolve()),
        privacy=_privacy(args),
        secure=args.secure_aggregation,
        run=secrets.token_hex(8),
        **_given(args, timeout="timeout_s", wait="wait_s"),
    )


def _setup(args: argparse.Namespace, system: System) -> Setup:
    from training.federated.running import parse_options

    names = ("fleet", "devices", "alpha", "seed", "models", "stand_in")
    return Setup(
        system=args.system,
        method=args.method or system.methods[0],
        task=args.task or system.default_task,
        options=parse_options(args.options or ()),
        **_given(args, **{name: name for name in names}),
    )


def _privacy(args: argparse.Namespace) -> "Privacy | None":
    from training.federated.privacy import Privacy

    given = _given(args, **{name: name for name in PRIVACY_FIGURES})
    if args.privacy is None:
        if given:
            raise InvalidInput(f"{', '.join(given)}: only with --privacy")
        return None
    return Privacy(side=args.privacy, **given)


def _given(args: argparse.Namespace, **names: str) -> dict[str, Any]:
    """Arguments that were given, under the names that they have in the plan."""
    values = {field: getattr(args, name) for name, field in names.items()}
    return {field: value for field, value in values.items() if value is not None}


def _resumed(before: "Plan", args: argparse.Namespace) -> "Plan":
    """The plan to go on with: what a run is must stay, how it goes on may change."""
    figures = _given(args, **{name: name for name in PRIVACY_FIGURES})
    if args.privacy or args.secure_aggregation or args.options or figures:
        raise InvalidInput(
            "--resume keeps options, --privacy with its figures and --secure-aggregation as they "
            "were: leave them out"
        )
    fixed = ("system", "method", "task", "fleet", "devices", "alpha", "seed", "models", "stand_in")
    for name in fixed:
        old, new = getattr(before.setup, name), getattr(args, name)
        if new is not None and new != old:
            must = "left out" if old == "" else old
            raise InvalidInput(f"{option(name)} of this run must be {must} (got {new})")
    if args.engine not in {None, before.engine}:
        raise InvalidInput(
            f"--engine of this run must be {before.engine} (got {args.engine}): what devices "
            "remember is kept elsewhere by each"
        )
    if args.rounds is not None:
        _check_not_played(args.out, args.rounds)
    changes = _given(args, rounds="rounds", timeout="timeout_s", wait="wait_s")
    return msgspec.structs.replace(before, out=str(args.out.resolve()), **changes)


def _check_not_played(folder: Path, rounds: int) -> None:
    from training.federated.checkpoint import latest
    from training.federated.running import CHECKPOINTS

    last = latest(folder / CHECKPOINTS)
    if last is not None and rounds < last.record.rounds:
        raise InvalidInput(
            f"--rounds must be at least {last.record.rounds}, which are played (got {rounds})"
        )


def _check(plan: "Plan", args: argparse.Namespace) -> None:
    """InvalidInput where a plan cannot be carried out, before anything is written."""
    from training.federated.fleet import load_fleet
    from training.federated.registry import options_of

    system = find_system(plan.setup.system)
    if plan.setup.method not in system.methods:
        methods = ", ".join(system.methods)
        raise InvalidInput(f"--method must be one of {methods} (got {plan.setup.method})")
    _check_figures(plan, args)
    _check_engine(plan, args)
    options_of(plan.setup, system.options)
    devices = load_fleet(plan.setup.fleet, plan.setup.devices).devices
    if plan.engine != "inprocess":
        _check_names([device.name for device in devices])
    if plan.privacy or plan.secure:
        _check_protection(plan, system, len(devices))
    system.server(plan.setup)  # task, model and stand-in: whatever it needs is there, or is told


def _check_names(devices: "list[str]") -> None:
    """What devices remember, their keys and their logs lie in files of their names."""
    from training.federated.engine.deployment.keys import check_device

    for device in devices:
        check_device(device)


def _check_figures(plan: "Plan", args: argparse.Namespace) -> None:
    check_ranges(args, {"devices": (0, 10**6), "seed": (0, 2**32 - 1)})
    if not 0 < plan.setup.alpha < math.inf:
        raise InvalidInput(f"--alpha must be above 0 (got {plan.setup.alpha})")
    for name, value, least in (
        ("rounds", plan.rounds, 1),
        ("actors", args.actors or 1, 1),
        ("timeout", plan.timeout_s, 1.0),
        ("wait", plan.wait_s, 0.0),
    ):
        if not least <= value < math.inf:
            raise InvalidInput(f"--{name} must be at least {least} (got {value})")


def _check_engine(plan: "Plan", args: argparse.Namespace) -> None:
    for engine, names in (("simulation", ("actors",)), ("deployment", ("keys", "superlink"))):
        for name in names:
            if getattr(args, name) is not None and plan.engine != engine:
                raise InvalidInput(f"--{name} is for --engine {engine} (got {plan.engine})")
    if args.superlink is not None:
        _check_superlink(args)


def _check_protection(plan: "Plan", system: System, devices: int) -> None:
    from training.federated.privacy import check_protection

    if plan.engine == "inprocess":
        raise InvalidInput(
            "--privacy and --secure-aggregation are Flower's: they need --engine simulation "
            "or deployment (got inprocess)"
        )
    if plan.privacy and plan.secure:
        raise InvalidInput(
            "--privacy and --secure-aggregation exclude each other: Flower's wrappers and its "
            "SecAgg+ workflow are made for different kinds of its strategies"
        )
    if plan.secure and devices < FEWEST_FOR_MASKS:
        raise InvalidInput(f"--secure-aggregation needs {FEWEST_FOR_MASKS} devices (got {devices})")
    if plan.privacy and find_spec("dp_accounting") is None:
        raise InvalidInput("--privacy needs an accountant: pip install 'ilgov[privacy]'")
    alone = plan.privacy is not None and plan.privacy.side == "client"
    check_protection(system, plan.setup, alone=alone)


def _check_superlink(args: argparse.Namespace) -> None:
    if args.keys is None:
        raise InvalidInput("--superlink needs --keys: the folder with the SuperLink's ca.pem")
    host, _, port = args.superlink.rpartition(":")
    if not host or not port.isdecimal():
        raise InvalidInput(f"--superlink must be HOST:PORT (got {args.superlink})")


def _engine(plan: "Plan", args: argparse.Namespace, tell: "Callable[[Event], None]") -> "Results":
    from training.federated.engine.progress import Progress
    from training.federated.running import (
        COMMAND_LOCK,
        PROGRESS,
        InProcessCarrier,
        alone,
        carry_out,
        read_results,
    )

    path = plan.folder / PROGRESS
    if plan.engine == "inprocess":
        _start(plan)
        carrier = InProcessCarrier(find_system(plan.setup.system), plan.setup)
        return carry_out(plan, carrier, Progress(path, tell).round)
    if plan.engine == "simulation":
        from training.federated.engine.flower.simulation import cpus, simulate

        _start(plan)
        simulate(plan, Progress(path, tell), actors=args.actors or cpus())
    else:
        from training.federated.engine.deployment.run import deploy

        with alone(plan.folder, COMMAND_LOCK):
            _start(plan)
            deploy(plan, path, tell, keys=args.keys, superlink=args.superlink)
    return read_results(plan.folder)


def _start(plan: "Plan") -> None:
    """Write down how the run goes on, and take away what told of its end; InvalidInput if played.

    Who resumes it once more needs not say again how many rounds it has.
    """
    from training.federated.running import PROGRESS, RESULTS, alone, write_plan

    with alone(plan.folder):
        write_plan(plan)
        (plan.folder / PROGRESS).unlink(missing_ok=True)
        (plan.folder / RESULTS).unlink(missing_ok=True)


def _teller(*, quiet: bool) -> "Callable[[Event], None]":
    """Says each event on a line, on the error output."""
    from training.federated.engine.progress import Connected, Ended, Round

    def tell(event: "Event") -> None:
        if quiet:
            return
        match event:
            case Connected(devices=devices, missing=missing):
                _say(f"{devices} devices are connected" + _listed("; missing", missing))
            case Round(point=point, participants=participants, failures=failures):
                lost = [f"{failure.device} ({failure.reason})" for failure in failures]
                _say(
                    f"round {point.round}: test accuracy {point.test:.4f}, {participants} devices, "
                    f"{point.time_s:.1f} s of virtual time" + _listed("; left out", lost)
                )
            case Ended(error=error) if error:
                _say(f"ended with {error}")

    return tell


def _listed(words: str, names: "tuple[str, ...] | list[str]") -> str:
    return f"{words}: {', '.join(names)}" if names else ""


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def _summary(results: "Results") -> None:
    last = results.record.points[-1]
    print(f"rounds              {last.round}")
    print(f"test accuracy       {last.test:.4f}")
    print(f"virtual time        {last.time_s:.1f} s ({last.waiting_s:.1f} s of waiting)")
    print(f"energy (modelled)   {last.energy_j:.1f} J")
    print(f"bytes up, down      {last.up_bytes}, {last.down_bytes}")
    print(f"flops               {last.flops:.3g}")
    print(f"largest memory      {results.record.peak_bytes} bytes")
    print(f"replies left out    {len(results.failures)}")
    for name, value in results.privacy.items():
        print(f"{'privacy ' + name:<19} {value}")
    print(f"written to          {results.plan.out}")
