"""The back ends that this machine has, opened to be measured; of the others, why it has them not.

What is isolated is measured as the governor sees it, through its process, and never mixed up with
the CPU that covers for it: who was covered for is not measured.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from importlib.metadata import entry_points
from pathlib import Path

from npu_runtime.backend import Backend, Capabilities, Rows
from npu_runtime.errors import BackendUnavailable
from npu_runtime.isolation import IsolatedBackend
from npu_runtime.load import (
    BACKENDS,
    GROUP,
    ISOLATED,
    ISOLATED_BACKENDS,
    LoadedPolicy,
    open_policy,
    run_in_batches,
)
from npu_runtime.policy_file import PolicyFile

PATIENT_S = 1.0
"""The deadline of a call that is measured: what is late in the governor still has a latency."""

READY_S = 20.0
"""How long an isolated back end may take to start."""

_ABSENT = ("BackendUnavailable:", "MissingArtifact:")
"""How a process's last words begin where the machine lacks something, and nothing is wrong."""


class WrongBackend(RuntimeError):
    """A back end that is there, and cannot be used."""


@dataclass(frozen=True)
class Subject:
    """An open back end under its name; `run` takes any number of rows."""

    name: str
    policy: LoadedPolicy
    run: Callable[[Rows], Rows] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        """Pad and divide for those that need it only, as the governor does."""
        backend = self.policy.backend
        any_batch = backend.capabilities.max_batch is None
        run = backend.run if any_batch else partial(run_in_batches, backend)
        object.__setattr__(self, "run", run)

    @property
    def backend(self) -> Backend:
        """The back end itself, or what isolates it."""
        return self.policy.backend

    def failure(self) -> str | None:
        """Why the CPU has covered for it, if it ever has."""
        backend = self.backend
        if not isinstance(backend, IsolatedBackend) or not backend.counts.by_fallback:
            return None
        return backend.degraded or f"the CPU answered {backend.counts.by_fallback} calls for it"

    def cpu_s(self) -> float:
        """Processor time so far, of this thread and of the back end's own process."""
        backend = self.backend
        pid = backend.pid if isinstance(backend, IsolatedBackend) else None
        return time.thread_time() + (0.0 if pid is None else _cpu_s_of(pid))

    def close(self) -> None:
        """Free the back end."""
        self.policy.close()


def known_names() -> tuple[str, ...]:
    """The names of all back ends, present or not: ours, then other people's."""
    theirs = sorted(point.name for point in entry_points(group=GROUP))
    return (*BACKENDS, *ISOLATED_BACKENDS, *theirs)


def opened(file: PolicyFile, name: str, *, ready_within_s: float = READY_S) -> Subject:
    """The back end `name` with the policy, warm.

    Raises BackendUnavailable where the machine lacks it, WrongBackend or a PolicyFileError where it
    does not work.
    """
    policy = open_policy(file, backend=name, deadline_s=PATIENT_S)
    backend = policy.backend
    if isinstance(backend, IsolatedBackend) and not _is_ready(backend, ready_within_s):
        policy.close()
        raise _why_not_ready(backend, ready_within_s)
    return Subject(name, policy)


def _is_ready(backend: IsolatedBackend, within_s: float) -> bool:
    """Whether it gets ready; the first failure ends the wait."""
    until_s = time.monotonic() + within_s
    while backend.degraded is None and time.monotonic() < until_s:
        if backend.wait_until_ready(0.05):
            return True
    return False


def _why_not_ready(backend: IsolatedBackend, within_s: float) -> Exception:
    if backend.degraded is None:
        return WrongBackend(f"it was not ready {within_s:g} s after its start")
    words = backend.degraded.partition("crashed: ")[2].rpartition("; ")[0]
    for kind in _ABSENT:
        if words.startswith(kind):
            return BackendUnavailable(words.removeprefix(kind).strip())
    return WrongBackend(words or backend.degraded)


def _cpu_s_of(pid: int) -> float:
    """Processor time of all threads of a process; 0 where the kernel does not say."""
    try:
        files = Path(f"/proc/{pid}/task").glob("*/schedstat")
        return sum(int(file.read_text().split()[0]) for file in files) / 1e9
    except (OSError, ValueError, IndexError):
        return 0.0


class Uncovered:
    """An isolated back end without the CPU's help: a call that it does not answer raises.

    For checks of what is isolated, which would else check what covers for it.
    """

    def __init__(self, name: str, file: PolicyFile) -> None:
        """Raises as `opened`."""
        backend = opened(file, f"{ISOLATED}{name.removeprefix(ISOLATED)}").backend
        assert isinstance(backend, IsolatedBackend)
        self._backend = backend

    @property
    def capabilities(self) -> Capabilities:
        """The back end's."""
        return self._backend.capabilities

    @property
    def input_shape(self) -> tuple[int | None, ...]:
        """The shape of the network's only input."""
        return self._backend.input_shape

    @property
    def output_shape(self) -> tuple[int | None, ...]:
        """The shape of the network's only output."""
        return self._backend.output_shape

    def run(self, rows: Rows) -> Rows:
        """The scores of `rows`; WrongBackend where the CPU would have answered."""
        before = self._backend.counts.by_fallback
        scores = self._backend.run(rows)
        if self._backend.counts.by_fallback != before:
            raise WrongBackend(self._backend.degraded or "it did not answer")
        return scores

    def warm_up(self, batch: int) -> None:
        """As the back end does."""
        self._backend.warm_up(batch)

    def close(self) -> None:
        """End its process."""
        self._backend.close()
