"""Tests of the engines: the same bytes from all of them, and what is said when one fails.

Ray takes seconds to start, so few tests start it.
"""

import gc
import os
import secrets
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from pathlib import Path

import pytest

from platforms.errors import InvalidInput
from tests.conftest import Ended
from tests.started_command import started
from traces.workers import answer

pytest.importorskip("ray", reason="Ray is an extra")

import ray

from oracle.ray_engine import answer_remotely, connected, ray_jobs

Ilgov = Callable[..., Ended]

pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning")
"""Ray 2.55, which Flower asks for, leaves its log files and handles of its processes to Python."""

SWEEP = ("--targets", 3, "--demands", 3, "--shard-size", 1)


def refuse(number: int) -> int:
    """Complain as commands do."""
    raise InvalidInput(f"job must be even (got {number})")


def die(_: int) -> None:
    """End as the kernel ends a process when memory runs out."""
    os.kill(os.getpid(), signal.SIGKILL)


@pytest.fixture(autouse=True)
def _collected() -> Iterator[None]:
    """What Ray left is collected here, and not in the midst of another test."""
    yield
    gc.collect()


@pytest.fixture
def labels(ilgov: Ilgov, traces_path: Path, tmp_path: Path) -> Callable[..., Path]:
    """Sweep the short recording: ``labels("--jobs", 2)`` is the file."""

    def run(*options: object) -> Path:
        out = tmp_path / f"{len(list(tmp_path.iterdir()))}.parquet"
        given = ("--traces", traces_path, "--out", out, *SWEEP, *options)
        code, _, stderr = ilgov("oracle", "labels", *given)
        assert (0, "") == (code, stderr)
        return out

    return run


def test_every_engine_and_any_number_of_workers_give_the_same_bytes(
    ilgov: Ilgov, tmp_path: Path
) -> None:
    """Ray is started on this machine, and gone afterwards."""
    words = ("oracle", "joint", "--scenarios", 60, "--shard-size", 7)
    engines = {"one": ("--jobs", 1), "two": ("--jobs", 2), "ray": ("--engine", "ray")}
    for name, options in engines.items():
        code, _, stderr = ilgov(*words, "--out", tmp_path / name, *options)
        assert (0, "") == (code, stderr)
    assert 1 == len({(tmp_path / name).read_bytes() for name in engines})
    assert set(engines) == {path.name for path in tmp_path.iterdir()}
    assert not ray.is_initialized()


def test_a_ray_that_is_connected_is_used_and_outlives_all_that_jobs_do() -> None:
    """As in a notebook: jobs may be refused, or their workers killed for their memory."""
    with connected(2):
        with closing(ray_jobs(abs, [0, -1, -2, -3, -4], workers=2)) as finished:
            assert [(number, number) for number in range(5)] == sorted(finished)
        check_that_a_refusal_arrives_as_such()
        check_that_a_dead_worker_is_told_with_advice()
        assert ray.is_initialized()
    assert not ray.is_initialized()


def check_that_a_refusal_arrives_as_such() -> None:
    """The command line prints its message as it is; the worker's lines are noted."""
    finished = ray_jobs(refuse, [1, 3], workers=2)
    with closing(finished), pytest.raises(InvalidInput) as caught:
        next(finished)
    assert str(caught.value) in {"job must be even (got 1)", "job must be even (got 3)"}
    assert "in refuse" in "".join(caught.value.__notes__)


def check_that_a_dead_worker_is_told_with_advice() -> None:
    """Fewer of them need less memory."""
    finished = ray_jobs(die, [1, 2], workers=2, retries=0)
    advice = r"ended before it was done.*fewer --jobs help"
    with closing(finished), pytest.raises(InvalidInput, match=advice):
        next(finished)


def test_a_worker_with_other_code_refuses_to_compute() -> None:
    """Half of a sweep by yesterday's oracle would be of no use."""
    refused = answer_remotely((abs, "the digest of another version"), -1)
    assert isinstance(refused.error, InvalidInput)
    assert "whose machines have the same ilgov as this one" in str(refused.error)
    assert answer(abs, -1) == answer_remotely((abs, None), -1)


def test_no_jobs_need_no_ray() -> None:
    """A resumed sweep may find all its shards."""
    assert [] == list(ray_jobs(abs, [], workers=2, address="nowhere:1"))
    assert not ray.is_initialized()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--jobs", "0"], "--jobs must lie in 1 ... 10000 (got 0)"),
        (["--shard-size", "0"], "--shard-size must lie in 1 ... 1000000 (got 0)"),
        (["--ray-address", "auto"], "--ray-address needs --engine ray (got --engine local)"),
        (
            ["--engine", "ray", "--ray-address", "127.0.0.1:9"],
            "--ray-address must be that of a running Ray cluster (got '127.0.0.1:9': ",
        ),
        (
            ["--engine", "ray", "--ray-address", "nowhere"],
            "--ray-address must be that of a running Ray cluster (got 'nowhere': ",
        ),
    ],
)
def test_an_engine_that_cannot_be_is_told_in_one_line(
    ilgov: Ilgov, traces_path: Path, tmp_path: Path, words: list[str], message: str
) -> None:
    """At once: Ray itself would look for minutes for a cluster that is not there."""
    given = ("--traces", traces_path, "--out", tmp_path / "l.parquet")
    code, stdout, stderr = ilgov("oracle", "labels", *given, *words)
    assert (2, "") == (code, stdout)
    assert stderr.startswith(f"ilgov: error: {message}")
    assert 1 == stderr.count("\n")
    assert [] == list(tmp_path.iterdir())


def test_without_ray_the_extra_is_named(
    ilgov: Ilgov, traces_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before any work is done."""
    monkeypatch.setitem(sys.modules, "ray", None)
    monkeypatch.delitem(sys.modules, "oracle.ray_engine")
    given = ("--traces", traces_path, "--out", tmp_path / "l.parquet")
    code, _, stderr = ilgov("oracle", "labels", *given, "--engine", "ray")
    assert 2 == code
    assert stderr.endswith("which is not installed; install it with: pip install 'ilgov[ray]'\n")


@pytest.fixture
def cluster() -> Iterator[tuple[str, dict[str, str]]]:
    """The address of a Ray that was started apart, and what a client's environment must hold.

    It ends with its process group: ``ray stop`` would end everybody's. Its folder has a short name,
    for the sockets in it.
    """
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    token = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32)}
    options = ["--head", "--block", "--num-cpus=2", "--include-dashboard=false"]
    with tempfile.TemporaryDirectory(prefix="r", ignore_cleanup_errors=True) as folder:
        process = subprocess.Popen(
            [
                *(Path(sys.executable).with_name("ray"), "start", f"--port={port}"),
                *(*options, "--disable-usage-stats", f"--temp-dir={folder}"),
            ],
            env=os.environ | token,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        try:
            wait_until_it_answers(port, process)
            yield f"127.0.0.1:{port}", token
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def wait_until_it_answers(port: int, process: subprocess.Popen[bytes]) -> None:
    """Return when somebody listens on a port of this machine."""
    end_s = time.monotonic() + 60
    while True:
        assert process.poll() is None, "Ray ended at once"
        assert time.monotonic() < end_s, "waited in vain for Ray"
        with socket.socket() as line:
            if line.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)


def test_a_cluster_that_is_running_gives_the_same_bytes(
    labels: Callable[..., Path],
    cluster: tuple[str, dict[str, str]],
    traces_path: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """In a process of its own, as a user of a cluster starts it."""
    address, token = cluster
    here, there = labels("--jobs", 1), tmp_path / "there.parquet"
    for name, value in token.items():
        monkeypatch.setenv(name, value)
    given = ("--traces", traces_path, "--out", there, *SWEEP, "--engine", "ray")
    with started("oracle", "labels", *given, "--ray-address", address) as command:
        stdout, stderr = command.process.communicate(timeout=120)
    assert (0, "") == (command.process.returncode, stderr), stdout
    assert here.read_bytes() == there.read_bytes()
