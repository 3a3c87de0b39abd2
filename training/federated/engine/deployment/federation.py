"""A SuperLink with its SuperNodes on this machine, from keys to the last process ended."""

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from training.federated.engine.deployment import lines
from training.federated.engine.deployment.keys import Keys
from training.federated.engine.deployment.processes import (
    Program,
    done,
    free_ports,
    listens,
    wait_until,
)

START_S = 120.0
"""How long a program of Flower's may take to start, on a busy machine."""
LOOPBACK = "127.0.0.1"
_AT_A_TIME = 4


@dataclass(kw_only=True)
class Federation:
    """A SuperLink and SuperNodes; `programs` belongs to `stopped_at_the_end`."""

    keys: Keys
    folder: Path
    environment: Mapping[str, str]
    programs: list[Program]
    nodes: dict[str, Program] = field(default_factory=dict)
    _ports: dict[str, int] = field(default_factory=dict)
    _server: str = ""

    def start_server(self) -> None:
        """Start the SuperLink at a free port of the loopback, and wait until it answers."""
        (port,) = free_ports(1)
        self._server = f"{LOOPBACK}:{port}"
        self._start("superlink", lines.superlink(self.keys, host=LOOPBACK, port=port))
        wait_until(
            lambda: listens(LOOPBACK, port),
            within_s=START_S,
            what="the SuperLink listens",
            of=self.programs,
        )
        connect(self.keys, self.environment, self._server)

    def start_nodes(self, devices: Sequence[str], memory: Path) -> None:
        """Let devices in and start their SuperNodes."""
        register(self.keys, devices, self.environment)
        self._ports |= zip(devices, free_ports(len(devices)), strict=True)
        for device in devices:
            self.start_node(device, memory)

    def start_node(
        self,
        device: str,
        memory: Path,
        keys: Keys | None = None,
        governed: Mapping[str, str] | None = None,
    ) -> Program:
        """Start one SuperNode, with its own key unless other `keys` are given.

        `governed` is what `governed_mod` is told where the ilgov daemon governs its training.
        """
        if device not in self._ports:
            (self._ports[device],) = free_ports(1)
        line = lines.supernode(
            keys or self.keys,
            device,
            server=self._server,
            port=self._ports[device],
            memory=(memory / device).resolve(),
            governed=governed,
        )
        self.nodes[device] = self._start(device, line)
        return self.nodes[device]

    def _start(self, name: str, line: lines.Line) -> Program:
        program = Program(name, line, self.environment, self.folder / f"{name}.log")
        self.programs.append(program)
        return program


def connect(keys: Keys, environment: Mapping[str, str], server: str) -> None:
    """Tell Flower's own commands where the SuperLink is."""
    home = Path(environment["FLWR_HOME"])
    home.mkdir(parents=True, exist_ok=True)
    (home / "config.toml").write_text(lines.configuration(keys, server))


def register(keys: Keys, devices: Sequence[str], environment: Mapping[str, str]) -> None:
    """Let the keys of devices in; each costs a start of Flower's command."""
    with ThreadPoolExecutor(_AT_A_TIME) as pool:
        list(
            pool.map(
                lambda device: done(lines.register(keys, device), environment, within_s=START_S),
                devices,
            )
        )
