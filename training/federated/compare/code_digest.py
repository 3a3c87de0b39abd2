"""A digest of the code that a run depends on: what it imports, directly or not, of this project."""

import ast
import hashlib
from collections.abc import Iterable, Iterator
from functools import cache
from importlib.util import find_spec
from pathlib import Path

from rm.manifest import PACKAGES


def code_digest(roots: Iterable[str]) -> str:
    """SHA-256 over these modules and all of the project and their own packages that they import.

    Imports inside functions count too. Of a root that is a package, all modules in it count. No
    module is run for this.
    """
    whole = hashlib.sha256()
    for name, file in sorted(closure(roots).items()):
        whole.update(f"{name}\0".encode())
        whole.update(file.read_bytes())
    return whole.hexdigest()


def closure(roots: Iterable[str]) -> dict[str, Path]:
    """The modules whose code counts, with their files."""
    waiting = [name for root in roots for name in _below(root)]
    packages = {*PACKAGES, *(name.partition(".")[0] for name in waiting)}
    found: dict[str, Path] = {}
    while waiting:
        name = waiting.pop()
        file = _file(name)
        if name not in found and file is not None:
            found[name] = file
            waiting += [one for one in _names(name, file) if one.partition(".")[0] in packages]
    return found


def _below(root: str) -> Iterator[str]:
    """A module, and where it is a package, all modules in it."""
    yield root
    file = _file(root)
    if file is not None and file.name == "__init__.py":
        for other in file.parent.rglob("*.py"):
            parts = other.relative_to(file.parent).with_suffix("").parts
            yield ".".join((root, *(part for part in parts if part != "__init__")))


def _names(name: str, file: Path) -> Iterator[str]:
    """What a module's text names in imports (modules or things in them), and where it lies."""
    parents = name.split(".")[:-1]
    yield from (".".join(parents[: i + 1]) for i in range(len(parents)))
    for node in ast.walk(_tree(file)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


@cache
def _tree(file: Path) -> ast.Module:
    return ast.parse(file.read_bytes())


@cache
def _file(name: str) -> Path | None:
    """Where a module's code lies; None for what is no module with code."""
    top, *rest = name.split(".")
    spec = find_spec(top)
    for place in (spec and spec.submodule_search_locations) or ():
        path = Path(place, *rest)
        for file in (path / "__init__.py", path.with_suffix(".py")):
            if file.is_file():
                return file
    return None
