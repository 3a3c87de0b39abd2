"""Judge a back end that is open here and nowhere else: a vendor's simulator of an NPU."""

from collections.abc import Sequence

from npu_runtime.backend import Backend, Capabilities, Rows
from npu_runtime.load import run_in_batches
from npu_runtime.policy_file import PolicyFile, Precision
from rm.npu.closed_loop import governed, paired
from rm.npu.episode import Episode
from rm.npu.gate import MOST_CHANGED_SHARE, MOST_HOTTER_K
from rm.npu.held_out import compared, together
from rm.npu.verdict import Verdict


class AnyRows:
    """A back end of one fixed batch that takes any number of rows, in as many calls as it needs."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend
        self.input_shape = None, backend.input_shape[1]
        self.output_shape = None, backend.output_shape[1]

    @property
    def capabilities(self) -> Capabilities:
        """Those of the back end."""
        return self._backend.capabilities

    def run(self, rows: Rows) -> Rows:
        """The scores of `rows`."""
        return run_in_batches(self._backend, rows)

    def warm_up(self, batch: int) -> None:
        """Warm the back end up."""
        self._backend.warm_up(batch)

    def close(self) -> None:
        """Nothing: whoever opened the back end closes it."""


def judge_simulated(
    policy: PolicyFile,
    simulator: Backend,
    episodes: Sequence[Episode],
    *,
    precision: Precision,
    size_bytes: int,
) -> Verdict:
    """As `gate.judge`, in this process, of what was made of `policy` and runs on `simulator`."""
    alpha_per_k = float(policy.metadata.oracle.get("alpha_per_k", 1.0))
    candidate = AnyRows(simulator)
    both = [compared(episode, candidate, alpha_per_k) for episode in episodes]
    theirs = [governed(episode, candidate) for episode in episodes]
    return Verdict(
        policy=policy.path.stem,
        precision=precision,
        backend=simulator.capabilities.name,
        size_bytes=size_bytes,
        held_out=together([tally for tally, _ in both]),
        closed_loop=paired([exact for _, exact in both], theirs),
        most_changed_share=MOST_CHANGED_SHARE[precision],
        most_hotter_k=MOST_HOTTER_K,
    )
