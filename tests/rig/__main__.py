"""The rig's command line: ``python -m tests.rig setup | run | shell | show | temp``."""

import argparse
import sys

from platforms.board_file import load_board
from tests.rig.debian import RigUnavailable
from tests.rig.guest import GuestFailed, Setup, registers_of, run, shell
from tests.rig.guest_build import ensure_built
from tests.rig.places import BUILD_VARIABLE, RIG, chosen_build

RIG44 = RIG / "boards" / "rig44.toml"
NO_STATUS = 2
_FAILING = "failing"

_DESCRIPTION = f"""Boot a real arm64 kernel on an emulated big.LITTLE board and run a command in it
as root. The guest is built once, into tests/rig/build or the folder that {BUILD_VARIABLE} names;
several guests may run at a time,
each in a slot of its own: 0 for the first."""

_EPILOG = f"""exit codes: that of the guest's command; {NO_STATUS} where there is none, or where the
rig cannot run on this machine (it needs Debian, and root for what is missing)."""


def main(words: list[str] | None = None) -> int:
    """Run one command line and return its exit code."""
    args = _parser().parse_args(words)
    try:
        code: int = args.act(args)
    except (RigUnavailable, GuestFailed) as error:
        print(f"rig: {error}", file=sys.stderr)
        return NO_STATUS
    return code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="rig", description=_DESCRIPTION, epilog=_EPILOG)
    verbs = parser.add_subparsers(title="commands", required=True)
    verbs.add_parser("setup", help="install QEMU, fetch and build the guest").set_defaults(
        act=_setup
    )
    for name, act, about in (
        ("run", _run, "boot, run a command in /repo as root, power off"),
        ("shell", _shell, "boot to a shell"),
    ):
        verb = verbs.add_parser(name, help=about)
        _add_hardware(verb)
        verb.set_defaults(act=act)
        if name == "run":
            verb.add_argument("--timeout", type=float, default=300.0, help="host seconds [300]")
            verb.add_argument("command", nargs="+", help="put -- before it")
    show = verbs.add_parser("show", help="clocks and sensors of a running guest")
    show.set_defaults(act=_show)
    temp = verbs.add_parser("temp", help="let a sensor of a running guest show a temperature")
    temp.add_argument("sensor", type=int, help="number, from 0")
    temp.add_argument("temp_c", help=f"degC, or {_FAILING!r}: reading it gives an error")
    temp.set_defaults(act=_temp)
    for verb in (show, temp):
        verb.add_argument("--slot", type=int, default=0, help="which guest [0]")
    return parser


def _add_hardware(verb: argparse.ArgumentParser) -> None:
    verb.add_argument("--board", default=str(RIG44), help="board file [rig44]")
    verb.add_argument("--clock", choices=("icount", "host"), default="icount", help="[icount]")
    verb.add_argument("--shift", type=int, default=1, help="2^N ns an instruction [1]")
    verb.add_argument("--systemd", action="store_true", help="as the guest's first process")
    verb.add_argument("--no-pmu", action="store_true", help="without hardware counters")


def _hardware(args: argparse.Namespace) -> Setup:
    board = load_board(args.board)
    return Setup(board, args.clock, args.shift, pmu=not args.no_pmu, systemd=args.systemd)


def _setup(args: argparse.Namespace) -> int:
    ensure_built(chosen_build())
    return 0


def _run(args: argparse.Namespace) -> int:
    build = chosen_build()
    ensure_built(build)
    with build.free_slot() as slot:
        ended = run(_hardware(args), build, slot, args.command, timeout_s=args.timeout, hear=_say)
    times = f"{ended.guest_s:.1f} s in the guest, {ended.host_s:.1f} s in all"
    print(f"rig: {times}; /out was {ended.out}", file=sys.stderr)
    return ended.exit_code


def _shell(args: argparse.Namespace) -> int:
    build = chosen_build()
    ensure_built(build)
    with build.free_slot() as slot:
        shell(_hardware(args), build, slot)
    return 0


def _show(args: argparse.Namespace) -> int:
    registers = registers_of(chosen_build().slot(args.slot))
    for domain in range(registers.domains):
        print(f"domain {domain}: {registers.freq_hz(domain) / 1e6:.0f} MHz")
    for sensor in range(2):
        print(f"sensor {sensor}: {registers.shown_c(sensor)} degC")
    return 0


def _temp(args: argparse.Namespace) -> int:
    temp_c = None if args.temp_c == _FAILING else float(args.temp_c)
    registers_of(chosen_build().slot(args.slot)).show(args.sensor, temp_c)
    return 0


def _say(text: str) -> None:
    sys.stdout.write(text)
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
