"""``ilgov unit``: the systemd unit of the daemon, with the right paths."""

import argparse
import re
import shutil
import stat
import sys
from collections.abc import Iterator, Sequence
from importlib.resources import files
from pathlib import Path

from platforms.errors import InvalidInput
from rm.daemon.configuration.settings import DEFAULT_PATH

_TEMPLATE = "ilgov.service"
_EXECUTABLE = "/usr/local/bin/ilgov"
"""What stands in the template; the unit that is shipped is a valid one."""

_NO_DEVICE = "PrivateDevices=yes\n"
_NO_NETWORK = "PrivateNetwork=yes\nRestrictAddressFamilies=AF_UNIX\nIPAddressDeny=any\n"
_LOCALHOST = (
    "# Metrics on localhost: this machine's own address, and no other.\n"
    "RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6\n"
    "IPAddressDeny=any\n"
    "IPAddressAllow=localhost\n"
)
_HIDDEN = ("/home", "/root", "/run/user", "/tmp", "/var/tmp")
"""Folders that the unit's sandbox hides."""

_PLAIN_PATH = re.compile(r"(/[\w.+@:-]+)+", re.ASCII)
"""Nothing that means something in a unit: blanks, quotes, specifiers, variables."""

_LONGEST_FIRST_LINE = 256
_OTHERS_WRITE = stat.S_IWGRP | stat.S_IWOTH

_STEPS = f"""
It prints the unit and changes nothing. To install it:

  ilgov unit | sudo tee /etc/systemd/system/ilgov.service
  sudo systemctl daemon-reload
  ilgov doctor --config {DEFAULT_PATH}
  sudo systemctl enable --now ilgov
  systemctl status ilgov"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Print the systemd unit of the daemon, with the right paths and a tight sandbox."""
    parser.description = f"{parser.description}\n{_STEPS}"
    parser.add_argument(
        "--executable",
        type=Path,
        metavar="PATH",
        help="the ilgov command; only root may be able to write it [this one]",
    )
    parser.add_argument(
        "--config",
        type=Path,
        default=DEFAULT_PATH,
        metavar="FILE",
        help="the daemon's configuration [%(default)s]",
    )
    parser.add_argument(
        "--device",
        action="append",
        default=[],
        type=Path,
        metavar="PATH",
        help="a device file that the network's back end needs, for example an NPU's; repeatable "
        "[none]",
    )
    parser.add_argument(
        "--localhost",
        action="store_true",
        help="let metrics be served at localhost:port [on a Unix socket only]",
    )
    parser.set_defaults(run=_run)


def _run(args: argparse.Namespace) -> int:
    executable = _own_command() if args.executable is None else args.executable
    problems = [
        *_executable_problems(executable),
        *_path_problems("--config", args.config),
        *(problem for device in args.device for problem in _device_problems(device)),
    ]
    if problems:
        raise InvalidInput("\n".join(problems))
    print(unit_text(executable, args.config, devices=args.device, localhost=args.localhost), end="")
    return 0


def unit_text(
    executable: Path, config: Path, *, devices: Sequence[Path] = (), localhost: bool = False
) -> str:
    """The unit that runs this command with this configuration."""
    text = files("rm.daemon").joinpath(_TEMPLATE).read_text("utf-8")
    if devices:
        text = text.replace(_NO_DEVICE, _device_lines(devices))
    if localhost:
        text = text.replace(_NO_NETWORK, _LOCALHOST)
    return text.replace(str(DEFAULT_PATH), str(config)).replace(_EXECUTABLE, str(executable))


def _device_lines(devices: Sequence[Path]) -> str:
    allowed = "".join(f"DeviceAllow={device} rw\n" for device in devices)
    return f"DevicePolicy=closed\n{allowed}"


def _own_command() -> Path:
    """The command that runs now, or the one beside the interpreter, or the one on the path."""
    beside = Path(sys.executable).with_name("ilgov")
    candidates = (Path(sys.argv[0]), beside, Path(shutil.which("ilgov") or beside))
    found = (path for path in candidates if path.name == "ilgov" and path.is_file())
    return next(found, beside).absolute()


def _executable_problems(path: Path) -> Iterator[str]:
    yield from _path_problems("--executable", path)
    if not path.is_file():
        yield f"--executable must be a file (got {path}); where is ilgov installed?"
        return
    yield from _place_problems(path, "--executable")
    interpreter = _interpreter(path)
    if interpreter is not None:
        yield from _place_problems(interpreter, f"the interpreter of {path}")


def _interpreter(path: Path) -> Path | None:
    """What a script's first line names, if it begins with one."""
    with path.open("rb") as file:
        words = file.readline(_LONGEST_FIRST_LINE).decode(errors="replace").split()
    if not words or not words[0].startswith("#!"):
        return None
    named = Path(words[0][2:])
    return named if named.is_file() else None


def _place_problems(path: Path, what: str) -> Iterator[str]:
    """Why root, in the unit's sandbox, could not or should not run this."""
    real = path.resolve()
    hidden = next((folder for folder in _HIDDEN if real.is_relative_to(folder)), None)
    if hidden is not None:
        yield (
            f"{what} must lie where the unit's sandbox sees it, not below {hidden} (got {real}); "
            "install ilgov for the whole machine, see docs/board-owner.md"
        )
    for part in (real, *real.parents):
        if _may_be_changed_by_others(part):
            yield (
                f"{what} must be safe from all but root: {part} can be written by others; "
                "root would run what they put there"
            )


def _may_be_changed_by_others(path: Path) -> bool:
    found = path.stat()
    return found.st_uid != 0 or bool(found.st_mode & _OTHERS_WRITE)


def _path_problems(option: str, path: Path) -> Iterator[str]:
    if not _PLAIN_PATH.fullmatch(str(path)):
        yield (
            f"{option} must be an absolute path of letters, digits and any of . _ + @ : - "
            f"(got {str(path)!r})"
        )


def _device_problems(path: Path) -> Iterator[str]:
    yield from _path_problems("--device", path)
    if not path.is_relative_to("/dev") or path == Path("/dev"):
        yield f"--device must be a file below /dev (got {path})"
