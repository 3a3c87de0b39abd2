"""The server in C over the stub library, built here: what tests of the back end `hiai` run against.

`programs` builds, `StubNpu` runs the server, `with_artifact` makes a policy that it can load. For
other test suites too: ``with StubNpu(programs(folder), folder) as npu: ...``.
"""

import os
import shutil
import signal
import socket
import struct
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

import pytest

from npu_runtime.convert import caffe
from npu_runtime.convert.artifact_writer import Made, write_artifact
from npu_runtime.hiai_backend import TARGET
from npu_runtime.hiai_connection import SOCKET_VARIABLE
from npu_runtime.layers import LayeredNetwork, layered_network
from npu_runtime.policy_file import PolicyFile, read_policy_file

HERE = Path(__file__).parent
ROOT = HERE.parents[2]
SOURCES = ROOT / "npu_runtime" / "hiai"
SHIPPED = ROOT / "rm" / "policies" / "shipped" / "topil-hikey970.onnx"

BATCH = 9
"""A row per core of a board of eight, and the canary."""

WARNINGS = ("-Wall", "-Wextra", "-Werror", "-std=c11", "-D_GNU_SOURCE")
SANITIZERS = "-g -O1 -fsanitize=address,undefined -fno-sanitize-recover=all"
PATIENCE_S = 20.0


@dataclass(frozen=True)
class Programs:
    """What is built: the server, the stub library, and the stub without optional symbols."""

    server: Path
    library: Path
    minimal_library: Path


def compiler() -> str:
    """The host's C compiler; without one the test is skipped, aloud."""
    found = shutil.which("cc")
    if found is None:
        pytest.skip("there is no C compiler (cc): the server and the stub NPU cannot be built")
    return found


def build_server(target: str, out: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run the build script; what it said."""
    return subprocess.run(
        ["sh", SOURCES / "build.sh", target, out],
        env=os.environ | environment,
        capture_output=True,
        text=True,
        check=False,
    )


def build_library(out: Path, *flags: str) -> Path:
    """The stub as a shared library."""
    sources = sorted(HERE.glob("stub_*.c"))
    command: list[str | Path] = [compiler(), *WARNINGS, "-O1", "-fPIC", "-shared", *flags]
    subprocess.run([*command, *sources, "-o", out, "-lm"], check=True)
    return out


def programs(folder: Path) -> Programs:
    """All of them, built in `folder`."""
    compiler()
    built = build_server("host", folder / "server")
    assert (0, "", "") == (built.returncode, built.stdout, built.stderr)
    return Programs(
        server=folder / "server",
        library=build_library(folder / "libai_client.so"),
        minimal_library=build_library(folder / "libmin.so", "-DWITHOUT_OPTIONAL_SYMBOLS"),
    )


class StubNpu:
    """A running server with its own socket; `log` is what it, its library and its rules said."""

    def __init__(
        self, built: Programs, folder: Path, *, path: str = "", library: Path | None = None
    ):
        self.path = path or str(folder / "hiai.sock")
        self.log_path = folder / "server.log"
        self.compiled = folder / "compiled.cambricon"
        self._command: list[str | Path] = [built.server, "--socket", self.path]
        self._command += ["--library", library or built.library]
        self.process: subprocess.Popen[bytes] | None = None

    def start(self, mode: str = "sound") -> None:
        """Start it, with this fault of the stub; returns once it listens."""
        starts = self.log.count("listens at")
        with self.log_path.open("ab") as log:
            self.process = subprocess.Popen(
                [*self._command, "--build", self.compiled],
                stderr=log,
                env=os.environ | {"ILGOV_STUB_HIAI": mode},
            )
        self.wait_for("listens at", starts + 1)

    def restart(self, mode: str) -> None:
        """Another fault from now on."""
        self.stop()
        self.start(mode)

    def stop(self) -> int:
        """End it as a service manager does; its exit code."""
        if self.process is None:
            return 0
        self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(PATIENCE_S)
        self.process = None
        return code

    @property
    def log(self) -> str:
        """What was said so far."""
        return self.log_path.read_text(errors="replace") if self.log_path.exists() else ""

    def wait_for(self, words: str, count: int = 1) -> None:
        """Wait until the log has `words`, `count` times."""
        until_s = time.monotonic() + PATIENCE_S
        while self.log.count(words) < count:
            assert self.process is not None
            assert self.process.poll() is None, self.log
            assert time.monotonic() < until_s, f"no {words!r} in: {self.log}"
            time.sleep(0.002)

    def connect(self) -> socket.socket:
        """A client that says what a test wants."""
        link = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        link.settimeout(PATIENCE_S)
        link.connect("\0" + self.path[1:] if self.path[0] == "@" else self.path)
        return link

    def __enter__(self) -> Self:
        """Started, and where the back end looks for it."""
        self.start()
        self._before = os.environ.get(SOCKET_VARIABLE)
        os.environ[SOCKET_VARIABLE] = self.path
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stopped, and the environment as it was."""
        if self._before is None:
            del os.environ[SOCKET_VARIABLE]
        else:
            os.environ[SOCKET_VARIABLE] = self._before
        self.stop()


def stub_model(network: LayeredNetwork, batch: int = BATCH) -> bytes:
    """A network in the stub's compiled format."""
    parts = [b"STUB", struct.pack("<II", batch, len(network.layers))]
    for layer in network.layers:
        parts.append(struct.pack("<III", *layer.weight.shape, layer.relu))
        parts += [values.astype("<f4").tobytes() for values in (layer.weight, layer.bias)]
    return b"".join(parts)


def with_artifact(
    folder: Path, *, policy: Path = SHIPPED, made_of: str = "cambricon", batch: int = BATCH
) -> PolicyFile:
    """A policy in `folder` with an artifact for the stub beside it, compiled or Caffe's files."""
    path = folder / policy.name
    shutil.copyfile(policy, path)
    file = read_policy_file(path)
    network = layered_network(file)
    files = {"cambricon": stub_model(network, batch)}
    if made_of == "caffe":
        files = {
            "prototxt": caffe.prototxt(network, batch).encode(),
            "caffemodel": caffe.caffemodel(network, batch),
        }
    made = Made(
        target=TARGET,
        format="caffe" if made_of == "caffe" else "cambricon",
        files=files,
        precision="float16",
        batch=batch,
        made_by="tests",
    )
    write_artifact(file, network, made, folder=folder)
    return file
