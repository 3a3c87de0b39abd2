"""What each part of `ilgov` is worth: train without it, govern, compare with the oracle."""

import statistics
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

import msgspec
from msgspec import Struct

from platforms.application import ApplicationProfile
from rm.evaluation.comparison import compare_keeping
from rm.evaluation.episode import EpisodeSetup
from rm.evaluation.kept import KeptEpisodes
from rm.evaluation.outcome import ORACLE, EpisodeOutcome
from training.joint.options import JointOptions
from training.joint.pipeline import Lists, Progress, Task, Trained, draw, train
from training.joint.ship import write

Change = Callable[[JointOptions], JointOptions]


def _with(**changes: object) -> Change:
    return lambda options: msgspec.structs.replace(options, **changes)


def _with_dagger(options: JointOptions) -> JointOptions:
    """As many situations, those that the policy met in two rounds among them."""
    per_episode = int(options.dagger_episode_s / options.dagger_every_s)
    met = 2 * options.dagger_episodes * per_episode
    drawn = max(options.situations - met, options.situations // 2)
    return msgspec.structs.replace(options, dagger_rounds=2, situations=drawn)


VARIANTS: Mapping[str, Change] = {
    "ilgov": _with(),
    "hard labels": _with(labels="hard"),
    "one application": _with(question="one"),
    "DAgger": _with_dagger,
    "linear scaling": _with(stall_aware=False),
    "network 4": _with(hidden=(4,)),
    "network 16": _with(hidden=(16,)),
    "network 64-64": _with(hidden=(64, 64)),
    "network 64-64-64-64": _with(hidden=(64, 64, 64, 64)),
}
"""What is changed in each, by the name that the table shows; the first is the whole of it."""


class Row(Struct, frozen=True, kw_only=True):
    """One variant with one training seed, judged on episodes that it never saw.

    `parameters` counts the network's weights. `regret_k` is the mean over episodes of the hottest
    core's time mean over the oracle's, `within_share` the share of looks at which the mapping was
    within 1 K of the optimum, `missed_share` that of applications which missed a target that the
    oracle met, `migrations` the mean per episode. Temperatures are simulated.
    """

    variant: str
    seed: int
    parameters: int
    training_lists: int
    validation_excess_k: float
    regret_k: float
    within_share: float
    missed_share: float
    migrations: float


class Spread(Struct, frozen=True):
    """Mean over training seeds, and the standard deviation of a sample (None for one seed)."""

    mean: float
    sd: float | None


class Episodes(Struct, frozen=True, kw_only=True):
    """The episodes that judge: none of their applications, nor their cooling, was trained on."""

    profiles: tuple[ApplicationProfile, ...]
    cooling: str
    seeds: tuple[int, ...]
    duration_s: float
    judge_s: float = 5.0

    def setups(self, task: Task, policy: str, policy_file: Path | None) -> list[EpisodeSetup]:
        """One per seed."""
        return [
            EpisodeSetup(
                board=task.board,
                cooling=self.cooling,
                policy=policy,
                seed=seed,
                profiles=self.profiles,
                policy_file=policy_file,
                duration_s=self.duration_s,
                judge_s=self.judge_s,
            )
            for seed in self.seeds
        ]


def ablate(
    task: Task,
    options: JointOptions,
    *,
    variants: Sequence[str],
    seeds: Sequence[int],
    episodes: Episodes,
    folder: Path,
    workers: int,
    progress: Progress,
    find: Callable[[str, int], Row | None] = lambda variant, seed: None,
    on_row: Callable[[Row], None] = lambda row: None,
) -> list[Row]:
    """Train and judge every variant with every seed; policies are written into `folder`.

    Rows that `find` knows are taken over. So are the oracle's episodes that were finished when this
    was stopped; they are the same for all.
    """
    kept = KeptEpisodes(folder)

    def run(policy: str, path: Path | None) -> list[EpisodeOutcome]:
        setups = episodes.setups(task, policy, path)
        return [done.outcome for done in compare_keeping(setups, kept=kept, workers=workers)]

    rows = []
    for seed in seeds:
        drawn: dict[tuple[object, ...], Lists] = {}
        for name in variants:
            if row := find(name, seed):
                rows.append(row)
                continue
            changed = VARIANTS[name](msgspec.structs.replace(options, seed=seed))
            key = changed.question, changed.stall_aware, changed.situations
            if key not in drawn:
                drawn[key] = draw(task, changed, workers=workers, progress=progress)
            trained = train(task, changed, workers=workers, progress=progress, lists=drawn[key])
            path = folder / f"{name.replace(' ', '-')}-{seed}.onnx"
            write(trained, task, changed, path)
            rows.append(_row(name, seed, trained, run("ilgov", path), run(ORACLE, None)))
            on_row(rows[-1])
    return rows


def _row(
    name: str,
    seed: int,
    trained: Trained,
    outcomes: Sequence[EpisodeOutcome],
    oracle: Sequence[EpisodeOutcome],
) -> Row:
    pairs = list(zip(outcomes, oracle, strict=True))
    applications = sum(len(outcome.applications) for outcome in outcomes)
    missed = sum(
        app.missed and not best.missed
        for outcome, reference in pairs
        for app, best in zip(outcome.applications, reference.applications, strict=True)
    )
    weights = trained.fitted.weights
    return Row(
        variant=name,
        seed=seed,
        parameters=sum(value.size for key, value in weights.items() if "layers" in key),
        training_lists=trained.training_lists,
        validation_excess_k=trained.fitted.quality.mean_excess_k,
        regret_k=statistics.fmean(o.mean_hottest_c - r.mean_hottest_c for o, r in pairs),
        within_share=sum(o.judged_within for o in outcomes) / sum(o.judged for o in outcomes),
        missed_share=missed / applications,
        migrations=statistics.fmean(outcome.migrations for outcome in outcomes),
    )


def spread(values: Iterable[float]) -> Spread:
    """Mean and standard deviation of at least one value.

    >>> spread([1.0, 3.0]).mean
    2.0
    """
    found = list(values)
    return Spread(statistics.fmean(found), statistics.stdev(found) if len(found) > 1 else None)
