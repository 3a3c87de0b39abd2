"""What one exchange with three devices costs in each engine, and how large Flower's processes are.

    PYTHONPATH=. python benchmarks/federated_exchanges.py --engine inprocess|simulation|deployment

Devices do nothing but send back what they were sent; times are of the wall clock and say something
only about the machine and the hour at which they were taken.
"""

import argparse
import statistics
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import psutil
from msgspec import Struct
from numpy.typing import NDArray

from rm.main import main as ilgov
from training.federated.exchange import Exchange, Order, Reply
from training.federated.fleet import Device
from training.federated.registry import options_of
from training.federated.running import read_results
from training.federated.study import Outcome, PlainStudy, Size
from training.federated.system import Played, Setup, State, System

NAME = "benchmarks.federated_exchanges:SYSTEM"
FLEET = Path(__file__).parents[1] / "tests/training/federated/deployment/three.toml"


class EchoOptions(Struct, frozen=True, forbid_unknown_fields=True):
    """Exchanges in a round, and how large what is sent each way is."""

    exchanges: int = 5
    payload_bytes: int = 8
    torch: bool = False


class EchoServer:
    """Sends arrays and has them sent back; notes how long each exchange took."""

    def __init__(self, setup: Setup) -> None:
        self.options = options_of(setup, EchoOptions)

    def play(self, round_: int, present: Sequence[Device], exchange: Exchange) -> Played:
        """A round of many exchanges."""
        notes: dict[str, float] = {}
        array = np.zeros(self.options.payload_bytes // 8)
        order = Order(arrays={"w": array}, returns={"w": array.shape}, metrics=())
        for index in range(self.options.exchanges):
            begun = time.perf_counter()
            replies = exchange({device.name: order for device in present})
            notes[f"exchange {round_}.{index}"] = time.perf_counter() - begun
            assert len(replies) == len(present)
        return Played(
            time_s=0.0,
            waiting_s=0.0,
            energy_j=0.0,
            up_bytes=0,
            down_bytes=0,
            flops=0.0,
            peak_bytes=0,
            participants=len(present),
            notes=notes,
        )

    def accuracy(self, split: str) -> float:
        """None."""
        return float(len(split) * 0)

    def state(self) -> State:
        """Nothing."""
        return State(arrays={})

    def restore(self, state: State) -> None:
        """Nothing."""


class EchoClient:
    """Sends back what it was sent."""

    def __init__(self, setup: Setup, device: str) -> None:
        if options_of(setup, EchoOptions).torch:
            import torch  # noqa: F401  # what a real client costs to start

    def act(self, order: Order, memory: dict[str, NDArray[Any]]) -> Reply:
        """See Client."""
        return Reply(arrays=order.arrays, metrics={})


def _no_setups(size: Size, seed: int) -> Sequence[Setup]:
    return ()


def _no_tables(size: Size, outcomes: Sequence[Outcome]) -> Sequence[Any]:
    return ()


SYSTEM = System(
    name="echo",
    paper="none",
    summary="sends arrays there and back",
    methods=("echo",),
    options=EchoOptions,
    default_task="none",
    server=EchoServer,
    client=EchoClient,
    study=lambda: PlainStudy(grid={}, make_setups=_no_setups, make_tables=_no_tables),
)


def largest_memory(stop: threading.Event, found: dict[str, float]) -> None:
    """Watch all processes below this one: the largest resident set of each kind, MB."""
    me = psutil.Process()
    while not stop.wait(0.2):
        for process in me.children(recursive=True):
            try:
                kind = next(
                    (Path(word).name for word in process.cmdline() if "fl" in Path(word).name[:4]),
                    process.name(),
                )
                size = process.memory_info().rss / 1e6
            except psutil.Error:
                continue
            found[kind] = max(found.get(kind, 0.0), size)


def measure(engine: str, options: Sequence[str]) -> tuple[Mapping[str, float], dict[str, float]]:
    """Times of exchanges (s), and the largest memory of each kind of process (MB)."""
    memory: dict[str, float] = {}
    stop = threading.Event()
    watching = threading.Thread(target=largest_memory, args=(stop, memory))
    with tempfile.TemporaryDirectory() as folder:
        watching.start()
        words = ["federated", "run", "--system", NAME, "--engine", engine, "--fleet", str(FLEET)]
        words += ["--out", folder + "/run", "--rounds", "1", *options, "--json"]
        code = ilgov(words)
        stop.set()
        watching.join()
        if code:
            raise SystemExit(code)
        return read_results(Path(folder) / "run").record.notes, memory


def main() -> None:
    """Measure one engine and print it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--engine", required=True)
    parser.add_argument("--set", action="append", default=[])
    args = parser.parse_args()
    times, memory = measure(args.engine, [word for pair in args.set for word in ("--set", pair)])
    print(f"{args.engine} {' '.join(args.set)}: load {psutil.getloadavg()[0]:.1f}")
    print("exchanges, s:", ", ".join(f"{value:.4f}" for value in times.values()))
    print(f"median of all but the first: {statistics.median(list(times.values())[1:]):.4f} s")
    for kind, size in sorted(memory.items()):
        print(f"{kind}: {size:.0f} MB")


if __name__ == "__main__":
    main()
