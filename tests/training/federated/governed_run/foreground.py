"""A foreground application: 40 heartbeats a second, a line of JSON a second on what it is told.

python -m tests.training.federated.governed_run.foreground SOCKET NAME TARGET
"""

import json
import sys
import time

from rm.client import Client, Refused

BEATS_PER_S = 40.0
PATIENCE_S = 10.0


def main() -> None:
    """Beat until killed."""
    path, name, target = sys.argv[1], sys.argv[2], float(sys.argv[3])
    with Client(path) as client:
        _register(client, name, target)
        beats = 0
        while True:
            time.sleep(1.0 / BEATS_PER_S)
            client.heartbeat()
            beats += 1
            if beats % int(BEATS_PER_S) == 0:
                print(json.dumps({"time_s": time.time(), **_told(client)}), flush=True)  # noqa: T201


def _register(client: Client, name: str, target: float) -> None:
    """The practice board shows a process a little after its start, on a busy machine later."""
    end_s = time.monotonic() + PATIENCE_S
    while True:
        try:
            client.register(target=target, unit="heartbeats/s", name=name)
        except Refused:
            if time.monotonic() > end_s:
                raise
            time.sleep(0.05)
        else:
            return


def _told(client: Client) -> dict[str, object]:
    try:
        return dict(client.state())
    except Refused as error:
        return {"refused": str(error)}


if __name__ == "__main__":
    main()
