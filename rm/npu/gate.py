"""Whether a policy of lower precision may take float32's place: by decisions and by temperatures.

What decides is what the policy orders, not how far scores are off: where two choices are as good as
each other, any rounding may tip the balance, and nothing is lost.
"""

from collections.abc import Callable, Mapping
from functools import partial

from npu_runtime.backend import Backend
from npu_runtime.load import backend_named
from npu_runtime.policy_file import PolicyFile, Precision
from platforms.board import Board
from rm.npu.closed_loop import governed, paired
from rm.npu.episode import Episode, Lived
from rm.npu.held_out import Tally, compared, together
from rm.npu.judged import Extent, episodes
from rm.npu.verdict import Verdict
from traces.workers import run_jobs

MOST_CHANGED_SHARE: Mapping[Precision, float] = {"float32": 0.001, "float16": 0.001, "int8": 0.01}
"""Of the decisions that a precision may change."""

MOST_HOTTER_K = 0.05
"""By so much may the hottest core be hotter in the mean when the candidate governs."""

JUDGED_ON: Mapping[Precision, str] = {
    "float32": "onnxruntime",
    "float16": "numpy",
    "int8": "onnxruntime",
}
"""What runs a candidate unless it is said. numpy rounds to float16 behind every layer, as
accelerators do; onnxruntime on a CPU without float16 arithmetic rounds less."""


def judge(
    policy: PolicyFile,
    candidate: PolicyFile,
    *,
    board: Board,
    extent: Extent | None = None,
    backend: str | None = None,
    jobs: int = 1,
    on_done: Callable[[], None] = lambda: None,
) -> Verdict:
    """Judge `candidate` on `backend` (None: see `JUDGED_ON`) on held-out episodes of `board`.

    `policy` is the file that it was made from, or the same one where a back end is judged. The same
    verdict every time, however many `jobs` (processes) there are. `on_done` hears of every episode
    that was lived in either way, `len(judged.episodes(...))` in all.

    Raises InvalidInput for a policy or an extent that cannot be judged, BackendUnavailable where
    the back end is not there, PolicyFileError where it cannot run the candidate.
    """
    precision = candidate.metadata.precision or "float32"
    name = backend or JUDGED_ON[precision]
    _opened(candidate, name).close()
    lives = run_jobs(
        partial(_lived_both_ways, policy, candidate, name),
        episodes(policy, board, extent or Extent()),
        workers=jobs,
        on_done=lambda _: on_done(),
    )
    return Verdict(
        policy=policy.path.stem,
        precision=precision,
        backend=name,
        size_bytes=len(candidate.content),
        held_out=together([tally for tally, _, _ in lives]),
        closed_loop=paired([exact for _, exact, _ in lives], [theirs for _, _, theirs in lives]),
        most_changed_share=MOST_CHANGED_SHARE[precision],
        most_hotter_k=MOST_HOTTER_K,
    )


def _lived_both_ways(
    policy: PolicyFile, candidate: PolicyFile, backend: str, episode: Episode
) -> tuple[Tally, Lived, Lived]:
    alpha_per_k = float(policy.metadata.oracle.get("alpha_per_k", 1.0))
    tally, exact = compared(episode, _opened(candidate, backend), alpha_per_k)
    return tally, exact, governed(episode, _opened(candidate, backend))


def _opened(candidate: PolicyFile, name: str) -> Backend:
    """The candidate on a back end, whatever its scores are: that is what is judged."""
    return backend_named(name)(candidate)
