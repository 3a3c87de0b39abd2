"""Tests of the ablation: what was finished before it was stopped is not done again."""

from pathlib import Path

from msgspec.structs import replace

from platforms.application_file import find_applications
from tests.training.joint_tasks import TINY, hikey_task
from training.joint.ablation import VARIANTS, Episodes, Row, ablate
from training.joint.ablation_command import markdown
from training.joint.kept_rows import KeptRows
from training.joint.pipeline import Step

OPTIONS = replace(TINY, dagger_rounds=0)
EPISODES = Episodes(
    profiles=find_applications(["parsec"]), cooling="passive", seeds=(0,), duration_s=10.0
)
VARIANT = next(iter(VARIANTS))


def run(kept: KeptRows, folder: Path, seeds: tuple[int, ...], steps: list[Step]) -> list[Row]:
    """One variant, with these seeds."""
    return ablate(
        hikey_task(),
        OPTIONS,
        variants=[VARIANT],
        seeds=seeds,
        episodes=EPISODES,
        folder=folder,
        workers=1,
        progress=steps.append,
        find=kept.find,
        on_row=kept.keep,
    )


def test_who_goes_on_trains_only_what_is_missing(tmp_path: Path) -> None:
    """And has the same rows as who was never stopped."""
    kept = KeptRows(tmp_path, hikey_task(), OPTIONS, EPISODES)
    first = run(kept, tmp_path, (0,), [])
    steps: list[Step] = []
    assert first == run(kept, tmp_path, (0,), steps)
    assert [] == steps
    both = run(kept, tmp_path, (0, 1), steps)
    assert first == both[:1]
    assert [] != steps
    kept.forget()
    assert kept.find(VARIANT, 0) is None


def test_rows_of_another_training_are_not_taken_over(tmp_path: Path) -> None:
    """Nor damaged ones."""
    kept = KeptRows(tmp_path, hikey_task(), OPTIONS, EPISODES)
    row = Row(
        variant="network 16", seed=3, parameters=1, training_lists=2, validation_excess_k=0.1,
        regret_k=0.2, within_share=0.9, missed_share=0.0, migrations=4.0,
    )  # fmt: skip
    kept.keep(row)
    assert row == kept.find("network 16", 3)
    other = KeptRows(tmp_path, hikey_task(), replace(OPTIONS, epochs=99), EPISODES)
    assert other.find("network 16", 3) is None
    (path,) = kept.folder.glob("*.json")
    path.write_text("{")
    assert kept.find("network 16", 3) is None


def test_the_table_shows_the_spread_over_seeds() -> None:
    """Mean ± standard deviation; one seed has none."""
    rows = [
        Row(
            variant=name, seed=seed, parameters=7, training_lists=2, validation_excess_k=0.1,
            regret_k=regret_k, within_share=0.9, missed_share=0.0, migrations=4.0,
        )
        for name, seed, regret_k in (("a", 0, 0.1), ("a", 1, 0.3), ("b", 0, 0.5))
    ]  # fmt: skip
    lines = markdown(rows).splitlines()
    assert "| a | 7 | 0.200 ± 0.141 |" in lines[2]
    assert "| b | 7 | 0.500 |" in lines[3]
