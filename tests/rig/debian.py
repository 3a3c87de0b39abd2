"""Fetch Debian packages of another release and architecture, leaving the host's own dpkg alone."""

import os
import subprocess
from collections.abc import Iterable, Sequence
from pathlib import Path

HOST_PACKAGES = (
    "qemu-system-arm",
    "device-tree-compiler",
    "debian-archive-keyring",
)
"""What the host needs; `install_host_packages` installs what is missing."""

_KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"
_ANY_MIRROR = "http://deb.debian.org/debian"


class RigUnavailable(Exception):
    """The rig cannot run on this machine; the text says why and what to do."""


def output_of(*words: str, env: dict[str, str] | None = None, cwd: Path | None = None) -> str:
    """A command's standard output; RigUnavailable with what it said where it fails."""
    try:
        ended = subprocess.run(words, capture_output=True, text=True, env=env, cwd=cwd, check=False)
    except FileNotFoundError as error:
        raise RigUnavailable(f"{words[0]} is not on this machine; it needs Debian") from error
    if ended.returncode != 0:
        said = (ended.stderr.strip() or ended.stdout.strip())[-800:]
        raise RigUnavailable(f"'{' '.join(words[:4])} ...' failed with {ended.returncode}: {said}")
    return ended.stdout


def install_host_packages() -> None:
    """Install QEMU and what belongs to it, where it is missing; needs root for that."""
    missing = [name for name in HOST_PACKAGES if not _is_installed(name)]
    if not missing:
        return
    if os.geteuid() != 0:
        raise RigUnavailable(f"these packages are missing: apt-get install {' '.join(missing)}")
    env = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    output_of("apt-get", "update", "-qq", env=env)
    output_of("apt-get", "install", "-y", "-qq", "--no-install-recommends", *missing, env=env)


def _is_installed(package: str) -> bool:
    try:
        return "ok installed" in output_of("dpkg-query", "-W", "-f=${Status}", package)
    except RigUnavailable:
        return False


class PrivateApt:
    """An apt of its own below a folder: own sources, lists and cache, and nothing installed."""

    def __init__(self, folder: Path, *, suite: str, architecture: str) -> None:
        """Prepare the folder and read the package lists."""
        self._debs = folder / "debs"
        for name in ("lists/partial", "archives/partial", "debs"):
            (folder / name).mkdir(parents=True, exist_ok=True)
        (folder / "status").write_text("")
        (folder / "sources.list").write_text(
            f"deb [signed-by={_KEYRING}] {_mirror()} {suite} main\n"
        )
        (folder / "apt.conf").write_text(_configuration(folder, architecture))
        self._env = os.environ | {"APT_CONFIG": str(folder / "apt.conf")}
        self._apt("apt-get", "update", "-qq")

    def depends(self, package: str, prefix: str) -> str:
        """The package that `package` depends on and whose name starts with `prefix`."""
        for line in self._apt("apt-cache", "depends", package).splitlines():
            kind, _, name = line.strip().partition(": ")
            if kind == "Depends" and name.startswith(prefix):
                return name
        raise RigUnavailable(f"{package} depends on no {prefix}*; the archive has changed")

    def closure(self, packages: Iterable[str]) -> list[str]:
        """These packages and all that they depend on."""
        plan = self._apt("apt-get", "install", "-s", "-y", *packages)
        return [line.split()[1] for line in plan.splitlines() if line.startswith("Inst ")]

    def download(self, packages: Sequence[str]) -> list[Path]:
        """The packages' files."""
        for old in self._debs.glob("*.deb"):
            old.unlink()
        self._apt("apt-get", "download", "-qq", *packages, cwd=self._debs)
        return sorted(self._debs.glob("*.deb"))

    def _apt(self, *words: str, cwd: Path | None = None) -> str:
        return output_of(*words, env=self._env, cwd=cwd)


def unpack(package: Path, folder: Path) -> None:
    """Unpack a package's files; its scripts are not run."""
    folder.mkdir(parents=True, exist_ok=True)
    output_of("dpkg-deb", "-x", str(package), str(folder))


def _mirror() -> str:
    """The mirror that this machine already uses for Debian itself, or else the common one."""
    line = "$(REPO_URI)"
    targets = output_of(
        "apt-get", "indextargets", "--format", line, "Identifier: Packages", "Component: main"
    )
    found = [uri.rstrip("/") for uri in targets.splitlines()]
    return next((uri for uri in found if uri.endswith("/debian")), _ANY_MIRROR)


def _configuration(folder: Path, architecture: str) -> str:
    settings = {
        "Dir::Etc::sourcelist": folder / "sources.list",
        "Dir::Etc::sourceparts": "/dev/null",
        "Dir::State::lists": folder / "lists",
        "Dir::State::status": folder / "status",
        "Dir::Cache": folder,
        "APT::Architecture": architecture,
        "APT::Architectures": architecture,
        "APT::Install-Recommends": "false",
        "APT::Sandbox::User": "root",
        "Acquire::Languages": "none",
    }
    return "".join(f'{key} "{value}";\n' for key, value in settings.items())
