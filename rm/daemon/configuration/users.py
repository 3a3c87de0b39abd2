"""Users of a system by their names."""

import functools
import pwd
from pathlib import Path

_REAL_ROOT = Path("/")


def user_id(name: str, root: Path) -> int | None:
    """The uid of a user (a name or a number) of the system at `root`, None where there is none."""
    if name.isascii() and name.isdigit():
        number = int(name)
        return number if number < 2**32 - 1 else None
    if name == "root":
        return 0
    return _named(name) if root == _REAL_ROOT else _listed(root).get(name)


def _named(name: str) -> int | None:
    try:
        return pwd.getpwnam(name).pw_uid
    except (KeyError, ValueError, UnicodeError):
        return None


@functools.lru_cache(maxsize=4)
def _listed(root: Path) -> dict[str, int]:
    """The users that ROOT/etc/passwd lists."""
    try:
        lines = (root / "etc/passwd").read_text("utf-8", "replace").splitlines()
    except OSError:
        return {}
    rows = [line.split(":") for line in lines]
    return {row[0]: int(row[2]) for row in rows if len(row) > 2 and row[2].isdecimal()}
