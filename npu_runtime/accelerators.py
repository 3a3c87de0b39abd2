"""Which accelerators this machine has for a policy, by what lies on it; nothing of theirs is run.

One is usable where a back end of ours finds both what was made of the policy for it and what it
runs on. Where there is but one of the two, what lacks is told.
"""

import os
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

from msgspec import Struct

from npu_runtime.artifact import artifact_path
from npu_runtime.onnxruntime_provider import PREFIX, plugin_in_environment
from npu_runtime.policy_file import PolicyFile

_RUNTIME_FOLDERS = ("usr/lib", "usr/lib/aarch64-linux-gnu", "usr/lib64", "usr/local/lib", "lib")
_RUNTIME = "librknnrt.so"

_BUILT_IN = {
    "qnn": "QNNExecutionProvider",
    "vitisai": "VitisAIExecutionProvider",
    "cann": "CANNExecutionProvider",
}
"""Providers of NPUs that vendors' builds of onnxruntime bring, by their library's name."""


class Accelerator(Struct, frozen=True, kw_only=True):
    """A back end's name, what of it was `found`, and what it `lacks`: None where it is usable."""

    name: str
    found: str
    lacks: str | None = None


def accelerators(file: PolicyFile, *, root: Path = Path("/")) -> tuple[Accelerator, ...]:
    """All of which anything was found, those that are preferred first."""
    return (*_rknn(file, root), *_hiai(file), *_providers())


def _rknn(file: PolicyFile, root: Path) -> Iterator[Accelerator]:
    runtime = next(
        (path for folder in _RUNTIME_FOLDERS if (path := root / folder / _RUNTIME).exists()), None
    )
    parts = {
        "rknnlite": find_spec("rknnlite") is not None,
        _RUNTIME: runtime is not None,
    }
    yield from _described("rknn", file, "rk3588", parts)


def _hiai(file: PolicyFile) -> Iterator[Accelerator]:
    from npu_runtime.hiai_connection import DEFAULT_SOCKET, SOCKET_VARIABLE

    socket = os.environ.get(SOCKET_VARIABLE, DEFAULT_SOCKET)
    there = socket.startswith("@") or Path(socket).is_socket()
    yield from _described("hiai", file, "kirin970", {f"its server at {socket}": there})


def _described(
    name: str, file: PolicyFile, target: str, parts: dict[str, bool]
) -> Iterator[Accelerator]:
    """What was found of artifact and parts, if anything was."""
    sidecar = artifact_path(file.path, target, "json")
    have = {sidecar.name: sidecar.is_file(), **parts}
    found, lacking = ([part for part in have if have[part] is there] for there in (True, False))
    if not found:
        return
    way_out = "" if have[sidecar.name] else f"; 'ilgov npu convert --target {target}' makes it"
    lacks = f"{', '.join(lacking)}{way_out}" if lacking else None
    yield Accelerator(name=name, found=", ".join(found), lacks=lacks)


def _providers() -> Iterator[Accelerator]:
    plugin = plugin_in_environment()
    if plugin is not None:
        provider, path = plugin
        lacks = None if path.is_file() else str(path)
        yield Accelerator(name=f"{PREFIX}{provider}", found=f"a plug-in, {path}", lacks=lacks)
    spec = find_spec("onnxruntime")
    folder = Path(spec.origin or "").parent / "capi" if spec else Path("/nonexistent")
    for short, provider in _BUILT_IN.items():
        library = folder / f"libonnxruntime_providers_{short}.so"
        if library.is_file():
            yield Accelerator(name=f"{PREFIX}{provider}", found=library.name)
