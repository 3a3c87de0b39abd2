"""The programs that a recording on Linux runs: a TOML file with a table for each."""

import hashlib
import re
from collections.abc import Sequence
from pathlib import Path

import msgspec
from msgspec import Struct

from platforms.errors import InvalidInput


class Program(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A command line that runs for long, or is run again and again.

    `argv` begins with the program's path, `cwd` is the folder that it runs in, `env` are variables
    beside ``PATH``, ``HOME`` and ``LANG``.
    """

    name: str
    argv: tuple[str, ...]
    cwd: str = "/"
    env: dict[str, str] = {}


class _Suite(Struct, forbid_unknown_fields=True):
    programs: tuple[Program, ...]


_NAME = re.compile(r"[\w.+-]+")


def load_programs(path: Path) -> tuple[Program, ...]:
    """The programs of a file, in its order; raises InvalidInput for what could not be started."""
    try:
        suite = msgspec.toml.decode(path.read_bytes(), type=_Suite)
    except (OSError, msgspec.DecodeError, UnicodeDecodeError) as error:
        raise InvalidInput(f"{path}: must be a TOML file with tables [[programs]] ({error})") from (
            error
        )
    if not suite.programs:
        raise InvalidInput(f"{path}: programs must hold at least one program (got none)")
    seen: set[str] = set()
    for number, program in enumerate(suite.programs):
        where = f"{path}: programs[{number}]"
        if not _NAME.fullmatch(program.name) or program.name in seen:
            raise InvalidInput(
                f"{where}.name must be a name of its own, of letters, digits and . + - _ "
                f"(got {program.name!r})"
            )
        seen.add(program.name)
        if not program.argv or not Path(program.argv[0]).is_absolute():
            raise InvalidInput(
                f"{where}.argv must begin with the program's absolute path "
                f"(got {list(program.argv)})"
            )
        if not Path(program.cwd).is_absolute():
            raise InvalidInput(f"{where}.cwd must be an absolute path (got {program.cwd!r})")
    return suite.programs


def chosen_programs(programs: Sequence[Program], names: Sequence[str]) -> tuple[Program, ...]:
    """Those of these names, in the file's order; all where no names are given."""
    known = [program.name for program in programs]
    for name in names:
        if name not in known:
            raise InvalidInput(
                f"--applications must be programs of --programs: {', '.join(known)} (got {name!r})"
            )
    return tuple(program for program in programs if not names or program.name in names)


def programs_digest(programs: Sequence[Program]) -> str:
    """SHA-256 of the command lines."""
    described = sorted(programs, key=lambda program: program.name)
    return hashlib.sha256(msgspec.json.encode(described, order="sorted")).hexdigest()
