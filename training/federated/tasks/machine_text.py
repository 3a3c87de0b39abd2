"""Text that is on this machine anyway: what Python packages say of themselves in docstrings."""

import ast
import hashlib
import importlib.util
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from platforms.errors import InvalidInput

PACKAGES = ("numpy", "scipy", "sklearn", "torch", "transformers", "flwr", "ray", "peft")
"""Whose docstrings there are: all come with the extra `federated`."""

_DISTRIBUTIONS = {"sklearn": "scikit-learn"}
_LEAST = 60  # characters of a docstring worth reading


def versions() -> str:
    """The versions of all packages in a line: they decide over the text."""
    return " ".join(map(_version, PACKAGES))


def docstrings(package: str) -> Iterator[tuple[str, str]]:
    """A package's files, in an order by digest, each with its docstrings in one line of text.

    Nothing is imported. InvalidInput where the package is not installed.
    """
    root = _root(package)
    named = [(path.relative_to(root).as_posix(), path) for path in root.rglob("*.py")]
    for name, path in sorted(named, key=lambda found: digest(found[0])):
        if "test" not in name and (text := _text(path)):
            yield f"{package}/{name}", text


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
            f"task topics: reads what {package} says of itself, and it is not installed; "
            "pip install 'ilgov[federated]'"
        )
    return Path(spec.submodule_search_locations[0])


def _text(path: Path) -> str:
    try:
        tree = ast.parse(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, SyntaxError, RecursionError):
        return ""
    found = (ast.get_docstring(node) for node in ast.walk(tree) if isinstance(node, _DOCUMENTED))
    return " ".join(" ".join(text.split()) for text in found if text and len(text) >= _LEAST)


_DOCUMENTED = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
