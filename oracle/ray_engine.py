"""Jobs on Ray, as `traces.workers.finished_jobs` computes them in processes of this machine.

Ray is an extra (``ilgov[ray]``): this module is imported only where Ray is asked for.
"""

import logging
import os
import secrets
import socket
import tempfile
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

import ray
from ray.exceptions import RayError

from platforms.errors import InvalidInput
from rm.manifest import source_digest
from traces.numeric_threads import ONE_NUMERIC_THREAD
from traces.workers import Answer, answer, check_workers

Result = TypeVar("Result")

_OBJECT_STORE_BYTES = 256 * 1024**2
"""Shared memory for inputs and results on this machine; assumed to do for shards of some MB."""
_LONGEST_PARENT = 25
"""Length of a folder's path below which Ray's sockets fit into the 107 bytes that Linux allows."""

_PATIENCE_S = 5.0


def ray_jobs(
    function: Callable[[Any], Result],
    jobs: Sequence[Any],
    *,
    workers: int,
    address: str | None = None,
    retries: int = 3,
) -> Generator[tuple[int, Result], None, None]:
    """Number and result of each job, as they come; `workers` of them are computed at a time.

    Ray is started on this machine, and ended when the generator is closed; or the cluster at
    `address` is used, whose machines need the same ilgov. Where this process is connected to a Ray
    already, that one is used and left as it is. `function` is sent once, a job when there is room
    for it, and again up to `retries` times when its worker or its machine dies.

    Raises what a job raises, and InvalidInput where there is no cluster, where its code is another,
    or where a worker died too often.
    """
    check_workers(workers)
    if not jobs:
        return
    with connected(workers, address):
        shared = ray.put((function, None if address is None else source_digest()))
        run = ray.remote(num_cpus=1, max_retries=retries)(answer_remotely)
        waiting = iter(enumerate(jobs))
        running: dict[Any, int] = {}

        def start() -> None:
            for number, job in waiting:
                running[run.remote(shared, job)] = number
                return

        try:
            for _ in range(workers):
                start()
            while running:
                (finished, *_), _ = ray.wait(list(running), num_returns=1)
                number = running.pop(finished)
                yield number, _result(finished)
                start()
        finally:
            for reference in running:
                ray.cancel(reference)


def answer_remotely(shared: tuple[Callable[[Any], Any], str | None], job: object) -> Answer:
    """Compute a job in a worker, where ilgov's code has this digest (None: it is the same)."""
    function, digest = shared
    if digest is not None and _own_digest() != digest:
        return Answer(
            error=InvalidInput(
                "--ray-address must be a cluster whose machines have the same ilgov as this one "
                f"(got another on {socket.gethostname()}); install it there"
            )
        )
    return answer(function, job)


_own_digest = cache(source_digest)


def _result(reference: Any) -> Any:
    try:
        received: Answer = ray.get(reference)
    except RayError as error:
        reason = str(error).strip().partition("\n")[0]
        raise InvalidInput(
            f"a job on Ray ended before it was done ({type(error).__name__}: {reason}); where "
            "memory ran out, fewer --jobs help; every machine of a cluster needs ilgov[ray]"
        ) from error
    if received.error is not None:
        raise received.error
    return received.result


@contextmanager
def connected(workers: int, address: str | None = None) -> Iterator[None]:
    """Be connected to Ray as `ray_jobs` says, as long as the block lasts."""
    if ray.is_initialized():
        yield
        return
    quiet: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.ERROR}
    # Releases up to 2.55 warn of a change in how they hide GPUs from who asked for none, as we do.
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    with _private_folder() as folder:
        try:
            if address is None:
                _have_a_token()
                ray.init(
                    address="local",
                    num_cpus=workers,
                    include_dashboard=False,
                    object_store_memory=_OBJECT_STORE_BYTES,
                    _temp_dir=folder,
                    **quiet,
                )
            else:
                _join(address, quiet)
            yield
        finally:
            ray.shutdown()


def _have_a_token() -> None:
    """Give Ray the token that it asks of who connects, so that it writes none into the user's home.

    Where the user has one, Ray takes that. It reads it once in the life of a process: it stays.
    """
    known = {"RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH"} & os.environ.keys()
    if not known and not (Path.home() / ".ray" / "auth_token").exists():
        os.environ["RAY_AUTH_TOKEN"] = secrets.token_hex(32)


def _join(address: str, quiet: Mapping[str, Any]) -> None:
    """Connect to a cluster that is running; Ray itself would wait for minutes if it is not."""
    threads = {"env_vars": dict(ONE_NUMERIC_THREAD)}
    host, colon, port = address.removeprefix("ray://").rpartition(":")
    try:
        if colon:
            socket.create_connection((host, int(port)), _PATIENCE_S).close()
        ray.init(address=address, runtime_env=threads, **quiet)
    except (OSError, RuntimeError, ValueError, RayError) as error:
        reason = str(error).strip().partition("\n")[0]
        raise InvalidInput(
            f"--ray-address must be that of a running Ray cluster (got {address!r}: {reason}); "
            "one that asks for a token needs RAY_AUTH_MODE=token in the environment"
        ) from error


@contextmanager
def _private_folder() -> Iterator[str]:
    """A folder for Ray's sockets and logs: its usual one may be another user's, and would stay."""
    usual = tempfile.gettempdir()
    parent = usual if len(usual) <= _LONGEST_PARENT else "/tmp"
    with tempfile.TemporaryDirectory(
        prefix="ilgov-", dir=parent, ignore_cleanup_errors=True
    ) as folder:
        yield folder
