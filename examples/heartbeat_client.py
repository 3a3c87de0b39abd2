"""An application that keeps ilgov told: 30 frames a second are wanted, each one is a heartbeat.

    python examples/heartbeat_client.py

It runs just as well where no daemon does.
"""
# ruff: noqa: INP001, T201 -- a script: nobody imports it, and it prints what it found

import math

from rm.client import Client


def frame(number: int) -> float:
    """Something to compute."""
    return math.fsum(math.sqrt(i * number) for i in range(50_000))


with Client() as client:
    client.register(target=30.0, unit="heartbeats/s", name="example")
    for number in range(600):
        frame(number)
        client.heartbeat()
        if number % 100 == 99:
            print(client.state() or f"no daemon: {client.problem}")
