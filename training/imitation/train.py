"""The whole way from a file of demonstrations to a policy file with its report."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from platforms.atomic_file import replacing
from training.imitation.dataset import (
    Demonstrations,
    Split,
    choose_applications,
    read_demonstrations,
    read_test,
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


@dataclass(frozen=True, kw_only=True)
class Validation:
    """Which applications validate: `applications`, or else a random `share` (0 to 1) by `seed`."""

    applications: tuple[str, ...] | None = None
    share: float = 0.3
    seed: int = 0

    def split(self, demonstrations: Demonstrations) -> Split:
        """The split; raises InvalidInput where a side would be empty."""
        names = self.applications
        if names is None:
            rng = np.random.default_rng(self.seed)
            names = choose_applications(demonstrations, share=self.share, rng=rng)
        return split_by_application(demonstrations, names)


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
    return _write(results, split, judged_by, out, options, digest)


def _write(
    results: Sequence[FitResult],
    split: Split,
    test: Demonstrations | None,
    out: Path,
    options: FitOptions,
    digest: str,
) -> TrainingReport:
    best = best_of(results)
    task = split.training.task
    exported = export(
        network_of(best.weights),
        path=out,
        task=task,
        seed=best.seed,
        features=split.validation.features,
    )
    report = training_report(
        task=task,
        split=split,
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
