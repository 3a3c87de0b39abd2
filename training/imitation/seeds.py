"""Fit several seeds, each in a process of its own, with progress and a clean end on Ctrl-C.

This module imports no torch: a new process is up and able to take its data before it does.
"""

from collections.abc import Sequence
from functools import partial

from traces.workers import run_jobs
from training.imitation.fit_data import FitData, FitOptions, FitResult, Progress


def fit_seeds(
    data: FitData,
    *,
    seeds: Sequence[int],
    options: FitOptions,
    jobs: int = 1,
    progress: Progress | None = None,
) -> tuple[FitResult, ...]:
    """The results of `seeds`, in their order, from at most `jobs` processes at once.

    With one job (or one seed) no process is started; the results are the same. Raises
    TrainingFailed for the first seed that fails, InvalidInput where a process was killed. No
    process is left behind, not even on Ctrl-C.
    """
    fit_one = partial(_fit, data, options)
    return tuple(run_jobs(fit_one, seeds, workers=jobs, on_word=progress))


def _fit(
    data: FitData, options: FitOptions, seed: int, progress: Progress | None = None
) -> FitResult:
    from training.imitation.fit import fit

    return fit(data, seed=seed, options=options, progress=progress)
