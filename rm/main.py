"""The ``ilgov`` command: find the subcommand among the installed ones, run it, say what went wrong.

Subcommands are entry points of the group ``ilgov.commands``. Only the one that is called is loaded;
the overall help loads all, for their summaries.
"""

import argparse
import difflib
import os
import re
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from importlib.metadata import EntryPoint, entry_points, requires, version

from npu_runtime.errors import BackendUnavailable, PolicyFileError
from platforms.errors import InvalidInput
from traces.numeric_threads import ONE_NUMERIC_THREAD

GROUP = "ilgov.commands"

EXIT_CODES = """exit codes:
  0    done, and all is well
  1    a check failed, or ilgov has a fault
  2    a mistake in the command line or in a file; the message says what to change
  130  interrupted by Ctrl-C; outputs that stood there are untouched: run the same command again
       (recordings, evaluations and sweeps of 'oracle' go on where they stopped)"""

_DESCRIPTION = """Keeps every application at its QoS target on the coolest possible core
and at the lowest possible voltage and frequency, by imitating an oracle."""

_Configure = Callable[[argparse.ArgumentParser], None]


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command line (default: this process's) and return its exit code."""
    for name, value in ONE_NUMERIC_THREAD.items():
        os.environ.setdefault(name, value)
    try:
        code = _run(sys.argv[1:] if argv is None else list(argv))
        sys.stdout.flush()
    except SystemExit as stop:  # argparse: help, version or a wrong command line
        return stop.code if isinstance(stop.code, int) else 1
    except KeyboardInterrupt:
        return _fail("interrupted; run the same command again to go on", code=130)
    except BrokenPipeError:
        return _reader_is_gone()
    except (InvalidInput, PolicyFileError, BackendUnavailable) as error:
        return _fail(f"error: {error}")
    except ImportError as error:
        extra = _extra_with(error.name)
        if extra is None:
            raise
        return _fail(
            f"error: this command needs {error.name}, which is not installed; "
            f"install it with: pip install 'ilgov[{extra}]'"
        )
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        return _fail(f"error: {where}{error.strerror or error}")
    return code


def _fail(message: str, *, code: int = 2) -> int:
    print(f"ilgov: {message}", file=sys.stderr)
    return code


def _reader_is_gone() -> int:
    """Nobody reads the output any more (``ilgov ... | head``): end without a word."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 1


def _extra_with(module: str | None) -> str | None:
    """The first extra of this distribution that brings an optional library.

    >>> _extra_with("torch.nn")
    'train'
    """
    name = (module or "").partition(".")[0]
    for requirement in requires("ilgov") or ():
        match = re.match(r"([\w-]+).*extra == ['\"](\w+)['\"]", requirement)
        if match and match[1] == name:
            return match[2]
    return None


def _run(words: Sequence[str]) -> int:
    commands = {point.name: point for point in entry_points(group=GROUP)}
    if not words:
        _parser(commands).print_help(sys.stderr)
        return 2
    name = words[0]
    if name in commands:
        parser = _parser({name: commands[name]}, all_must_load=True)
    elif name == "--version":
        parser = _parser({})
    elif name.startswith("-"):
        parser = _parser(commands)
    else:
        raise InvalidInput(_no_such_command(name, commands))
    args = parser.parse_args(words)
    code: int = args.run(args)
    return code


def _no_such_command(name: str, commands: Iterable[str]) -> str:
    near = difflib.get_close_matches(name, commands, n=1)
    hint = f"did you mean {near[0]!r}?" if near else "see 'ilgov --help'"
    return f"command must be one of {', '.join(sorted(commands))} (got {name!r}); {hint}"


def _parser(
    commands: Mapping[str, EntryPoint], *, all_must_load: bool = False
) -> argparse.ArgumentParser:
    """The parser of these commands and of the options that stand alone."""
    parser = argparse.ArgumentParser(
        prog="ilgov",
        description=_DESCRIPTION,
        epilog=EXIT_CODES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"ilgov {version('ilgov')}")
    chosen = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for name in sorted(commands):
        try:
            configure: _Configure = commands[name].load()
        except ImportError as error:
            if all_must_load:
                raise
            chosen.add_parser(name, help=f"(cannot be loaded: {error})")
            continue
        summary = (configure.__doc__ or "").strip().partition("\n")[0]
        configure(
            chosen.add_parser(
                name,
                help=summary,
                description=summary,
                epilog=EXIT_CODES,
                formatter_class=argparse.RawDescriptionHelpFormatter,
                allow_abbrev=False,
            )
        )
    return parser


if __name__ == "__main__":
    sys.exit(main())
