"""The command lines of Flower's programs, as this project runs them."""

import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from training.federated.engine.deployment.keys import Keys

Line = Sequence[str]
CONNECTION = "ilgov"
"""The name of the SuperLink in Flower's configuration file."""


def program(name: str) -> str:
    """A program of Flower's that is installed beside this Python."""
    return str(Path(sys.executable).with_name(name))


def superlink(keys: Keys, *, host: str, port: int) -> Line:
    """The server: TLS, and no node but those whose keys are registered."""
    return (
        program("flower-superlink"),
        "--host", host,
        "--port", str(port),
        "--ssl-ca-certfile", str(keys.authority),
        "--ssl-certfile", str(keys.certificate),
        "--ssl-keyfile", str(keys.server_key),
        "--enable-supernode-auth",
        "--disable-runtime-dependency-installation",
    )  # fmt: skip


def supernode(
    keys: Keys,
    device: str,
    *,
    server: str,
    port: int,
    memory: Path | None = None,
    governed: Mapping[str, str] | None = None,
) -> Line:
    """A device; its own programs speak with it at `port` of this machine's loopback.

    `governed` is what `governed_mod` is told, nothing where nobody governs its training.
    """
    told = f'device="{device}"'
    if memory is not None:
        told += f' memory="{memory}"'
    for name, value in (governed or {}).items():
        told += f' {name}="{value}"'
    return (
        program("flower-supernode"),
        "--superlink", server,
        "--root-certificates", str(keys.authority),
        "--auth-supernode-private-key", str(keys.private(device)),
        "--node-config", told,
        "--host", "127.0.0.1",
        "--port", str(port),
    )  # fmt: skip


def register(keys: Keys, device: str) -> Line:
    """Let a device's key in."""
    return (
        program("flwr"), "supernode", "register",
        str(keys.public(device)), CONNECTION, "--name", device,
    )  # fmt: skip


def start_run(app: Path) -> Line:
    """Start the Flower app in a folder; says its run as JSON."""
    return (program("flwr"), "run", str(app), CONNECTION, "--format", "json")


def stop_run(run_id: str) -> Line:
    """End a run."""
    return (program("flwr"), "stop", run_id, CONNECTION)


def show_run(run_id: str) -> Line:
    """What has become of a run, as JSON."""
    return (program("flwr"), "list", CONNECTION, "--run-id", run_id, "--format", "json")


def configuration(keys: Keys, server: str) -> str:
    """Flower's configuration file (``config.toml`` in its home): where the SuperLink is."""
    return (
        f'[superlink]\ndefault = "{CONNECTION}"\n\n[superlink.{CONNECTION}]\n'
        f"address = {json.dumps(server)}\n"
        f"root-certificates = {json.dumps(str(keys.authority.resolve()))}\n"
    )
