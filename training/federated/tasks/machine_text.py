"""Text that is on this machine anyway: documentation and code of installed Python packages."""

import ast
import hashlib
import importlib.util
from collections.abc import Callable, Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import NamedTuple

from platforms.errors import InvalidInput

_DISTRIBUTIONS = {"sklearn": "scikit-learn"}
_LEAST = 60  # characters of a docstring worth reading
_DOCUMENTED = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)


def documentation(path: Path) -> str:
    """The longer docstrings of a Python file, each without line breaks."""
    found = (ast.get_docstring(node) for node in _nodes(path) if isinstance(node, _DOCUMENTED))
    return " ".join(text for text in found if text and len(text) >= _LEAST)


def code(path: Path) -> str:
    """A Python file without docstrings and comments."""
    nodes = list(_nodes(path))
    for node in nodes:
        if isinstance(node, _DOCUMENTED) and ast.get_docstring(node) is not None:
            node.body = node.body[1:] or [ast.Pass()]
    return ast.unparse(nodes[0]) if nodes else ""


def as_it_is(path: Path) -> str:
    """The text of a file."""
    return path.read_text(encoding="utf-8", errors="replace")


class Kind(NamedTuple):
    """A kind of text: what of which files of a package."""

    package: str
    ending: str
    text: Callable[[Path], str]


KINDS = {
    "numpy, documentation": Kind("numpy", ".py", documentation),
    "torch, documentation": Kind("torch", ".py", documentation),
    "flwr, documentation": Kind("flwr", ".py", documentation),
    "transformers, code": Kind("transformers", ".py", code),
    "scikit-learn, code": Kind("sklearn", ".py", code),
    "torch, C++ headers": Kind("torch", ".h", as_it_is),
}
"""The kinds there are; all packages come with the extra `federated`."""


def versions() -> str:
    """The versions of all packages in a line: they decide over the text."""
    return " ".join(sorted({_version(kind.package) for kind in KINDS.values()}))


def texts(kind: Kind) -> Iterator[tuple[str, str]]:
    """The files of a kind by name, in an order by digest, each with its text.

    Nothing is imported. InvalidInput where the package is not installed.
    """
    root = _root(kind.package)
    named = [(path.relative_to(root).as_posix(), path) for path in root.rglob(f"*{kind.ending}")]
    for name, path in sorted(named, key=lambda found: digest(found[0])):
        if "test" not in name and (text := kind.text(path)):
            yield name, text


def digest(name: str) -> int:
    """A number from a name, so that what stands beside it in a folder does not stay beside it."""
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big")


def windows(text: str, width: int) -> Iterator[str]:
    """Pieces of about so many characters, cut between words; a rest is left out.

    >>> list(windows("one two three four", 7))
    ['one two', 'three four']
    """
    piece = ""
    for word in text.split():
        piece = f"{piece} {word}" if piece else word
        if len(piece) >= width:
            yield piece
            piece = ""


def _version(package: str) -> str:
    try:
        return f"{package}={version(_DISTRIBUTIONS.get(package, package))}"
    except PackageNotFoundError:
        return package


def _root(package: str) -> Path:
    spec = importlib.util.find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise InvalidInput(
            f"task topics: reads files of {package}, which is not installed; "
            "pip install 'ilgov[federated]'"
        )
    return Path(spec.submodule_search_locations[0])


def _nodes(path: Path) -> Iterator[ast.AST]:
    try:
        return ast.walk(ast.parse(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, SyntaxError, RecursionError):
        return iter(())
