"""A policy's network in two versions behind one back end, and a policy made over it."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from npu_runtime.backend import Backend, Capabilities, Rows
from npu_runtime.load import LoadedPolicy
from npu_runtime.policy_file import Feature
from rm.policies.registry import PolicyContext


class Switch:
    """A back end that asks `exact`, and `candidate` where it is told to.

    `answers` counts the calls of `exact`.
    """

    def __init__(self, exact: Backend, candidate: Backend) -> None:
        self.exact = exact
        self.answers = 0
        self._candidate = candidate
        self._active = exact

    @property
    def capabilities(self) -> Capabilities:
        """Those of who answers now."""
        return self._active.capabilities

    @property
    def input_shape(self) -> tuple[int | None, ...]:
        """That of who answers now."""
        return self._active.input_shape

    @property
    def output_shape(self) -> tuple[int | None, ...]:
        """That of who answers now."""
        return self._active.output_shape

    @contextmanager
    def to_candidate(self) -> Iterator[None]:
        """Within, the candidate answers."""
        self._active = self._candidate
        try:
            yield
        finally:
            self._active = self.exact

    def run(self, rows: Rows) -> Rows:
        """The scores of `rows`."""
        self.answers += self._active is self.exact
        return self._active.run(rows)

    def warm_up(self, batch: int) -> None:
        """Warm both up."""
        self.exact.warm_up(batch)
        self._candidate.warm_up(batch)

    def close(self) -> None:
        """Close both."""
        self.exact.close()
        self._candidate.close()


@dataclass(frozen=True)
class SwitchedContext(PolicyContext):
    """What a policy is made from whose network has a candidate beside it (see `switch`).

    `settled` says that float32 is at hand to settle what the candidate cannot tell apart, as it is
    where an accelerator runs the layers.
    """

    candidate: Backend | None = None
    settled: bool = False

    def load(
        self, path: Path, *, features: Sequence[Feature], outputs: Sequence[str]
    ) -> LoadedPolicy:
        """The network at `path`, checked as ever, with the candidate behind it."""
        loaded = super().load(path, features=features, outputs=outputs)
        if self.candidate is None:
            return loaded
        switch = Switch(loaded.backend, self.candidate)
        both = LoadedPolicy(loaded.file, switch, exact=loaded.backend if self.settled else None)
        self.networks[:] = [both]
        return both

    @property
    def switch(self) -> Switch:
        """The switch of the policy that was made; ValueError where none loaded a network."""
        backends = [network.backend for network in self.networks]
        if len(backends) != 1 or not isinstance(backends[0], Switch):
            raise ValueError(f"the policy must have one network (got {len(backends)})")
        return backends[0]
