"""``ilgov federated deploy``: the server and the boards of a deployment."""

import argparse
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from platforms.errors import InvalidInput
from platforms.options import check_ranges
from rm.client import DEFAULT_SOCKET

if TYPE_CHECKING:
    from training.federated.engine.deployment.keys import Keys
    from training.federated.engine.deployment.processes import Program

FAILED = 1
"""Exit code: a program of Flower's ended or did not start."""
_PORTS: dict[str, tuple[float, float]] = {"port": (1, 65535)}
_HOME = Path("~/.local/state/ilgov/flower")


def deploy(parser: argparse.ArgumentParser) -> None:
    """Make keys, and run the server or a board of a deployment between machines."""
    verbs = parser.add_subparsers(metavar="VERB", required=True)
    for name, configure in (("keys", _keys), ("server", _server), ("node", _node)):
        whole = configure.__doc__ or ""
        summary = whole.partition("\n")[0]
        configure(verbs.add_parser(name, help=summary, description=whole, allow_abbrev=False))


def _keys(parser: argparse.ArgumentParser) -> None:
    """Make an authority, the server's certificate, and a key for every device.

    What exists stays as it is, so that devices can be added.
    """
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder of the keys")
    parser.add_argument("--fleet", default="jetson80", metavar="NAME|FILE",
        help="the devices (default jetson80)",
    )  # fmt: skip
    parser.add_argument(
        "--devices", type=int, default=0, metavar="N", help="so many of the fleet (default: all)"
    )
    parser.add_argument(
        "--host", action="append", default=[], metavar="NAME|ADDRESS",
        help="what boards reach the server by; may be given several times",
    )  # fmt: skip
    parser.set_defaults(run=_make_keys)


def _server(parser: argparse.ArgumentParser) -> None:
    """Run the SuperLink on this machine and let in the devices that have keys.

    Whoever reaches its port can start programs on it and on the boards: let only the boards reach
    it (see docs/federated-deployment.md).
    """
    parser.add_argument(
        "--keys", type=Path, required=True, metavar="DIR", help="folder of the keys"
    )
    parser.add_argument(
        "--host", default="127.0.0.1", metavar="ADDRESS",
        help="address to listen at (default 127.0.0.1, which no board reaches)",
    )  # fmt: skip
    parser.add_argument(
        "--port", type=int, default=8000, metavar="PORT", help="port to listen at (default 8000)"
    )
    _add_home(parser)
    parser.set_defaults(run=_run_server)


def _node(parser: argparse.ArgumentParser) -> None:
    """Run the SuperNode of a device on this board.

    The board needs only ca.pem and nodes/DEVICE.key of the keys.
    """
    parser.add_argument(
        "--keys", type=Path, required=True, metavar="DIR", help="folder of the keys"
    )
    parser.add_argument("--device", required=True, metavar="NAME", help="which of the fleet it is")
    parser.add_argument(
        "--superlink", required=True, metavar="HOST:PORT", help="where the server is"
    )
    parser.add_argument(
        "--port", type=int, default=9094, metavar="PORT",
        help="port on the loopback for its own programs (default 9094)",
    )  # fmt: skip
    parser.add_argument(
        "--memory", type=Path, metavar="DIR",
        help="where the device remembers between runs (default: within --home)",
    )  # fmt: skip
    parser.add_argument(
        "--governed", type=Path, metavar="FILE",
        help="train under the ilgov daemon's grants; what 'ilgov federated profile' wrote",
    )  # fmt: skip
    parser.add_argument(
        "--socket", type=Path, default=Path(DEFAULT_SOCKET), metavar="PATH",
        help="with --governed: the daemon's socket [%(default)s]",
    )  # fmt: skip
    _add_home(parser)
    parser.set_defaults(run=_run_node)


def _add_home(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--home", type=Path, default=_HOME, metavar="DIR",
        help=f"where Flower keeps its own files (default {_HOME})",
    )  # fmt: skip


def _make_keys(args: argparse.Namespace) -> int:
    from training.federated.engine.deployment.keys import make_keys
    from training.federated.fleet import load_fleet

    check_ranges(args, {"devices": (0, 10**6)})
    devices = [device.name for device in load_fleet(args.fleet, args.devices).devices]
    keys = make_keys(args.out, devices, args.host)
    print(f"{keys.folder}: {len(keys.devices())} devices; ca.key is needed only to make more keys")
    return 0


def _run_server(args: argparse.Namespace) -> int:
    from training.federated.engine.deployment import lines
    from training.federated.engine.deployment.environment import flower_environment
    from training.federated.engine.deployment.federation import START_S, connect, register
    from training.federated.engine.deployment.keys import existing_keys
    from training.federated.engine.deployment.processes import (
        DeploymentFailed,
        Program,
        listens,
        stopped_at_the_end,
        wait_until,
    )

    check_ranges(args, _PORTS)
    keys, home = existing_keys(args.keys), _made(args.home)
    environment = flower_environment(home)
    reached = "127.0.0.1" if args.host == "0.0.0.0" else args.host
    if listens(reached, args.port):
        raise InvalidInput(f"--port must be free (something answers at {reached}:{args.port})")
    try:
        with stopped_at_the_end() as programs:
            line = lines.superlink(keys, host=args.host, port=args.port)
            server = Program("superlink", line, environment, home / "superlink.log")
            programs.append(server)
            wait_until(
                lambda: listens(reached, args.port),
                within_s=START_S,
                what="the SuperLink listens",
                of=programs,
            )
            connect(keys, environment, f"{reached}:{args.port}")
            register(keys, keys.devices(), environment)
            _say(f"SuperLink at {args.host}:{args.port}, {len(keys.devices())} devices may come in")
            return _watched(server)
    except DeploymentFailed as error:
        print(f"ilgov: error: {error}", file=sys.stderr)
        return FAILED


def _watched(server: "Program") -> int:
    try:
        code = server.wait()
    except KeyboardInterrupt:
        return 0
    print(f"ilgov: error: the SuperLink ended with {code}: {server.log}", file=sys.stderr)
    return FAILED


def _run_node(args: argparse.Namespace) -> int:
    from training.federated.engine.deployment import lines
    from training.federated.engine.deployment.environment import flower_environment
    from training.federated.engine.deployment.keys import Keys, check_device

    check_ranges(args, _PORTS)
    check_device(args.device)
    keys = Keys(args.keys)
    _must_be(keys, args.device)
    home = _made(args.home)
    memory = _made(args.memory or home / "memory" / args.device)
    line = lines.supernode(
        keys,
        args.device,
        server=args.superlink,
        port=args.port,
        memory=memory.resolve(),
        governed=_governed(args, home),
    )
    if not Path(line[0]).exists():
        raise InvalidInput(f"{line[0]} must be there; pip install 'ilgov[federated]'")
    sys.stdout.flush()
    os.execve(line[0], list(line), flower_environment(home))


def _governed(args: argparse.Namespace, home: Path) -> dict[str, str]:
    """What the device's programs are told of the daemon; InvalidInput for no capability."""
    if args.governed is None:
        return {}
    from training.federated.governed import read_capability
    from training.federated.governed_mod import GOVERNED, KEPT, SOCKET

    read_capability(args.governed)
    folder = home / "governed" / args.device
    folder.mkdir(parents=True, exist_ok=True)
    return {
        GOVERNED: str(args.governed.resolve()),
        SOCKET: str(args.socket.absolute()),
        KEPT: str(folder.resolve()),
    }


def _must_be(keys: "Keys", device: str) -> None:
    for path in (keys.authority, keys.private(device)):
        if not path.exists():
            raise InvalidInput(f"{path} must be on this board; copy it from the server's keys")


def _made(folder: Path) -> Path:
    found = folder.expanduser()
    found.mkdir(parents=True, exist_ok=True)
    return found


def _say(line: str) -> None:
    print(line, flush=True)
