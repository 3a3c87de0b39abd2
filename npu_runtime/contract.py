"""What every back end promises, as checks that anybody can run on theirs.

    check_backend(MyBackend, read_policy_file("policy.onnx"))

or one test for each promise:

    @pytest.mark.parametrize("promise", PROMISES)
    def test_my_back_end(promise: str) -> None:
        check_promise(promise, MyBackend, read_policy_file("policy.onnx"))

``ilgov npu check policy.onnx --backend NAME --contract`` does it for one that ilgov knows by name,
as does ``python -m npu_runtime.contract NAME policy.onnx``, in whose process it runs.

Not promised: that two threads may call one back end at the same time (the governor has one), and
that two runs of a machine give the same bits.
"""

import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

import numpy as np

from npu_runtime.backend import Backend, Rows, score_range
from npu_runtime.errors import BackendUnavailable
from npu_runtime.load import PARITY_TOLERANCE, backend_named, run_in_batches
from npu_runtime.policy_file import PolicyFile, read_policy_file
from npu_runtime.precision import PRECISIONS, coarser

OpenBackend = Callable[[PolicyFile], Backend]

MOST_ROWS = 16
"""All batches up to this one are tried on a back end that takes any, and its largest."""

_REPEATS = 20
_OPENINGS = 4

_OF_THE_TOLERANCE = 0.1
"""Two answers to one question may differ by this share of what parity allows (chosen)."""


class BrokenBackendContract(Exception):
    """Promises of `npu_runtime.backend` are broken; `violations` names each."""

    def __init__(self, subject: str, violations: Sequence[str]) -> None:
        """`subject` is who breaks them."""
        self.violations = tuple(violations)
        lines = "".join(f"\n- {violation}" for violation in self.violations)
        super().__init__(f"{subject} breaks {len(self.violations)} promises:{lines}")


@dataclass(frozen=True)
class _Case:
    """A back end that was opened, the policy, and how it is opened once more."""

    backend: Backend
    file: PolicyFile
    open_backend: OpenBackend

    @property
    def most(self) -> int:
        """Rows of the largest batch that is tried."""
        return self.backend.capabilities.max_batch or MOST_ROWS

    @property
    def batches(self) -> Sequence[int]:
        """Sizes that one call may have: all small ones, and the largest."""
        if not self.backend.capabilities.dynamic_batch:
            return (self.most,)
        return (*range(1, min(self.most, MOST_ROWS + 1)), self.most)

    @property
    def outputs(self) -> int:
        """Scores in a row."""
        return len(self.file.metadata.outputs)

    def rows(self, count: int, *, seed: int = 0) -> Rows:
        """The policy's known rows, a little moved, as many as are wanted; all of them distinct."""
        known, _ = self.file.metadata.parity_rows()
        rng = np.random.default_rng(seed)
        chosen = known[rng.integers(len(known), size=count)]
        moved: Rows = (chosen * rng.uniform(0.9, 1.1, chosen.shape)).astype(np.float32)
        return moved

    def run(self, rows: Rows) -> Rows:
        """The scores, in calls of a size that the back end takes."""
        return run_in_batches(self.backend, rows)

    @property
    def tolerance(self) -> float:
        """How far a score may be off, in its own unit."""
        precision = coarser(
            self.file.metadata.precision or "float32", self.backend.capabilities.precision
        )
        _, expected = self.file.metadata.parity_rows()
        spread = score_range(expected)
        return PARITY_TOLERANCE[precision] * spread

    def differs(self, expected: Rows, found: Rows, *, share: float = 1.0) -> str | None:
        """How two answers differ, if by more than this share of the tolerance; NaN does."""
        if expected.shape != found.shape:
            return f"the shapes {expected.shape} and {found.shape}"
        off = float(np.abs(found.astype(np.float64) - expected).max())
        allowed = self.tolerance * share
        return None if off <= allowed else f"{off:.3g}, more than {allowed:.3g}"


Violations = Iterator[str]


def _capabilities(case: _Case) -> Violations:
    """Name, version and device are told; batch and shapes fit together, and to the policy."""
    able, backend = case.backend.capabilities, case.backend
    for field in ("name", "version", "device"):
        if not getattr(able, field):
            yield f"capabilities.{field} must be a text that is not empty"
    if able.precision not in PRECISIONS:
        known = ", ".join(PRECISIONS)
        yield f"capabilities.precision must be one of {known} (got {able.precision!r})"
    if able.max_batch is not None and able.max_batch < 1:
        yield f"capabilities.max_batch must be 1 or more, or None (got {able.max_batch})"
    if able.max_batch is None and not able.dynamic_batch:
        yield "capabilities.max_batch must be a number where dynamic_batch is False (got None)"
    widths = len(case.file.metadata.features), case.outputs
    for label, shape, width in zip(
        ("input", "output"), (backend.input_shape, backend.output_shape), widths, strict=True
    ):
        if len(shape) != 2 or shape[1] != width:
            yield f"{label}_shape must be (rows, {width}) (got {shape})"
        elif shape[0] is not None and able.dynamic_batch:
            yield f"{label}_shape must be (None, {width}) with dynamic_batch True (got {shape})"
    case.run(case.rows(case.most))
    after = case.backend.capabilities
    if after != able:
        yield f"capabilities must stay as they are (got {after} after a call)"


def _shapes(case: _Case) -> Violations:
    """Every batch gives a matrix of float32: a row of scores for each row."""
    for batch in case.batches:
        scores = case.backend.run(case.rows(batch))
        kind = getattr(scores, "dtype", type(scores).__name__)
        if kind != np.float32:
            yield f"scores must be an array of float32 (got {kind})"
        elif scores.shape != (batch, case.outputs):
            yield f"scores.shape must be {batch, case.outputs} (got {scores.shape})"


def _parity(case: _Case) -> Violations:
    """The policy's known rows get the scores that the training gave them."""
    rows, expected = case.file.metadata.parity_rows()
    differs = case.differs(expected, case.run(rows))
    if differs:
        yield f"the scores of the policy's known rows must be the training's (off by {differs})"


def _any_batch(case: _Case) -> Violations:
    """A row's scores do not depend on how many rows are asked for with it."""
    rows = case.rows(case.most)
    whole = case.backend.run(rows)
    for batch in case.batches:
        differs = case.differs(whole[:batch], case.backend.run(rows[:batch]), share=0.5)
        if differs:
            yield f"{batch} rows must score as they do among {case.most} (off by {differs})"


def _permutation(case: _Case) -> Violations:
    """Rows in another order get the same scores, in that order."""
    rows = case.rows(case.most)
    order = np.random.default_rng(1).permutation(case.most)
    differs = case.differs(case.backend.run(rows)[order], case.backend.run(rows[order]), share=0.5)
    if differs:
        yield f"rows in another order must get their scores in that order (off by {differs})"


def _padding(case: _Case) -> Violations:
    """What fills a batch up does not disturb the rows before it."""
    count = max(1, case.most // 2)
    rows, more = case.rows(count), case.rows(case.most - count, seed=1)
    fillers = {"zeros": np.zeros_like(more), "copies": np.resize(rows[-1:], more.shape)}
    expected = case.backend.run(np.concatenate([rows, more]))[:count]
    for name, filler in fillers.items():
        found = case.backend.run(np.concatenate([rows, filler]))[:count]
        differs = case.differs(expected, found, share=0.5)
        if differs:
            yield f"{name} behind the rows must not change their scores (off by {differs})"


def _repetition(case: _Case) -> Violations:
    """The same rows get the same scores, whatever was asked in between."""
    rows = case.rows(case.most)
    first = case.backend.run(rows).copy()
    for number in range(_REPEATS):
        case.backend.run(case.rows(case.most, seed=2 + number))
        differs = case.differs(first, case.backend.run(rows), share=_OF_THE_TOLERANCE)
        if differs:
            yield f"the same rows must get the same scores (call {number + 2}: off by {differs})"
            return


def _rows_stay(case: _Case) -> Violations:
    """The rows that it is given stay as they are; it can do without writing into them."""
    rows = case.rows(case.most)
    before = rows.copy()
    case.backend.run(rows)
    if not np.array_equal(before, rows):
        yield "run must not write into the rows that it is given"
        return
    rows.flags.writeable = False
    try:
        case.backend.run(rows)
    except Exception as error:  # noqa: BLE001 - whatever it raises is what was looked for
        yield f"rows that cannot be written to must do ({_named(error)})"


def _scores_are_the_callers(case: _Case) -> Violations:
    """An answer stays as it is when the next one comes, and may be written to."""
    rows = case.rows(case.most)
    scores = case.backend.run(rows)
    kept = scores.copy()
    case.backend.run(case.rows(case.most, seed=1))
    if not np.array_equal(kept, scores):
        yield "scores must stay as they are when the next rows are asked for"
    try:
        scores[:] = 0.0
    except ValueError:
        yield "scores must be the caller's own, to write to"
        return
    differs = case.differs(kept, case.backend.run(rows), share=_OF_THE_TOLERANCE)
    if differs:
        yield f"what the caller does with scores must not change later ones (off by {differs})"


def _any_layout(case: _Case) -> Violations:
    """Every second row of a larger matrix does, columns of one, and columns in memory order."""
    rows = case.rows(case.most)
    expected = case.backend.run(rows)
    count, width = rows.shape
    larger = np.zeros((2 * count, width + 3), np.float32)
    larger[::2, 2:-1] = rows
    for name, same in {
        "a part of a larger matrix": larger[::2, 2:-1],
        "a matrix stored by columns": np.asfortranarray(rows),
        "a matrix upside down": rows[::-1].copy()[::-1],
    }.items():
        differs = case.differs(expected, case.backend.run(same), share=0.5)
        if differs:
            yield f"{name} must be scored as any other (off by {differs})"


def _warm_up(case: _Case) -> Violations:
    """Warming up may be done any number of times, and changes nothing."""
    rows = case.rows(case.most)
    before = case.backend.run(rows).copy()
    for batch in (case.most, 1, case.most):
        case.backend.warm_up(batch)
    differs = case.differs(before, case.backend.run(rows), share=_OF_THE_TOLERANCE)
    if differs:
        yield f"warm_up must not change later scores (off by {differs})"


def _two_at_once(case: _Case) -> Violations:
    """A second one beside it, as while a policy is exchanged: the first goes on, and stays.

    A device for one may refuse the second with BackendUnavailable; isolation then tries again.
    """
    rows = case.rows(case.most)
    expected = case.backend.run(rows).copy()
    with suppress(BackendUnavailable):
        yield from _beside(case, rows, expected)
    differs = case.differs(expected, case.backend.run(rows), share=0.5)
    if differs:
        yield f"opening and closing another one must not change its scores (off by {differs})"


def _beside(case: _Case, rows: Rows, expected: Rows) -> Violations:
    second = case.open_backend(case.file)
    try:
        for name, one in (("second", second), ("first", case.backend)):
            differs = case.differs(expected, one.run(rows), share=0.5)
            if differs:
                yield f"with two open, the {name} must score as one does (off by {differs})"
    finally:
        second.close()


def _close_frees(case: _Case) -> Violations:
    """Opening and closing again and again leaves nothing open; closing twice is no mistake."""
    rows = case.rows(case.most)
    backend = case.backend
    backend.close()
    held = []
    for _ in range(_OPENINGS):
        backend = case.open_backend(case.file)
        backend.run(rows)
        backend.close()
        held.append(_held())
    for what in held[0]:
        counts = [one[what] for one in held]
        if counts[-1] > counts[0] and counts == sorted(counts):
            yield f"close must free its {what} (got {', '.join(map(str, counts))})"
    try:
        backend.close()
    except Exception as error:  # noqa: BLE001 - whatever it raises is what was looked for
        yield f"close must be allowed twice ({_named(error)})"


def _held() -> dict[str, int]:
    """What this process holds at present, by kind; 0 where the kernel does not show it."""
    return {
        "descriptors": _count("/proc/self/fd"),
        "threads": _count("/proc/self/task"),
        "mapped files": _mapped_files(),
        "child processes": _children(),
    }


def _count(folder: str) -> int:
    try:
        return len(os.listdir(folder))  # noqa: PTH208 - a folder of the kernel's, read once
    except OSError:
        return 0


def _mapped_files() -> int:
    try:
        lines = Path("/proc/self/maps").read_text(errors="replace").splitlines()
    except OSError:
        return 0
    return sum("/" in line for line in lines)


def _children() -> int:
    try:
        files = Path("/proc/self/task").glob("*/children")
        return sum(len(file.read_text().split()) for file in files)
    except OSError:
        return 0


_CLOSES = "closing frees all"

_CHECKS: Mapping[str, Callable[[_Case], Violations]] = {
    "capabilities fit together": _capabilities,
    "every batch gives a matrix of float32": _shapes,
    "known rows get the training's scores": _parity,
    "a row's scores do not depend on the batch": _any_batch,
    "rows in another order get their scores in that order": _permutation,
    "padding does not disturb": _padding,
    "the same rows get the same scores": _repetition,
    "rows stay as they are": _rows_stay,
    "scores are the caller's": _scores_are_the_callers,
    "any layout in memory does": _any_layout,
    "warming up changes nothing": _warm_up,
    "two can be open": _two_at_once,
    _CLOSES: _close_frees,
}

PROMISES = tuple(_CHECKS)
"""The names of all promises."""


def check_promise(promise: str, open_backend: OpenBackend, file: PolicyFile) -> None:
    """Check one of `PROMISES`; raises BrokenBackendContract."""
    violations = list(dict.fromkeys(_violations((promise,), open_backend, file)))
    if violations:
        raise BrokenBackendContract(_subject(open_backend), violations)


def check_backend(open_backend: OpenBackend, file: PolicyFile) -> None:
    """Check all promises on a back end that `open_backend` opens with the policy `file`.

    Raises BrokenBackendContract with all violations that were found. `file` should be a policy of a
    real shape: its known rows are what the back end is asked for.
    """
    violations = list(dict.fromkeys(_violations(PROMISES, open_backend, file)))
    if violations:
        raise BrokenBackendContract(_subject(open_backend), violations)


def _violations(promises: Sequence[str], open_backend: OpenBackend, file: PolicyFile) -> Violations:
    """All violations; whatever a back end raises is one, and it is opened anew then."""
    backend: Backend | None = None
    for promise in promises:
        try:
            backend = backend or open_backend(file)
        except Exception as error:  # noqa: BLE001 - as above
            yield f"it must open the policy ({_named(error)})"
            return
        try:
            yield from _CHECKS[promise](_Case(backend, file, open_backend))
            backend = None if promise == _CLOSES else backend
        except Exception as error:  # noqa: BLE001 - as above
            yield f"{promise}: it must not raise ({_named(error)})"
            if backend is not None:
                backend.close()
            backend = None
    if backend is not None:
        backend.close()


def _subject(open_backend: OpenBackend) -> str:
    return f"the back end {getattr(open_backend, '__name__', repr(open_backend))}"


def _named(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"


def main(told: TextIO | None = None) -> int:
    """Check the back end and the policy file that the command line names; 1 if it is broken.

    What is broken is written to `told`, a line each (None: standard output).
    """
    name, path = sys.argv[1:]
    try:
        check_backend(backend_named(name), read_policy_file(path))
    except BrokenBackendContract as broken:
        (told or sys.stdout).write("".join(f"{violation}\n" for violation in broken.violations))
        return 1
    return 0


def _main() -> int:
    """As `main`; what a vendor's library prints to standard output goes to standard error."""
    with os.fdopen(os.dup(1), "w") as told:
        os.dup2(2, 1)
        return main(told)


if __name__ == "__main__":
    sys.exit(_main())
