"""Compile the search's inner functions to machine code, and keep the result on disk.

`compiled` is for the functions that the search calls inside, `entry` for those that Python calls:
only these are kept, beside this file or in the user's cache folder, so that a process starts fast.
What is kept counts as long as no file of this package has changed: numba itself looks at the
entry's own file alone and would go on using what it had compiled from the others.
"""

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar, cast

import numba

Function = TypeVar("Function", bound=Callable[..., object])

_OPTIONS: dict[str, Any] = {"error_model": "numpy", "nogil": True}
"""As in numpy a division by zero gives an infinity; other threads run meanwhile."""


def sources_digest() -> str:
    """A digest of all source files of this package."""
    files = sorted(Path(__file__).parent.glob("*.py"))
    return hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()


def compiled(function: Function) -> Function:
    """`function` as machine code, for other compiled functions to call.

    Without the wrapper that Python would call it by: half of the time to compile goes into those.
    """
    inner: dict[str, Any] = {"no_cpython_wrapper": True, "no_cfunc_wrapper": True}
    return cast(Function, numba.njit(**_OPTIONS, **inner)(function))


def entry(function: Function) -> Function:
    """`function` as machine code, kept on disk."""
    dispatcher = numba.njit(cache=True, **_OPTIONS)(function)
    dispatcher._cache._cache_file._source_stamp = sources_digest()
    return cast(Function, dispatcher)
