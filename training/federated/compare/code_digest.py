"""A digest of the code that a run depends on: what it imports, directly or not, of this project."""

import ast
import hashlib
from collections.abc import Iterable, Iterator
from functools import cache
from importlib.util import find_spec
from pathlib import Path

from rm.manifest import PACKAGES

_DOCUMENTED = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)


def code_digest(roots: Iterable[str]) -> str:
    """SHA-256 over these modules and all of the project and their own packages that they import.

    Imports inside functions count too, comments and docstrings do not. Nor does a system's study
    (the module `study` of its package) where only the package names it: it says what is run and
    shows it, and is no part of a run. No module is run for this.
    """
    whole = hashlib.sha256()
    for name, file in sorted(closure(roots).items()):
        whole.update(f"{name}\0{_code(file)}\0".encode())
    return whole.hexdigest()


def closure(roots: Iterable[str]) -> dict[str, Path]:
    """The modules whose code counts, with their files."""
    waiting = list(roots)
    packages = {*PACKAGES, *(name.partition(".")[0] for name in waiting)}
    found: dict[str, Path] = {}
    while waiting:
        name = waiting.pop()
        file = _file(name)
        if name in found or file is None:
            continue
        found[name] = file
        own_study = f"{name}.study"
        waiting += [
            one
            for one in _names(name, file)
            if one.partition(".")[0] in packages and not f"{one}.".startswith(f"{own_study}.")
        ]
    return found


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
def _code(file: Path) -> str:
    """A module's code without what only readers see."""
    tree = ast.parse(file.read_bytes())
    for node in ast.walk(tree):
        if isinstance(node, _DOCUMENTED) and ast.get_docstring(node, clean=False) is not None:
            node.body = node.body[1:]
    return ast.dump(tree)


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
