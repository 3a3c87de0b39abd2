"""The whole way from a file of demonstrations to a policy file with its report."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from platforms.atomic_file import replacing
from training.imitation.dataset import (
    Demonstrations,
    Split,
    choose_applications,
    read_demonstrations,
    read_test,
    smallest_pool,
    split_by_application,
)
from training.imitation.export import export
from training.imitation.fit import network_of
from training.imitation.fit_data import FitData, FitOptions, FitResult, Progress
from training.imitation.report import (
    TrainingReport,
    as_json,
    best_of,
    report_path,
    seed_report,
    training_report,
)
from training.imitation.seeds import fit_seeds

DEFAULT_SHARE = 0.3
"""Share of the applications that validate where nothing else says which."""


@dataclass(frozen=True, kw_only=True)
class Validation:
    """Which applications validate: `applications`, or else a random `share` (0 to 1) by `seed`.

    With neither, those that the recorder kept apart; `DEFAULT_SHARE` where it kept none.
    """

    applications: tuple[str, ...] | None = None
    share: float | None = None
    seed: int = 0

    def split(self, demonstrations: Demonstrations) -> Split:
        """The split; raises InvalidInput where a side would be empty."""
        return split_by_application(demonstrations, self._names(demonstrations))

    def chosen(self, demonstrations: Demonstrations) -> Literal["named", "recorded apart", "drawn"]:
        """How the applications come about."""
        if self.applications is not None:
            return "named"
        apart = self.share is None and smallest_pool(demonstrations) is not None
        return "recorded apart" if apart else "drawn"

    def _names(self, demonstrations: Demonstrations) -> tuple[str, ...]:
        if self.applications is not None:
            return self.applications
        apart = smallest_pool(demonstrations)
        if self.share is None and apart is not None:
            return apart
        share = DEFAULT_SHARE if self.share is None else self.share
        rng = np.random.default_rng(self.seed)
        return choose_applications(demonstrations, share=share, rng=rng)


def train(
    demonstrations: Path,
    out: Path,
    *,
    seeds: Sequence[int],
    validation: Validation,
    options: FitOptions,
    test: Path | None = None,
    jobs: int = 1,
    progress: Progress | None = None,
) -> TrainingReport:
    """Train `seeds`, write the one with the least validation loss to `out` and a report beside it.

    `test` names demonstrations that the trained networks are judged by, and used for nothing else.
    Raises InvalidInput for demonstrations that cannot be used, TrainingFailed and ExportFailed;
    then neither file is touched.
    """
    given = read_demonstrations(demonstrations)
    split = validation.split(given)
    judged_by = None if test is None else read_test(test, split)
    data = FitData.of(split)
    results = fit_seeds(data, seeds=seeds, options=options, jobs=jobs, progress=progress)
    digest = hashlib.sha256(demonstrations.read_bytes()).hexdigest()
    return _write(results, split, validation.chosen(given), judged_by, out, options, digest)


def _write(
    results: Sequence[FitResult],
    split: Split,
    validation_chosen: str,
    test: Demonstrations | None,
    out: Path,
    options: FitOptions,
    digest: str,
) -> TrainingReport:
    best = best_of(results)
    exported = export(
        network_of(best.weights),
        path=out,
        task=split.training.task,
        seed=best.seed,
        features=split.validation.features,
    )
    report = training_report(
        split=split,
        validation_chosen=validation_chosen,
        test=test,
        options=options,
        seeds=[seed_report(result, split, test) for result in results],
        policy_seed=best.seed,
        exported=exported,
        demonstrations_sha256=digest,
    )
    with replacing(report_path(out)) as temporary:
        temporary.write_text(as_json(report), "utf-8")
    return report
