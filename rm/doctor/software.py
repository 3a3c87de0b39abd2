"""What the daemon is made of: Python, libraries, systemd."""

import sys
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version

from platforms.linux.files.maybe_file import is_there
from rm.doctor.finding import Finding, degraded, missing, ok
from rm.doctor.subject import Machine

OLDEST_PYTHON = (3, 11)


def examine_software(machine: Machine) -> Iterator[Finding]:
    """Python, the libraries that are needed, those that are wanted."""
    python = ".".join(map(str, sys.version_info[:3]))
    if sys.version_info >= OLDEST_PYTHON:
        yield ok("python", python)
    else:
        yield missing("python", python, "older than 3.11", "install a newer one")
    yield _onnxruntime(machine.settings.backend)
    if machine.settings.metrics.listen:
        yield _wanted("prometheus_client", "no metrics are served")
    yield _wanted("rich", "'ilgov top' does not run")


def examine_systemd(machine: Machine) -> Iterator[Finding]:
    """Who would start the daemon, watch it, and restore after it."""
    if not is_there(machine.root / "run/systemd/system"):
        yield degraded(
            "systemd",
            "not running",
            "nobody watches the daemon, restarts it, or restores after a crash",
            "another supervisor must run 'ilgov restore' whenever the daemon has ended",
        )
    elif _unit_is_there(machine):
        yield ok("systemd", "running, ilgov.service is installed")
    else:
        yield degraded(
            "systemd",
            "running, ilgov.service is not installed",
            "the daemon is not started at boot and not watched",
            "ilgov unit > /etc/systemd/system/ilgov.service; systemctl daemon-reload",
        )


def _unit_is_there(machine: Machine) -> bool:
    folders = ("etc/systemd/system", "usr/lib/systemd/system", "lib/systemd/system")
    return any(is_there(machine.root / folder / "ilgov.service") for folder in folders)


def _onnxruntime(backend: str) -> Finding:
    installed = _installed("onnxruntime")
    if installed:
        return ok("onnxruntime", installed)
    if backend == "onnxruntime":
        way_out = "pip install onnxruntime, or backend = 'numpy' in the configuration"
        return missing("onnxruntime", "not installed", "networks cannot be run", way_out)
    return ok("onnxruntime", f"not installed, and not needed by back end {backend!r}")


def _wanted(package: str, means: str) -> Finding:
    installed = _installed(package)
    if installed:
        return ok(package, installed)
    return degraded(package, "not installed", means, "pip install 'ilgov[daemon]'")


def _installed(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
