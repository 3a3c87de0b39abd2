"""Make the guest: kernel and drivers, Debian's Python, and the Python packages it needs."""

import hashlib
import shutil
import sys
import zipfile
from collections.abc import Iterable
from pathlib import Path

from tests.rig.archive import write_archive
from tests.rig.debian import (
    PrivateApt,
    RigUnavailable,
    install_host_packages,
    output_of,
    unpack,
)
from tests.rig.kernel_modules import install_modules
from tests.rig.places import RIG, Build

SUITE = "trixie"
KERNEL = "linux-image-arm64"
GUEST_PACKAGES = ("python3", "busybox-static", "libstdc++6", "libgomp1")
WHEELS = ("numpy", "onnxruntime", "msgspec", "psutil")
"""What the daemon and the rig's programs import; without the wheels' own dependencies."""

SYSTEMD_UNITS = ("rig.target", "rig.service")
"""Files in ``systemd/``, for guests whose first process is systemd."""

_MASKED_UNITS = (
    "ldconfig.service",
    "systemd-firstboot.service",
    "systemd-journal-catalog-update.service",
    "systemd-update-done.service",
)
"""What would be done at a system's first start."""

_PLATFORMS = ("manylinux_2_28_aarch64", "manylinux_2_17_aarch64", "manylinux2014_aarch64")
_USELESS = (
    "usr/share/doc",
    "usr/share/man",
    "usr/share/locale",
    "usr/share/zoneinfo",
    "usr/lib/aarch64-linux-gnu/gconv",
    "usr/lib/aarch64-linux-gnu/perl-base",
    "var/cache",
)
_MOUNT_POINTS = (
    "dev",
    "proc",
    "sys",
    "tmp",
    "run",
    "root",
    "repo",
    "site",
    "out",
    "compiled",
    "etc",
)
_ILGOV = """#!/bin/sh
export PYTHONPATH=/out/metadata:/repo:/site PYTHONPYCACHEPREFIX=/compiled
export OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1
exec python3 -m rm.main "$@"
"""


def ensure_built(build: Build) -> None:
    """Make the guest unless it is there already, made from what is asked for now.

    Raises RigUnavailable, with the reason, where this machine cannot.
    """
    install_host_packages()
    wanted = _fingerprint()
    with build.locked():
        if build.fingerprint.exists() and build.fingerprint.read_text() == wanted:
            return
        build.fingerprint.unlink(missing_ok=True)
        build.compiled.mkdir(exist_ok=True)
        _make(build)
        build.fingerprint.write_text(wanted)


def _fingerprint() -> str:
    """Of all that goes into the guest and stands in this folder."""
    sources = (
        "guest_build.py",
        "guest_init.sh",
        "kernel_modules.py",
        "archive.py",
        *(f"systemd/{name}" for name in SYSTEMD_UNITS),
    )
    content = b"".join((RIG / name).read_bytes() for name in sources)
    return hashlib.sha256(content).hexdigest()


def _make(build: Build) -> None:
    work = build.folder / "work"
    shutil.rmtree(work, ignore_errors=True)
    root, kernel, with_systemd = work / "root", work / "kernel", work / "systemd"
    apt = PrivateApt(build.folder / "apt", suite=SUITE, architecture="arm64")
    image, plain = apt.depends(KERNEL, "linux-image-"), apt.closure(GUEST_PACKAGES)
    more = [name for name in apt.closure([*GUEST_PACKAGES, "systemd"]) if name not in plain]
    _unpack_all(apt.download([image]), kernel)
    _unpack_all(apt.download(plain), root)
    _unpack_all(apt.download(more), with_systemd)
    shutil.copy(next((kernel / "boot").glob("vmlinuz-*")), build.kernel)
    _furnish(root, kernel)
    _add_units(with_systemd)
    write_archive(root, build.initramfs)
    write_archive(with_systemd, build.systemd)
    _fetch_wheels(build.site, work / "wheels", _python_version(root))
    shutil.rmtree(work)


def _unpack_all(packages: Iterable[Path], folder: Path) -> None:
    for package in packages:
        unpack(package, folder)
    _drop_useless(folder)


def _drop_useless(root: Path) -> None:
    for name in _USELESS:
        shutil.rmtree(root / name, ignore_errors=True)


def _add_units(root: Path) -> None:
    """What systemd starts: the command of a run, and nothing else of its own accord."""
    folder = root / "etc" / "systemd" / "system"
    folder.mkdir(parents=True, exist_ok=True)
    for name in SYSTEMD_UNITS:
        shutil.copy(RIG / "systemd" / name, folder)
    for name in _MASKED_UNITS:
        (folder / name).symlink_to("/dev/null")
    (root / "etc" / "machine-id").write_text(f"{'0123456789abcdef' * 2}\n")


def _furnish(root: Path, kernel: Path) -> None:
    """Make a bootable root file system of unpacked packages."""
    for name in _MOUNT_POINTS:
        (root / name).mkdir(exist_ok=True)
    for name in ("bin", "sbin", "lib"):
        if not (root / name).exists():
            (root / name).symlink_to(f"usr/{name}")
    order = install_modules(kernel, root / "modules")
    (root / "modules" / "order").write_text("".join(f"{name}\n" for name in order))
    (root / "etc" / "passwd").write_text(
        "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\n"
    )
    (root / "etc" / "group").write_text("root:x:0:\nnogroup:x:65534:\n")
    _program(root / "init", (RIG / "guest_init.sh").read_text())
    _program(root / "usr" / "bin" / "ilgov", _ILGOV)


def _program(path: Path, text: str) -> None:
    path.write_text(text)
    path.chmod(0o755)


def _python_version(root: Path) -> str:
    """The guest's Python, as ``3.13``."""
    for path in sorted((root / "usr" / "bin").glob("python3.*")):
        return path.name.removeprefix("python")
    raise RigUnavailable("Debian's python3 package has no python3.*; the archive has changed")


def _fetch_wheels(site: Path, folder: Path, version: str) -> None:
    platforms = [word for name in _PLATFORMS for word in ("--platform", name)]
    output_of(
        *(sys.executable, "-m", "pip", "download", "--quiet", "--no-deps"),
        *("--only-binary=:all:", "--implementation", "cp", "--python-version", version),
        *(*platforms, "--dest", str(folder), *WHEELS),
    )
    shutil.rmtree(site, ignore_errors=True)
    for wheel in sorted(folder.glob("*.whl")):
        with zipfile.ZipFile(wheel) as archive:
            archive.extractall(site)
