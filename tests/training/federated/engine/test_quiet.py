"""Tests that nothing of Flower's or Ray's calls home."""

import subprocess
import sys
from pathlib import Path

from training.federated.engine.deployment.environment import flower_environment
from training.federated.engine.deployment.keys import Keys
from training.federated.engine.deployment.lines import superlink

LOOK = """
import socket
def refuse(*args, **kwargs):
    raise SystemExit(f"connected to {args}")
socket.socket.connect = socket.create_connection = socket.getaddrinfo = refuse
from flwr.supercore.telemetry import FLWR_TELEMETRY_ENABLED, EventType, event
from flwr.supercore.update_check import warn_if_flwr_update_available
from flwr.supercore.utils import get_flwr_home
event(EventType.RUN_SUPERLINK_ENTER).result(timeout=20)
warn_if_flwr_update_available(process_name="flower-superlink")
print(FLWR_TELEMETRY_ENABLED, get_flwr_home())
"""


def test_telemetry_and_the_update_check_are_off_in_all_programs(tmp_path: Path) -> None:
    """With a network that would end the program: it is not touched."""
    ended = subprocess.run(
        [sys.executable, "-c", LOOK],
        env=flower_environment(tmp_path),
        capture_output=True,
        text=True,
        check=False,
    )
    assert f"0 {tmp_path}" == ended.stdout.strip(), ended.stderr


def test_a_superlink_takes_tls_and_registered_nodes_only(tmp_path: Path) -> None:
    """And installs nothing."""
    line = superlink(Keys(tmp_path), host="127.0.0.1", port=1)
    assert {"--enable-supernode-auth", "--disable-runtime-dependency-installation"} <= set(line)
    assert "--insecure" not in line
