"""A program in the guest of many threads that all wait, registered with the daemon.

Its undo takes more room in the journal than that of any other program here.
"""

import argparse
import signal
import threading

from rm.client import Client

_STACK_BYTES = 256 * 1024


def main() -> None:
    """Wait for SIGTERM."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--socket", required=True, help="the daemon's")
    parser.add_argument("--threads", type=int, required=True)
    args = parser.parse_args()
    ended = threading.Event()
    threading.stack_size(_STACK_BYTES)
    for _ in range(args.threads):
        threading.Thread(target=ended.wait, daemon=True).start()
    signal.signal(signal.SIGTERM, lambda _number, _frame: ended.set())
    with Client(socket_path=args.socket) as client:
        client.register(target=1.0, unit="heartbeats/s", name="crowd")
        while not ended.wait(0.2):
            client.heartbeat()


if __name__ == "__main__":
    main()
