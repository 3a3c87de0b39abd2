"""The kernel modules that the guest loads, in the order of their dependencies."""

import lzma
import re
from collections.abc import Iterable
from pathlib import Path

WANTED = (
    "cpufreq_userspace",
    "cpufreq_powersave",
    "cpufreq_ondemand",
    "cpufreq_conservative",
    "qcom-cpufreq-hw",
    "bcm2711_thermal",
    "virtio_mmio",
    "9pnet_virtio",
    "9p",
)
"""Governors, the two drivers that the rig's registers feed, and the shared folders."""


def install_modules(tree: Path, target: Path) -> list[str]:
    """Copy the wanted modules and all that they need out of a kernel package's files.

    Returns their file names in loading order. What the kernel has built in is passed over.
    """
    files = {_plain_name(path): path for path in tree.rglob("*.ko*")}
    target.mkdir(parents=True, exist_ok=True)
    loading: list[str] = []
    for name in WANTED:
        _install(name.replace("-", "_"), files, target, loading)
    return loading


def _install(name: str, files: dict[str, Path], target: Path, loading: list[str]) -> None:
    file_name = f"{name}.ko"
    if name not in files or file_name in loading:
        return
    content = _read(files[name])
    for needed in dependencies(content):
        _install(needed, files, target, loading)
    (target / file_name).write_bytes(content)
    loading.append(file_name)


def dependencies(module: bytes) -> Iterable[str]:
    r"""What a module says that it depends on.

    >>> list(dependencies(b"license=GPL\0depends=netfs,9pnet\0intree=Y\0"))
    ['netfs', '9pnet']
    """
    found = re.search(rb"(?<=\0)depends=([^\0]*)\0", module)
    names = found[1].decode() if found else ""
    return [name.replace("-", "_") for name in names.split(",") if name]


def _plain_name(path: Path) -> str:
    return path.name.partition(".")[0].replace("-", "_")


def _read(path: Path) -> bytes:
    content = path.read_bytes()
    return lzma.decompress(content) if path.suffix == ".xz" else content
