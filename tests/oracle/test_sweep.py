"""Tests of sweeps: how scenarios are cut into shards, and that the cut does not show."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from oracle.demonstrations import OracleParameters
from oracle.engines import engine_named
from oracle.labels_sweep import LabelSweep
from oracle.sweep import DIGEST_KEY, SweptFile, finish, sweep
from platforms.board_file import load_board
from traces.store import read_table

BOARD = load_board("hikey970")
HERE = engine_named("local", workers=1)
FEW = OracleParameters(targets=2, demands=3)

Labels = Callable[..., LabelSweep]


@pytest.fixture
def labels(traces_path: Path, tmp_path: Path) -> Labels:
    """A sweep over the short recording: ``labels(shard_size=1)``."""
    table, about = read_table(traces_path, kind="traces")

    def cut(shard_size: int = 2, parameters: OracleParameters = FEW) -> LabelSweep:
        out = tmp_path / "labels.parquet"
        sizes: dict[str, Any] = {"traces_sha256": "ab", "out": out, "shard_size": shard_size}
        return LabelSweep(BOARD, table, about, parameters, **sizes)

    return cut


def swept_bytes(labels: LabelSweep, on_done: Callable[[int], None] = lambda done: None) -> bytes:
    """The file that a sweep in this process makes."""
    swept = sweep(labels.file, labels.make_shard, labels.job_of, engine=HERE, on_done=on_done)
    finish(labels.file, swept, labels.metadata)
    return labels.file.out.read_bytes()


def file_of(**changes: Any) -> SweptFile:
    """A file of ten scenarios in shards of four."""
    given = {"out": Path("f"), "kind": "joint", "content": {"seed": 1}, "scenarios": 10}
    return SweptFile(**given | {"shard_size": 4} | changes)


@given(scenarios=st.integers(1, 500), shard_size=st.integers(1, 600))
def test_every_scenario_is_in_one_shard(scenarios: int, shard_size: int) -> None:
    """None twice, none left out, and none of the shards is empty or too large."""
    file = file_of(scenarios=scenarios, shard_size=shard_size)
    shards = [file.shard(number) for number in range(file.parts.count)]
    assert list(range(scenarios)) == [scenario for shard in shards for scenario in shard]
    assert all(1 <= len(shard) <= shard_size for shard in shards)


@pytest.mark.parametrize("shard_size", [1, 3, 100])
def test_the_size_of_the_shards_does_not_show_in_the_file(labels: Labels, shard_size: int) -> None:
    """It decides only over what a kill costs."""
    expected = swept_bytes(labels(2))
    heard: list[int] = []
    assert expected == swept_bytes(labels(shard_size), heard.append)
    assert [0, *range(shard_size, 4, shard_size), 4] == heard
    assert [labels().file.out] == list(labels().file.out.parent.iterdir())


def test_a_file_is_known_by_its_content_and_not_by_its_shards(labels: Labels) -> None:
    """Neither more workers nor another version of ilgov make a finished file worthless."""
    swept_bytes(labels(2))
    assert labels(1).file.is_made
    assert msgspec.structs.replace(labels(2).file, source="another version").is_made
    assert not labels(2, msgspec.structs.replace(FEW, seed=1)).file.is_made
    about = read_table(labels().file.out, kind="demonstrations")[1]
    assert labels().file.digest == about[DIGEST_KEY]


@pytest.mark.parametrize(
    "change", [{"content": {"seed": 2}}, {"shard_size": 5}, {"scenarios": 9}, {"source": "other"}]
)
def test_shards_of_another_sweep_or_version_lie_elsewhere(change: dict[str, Any]) -> None:
    """A half-finished sweep must not be finished with what is not its own."""
    assert file_of().parts.folder == file_of().parts.folder
    assert file_of().parts.folder != file_of(**change).parts.folder


def test_an_interrupted_sweep_goes_on_with_its_shards(labels: Labels) -> None:
    """The file comes out as if nothing had happened; the figures are those of all shards."""
    expected = swept_bytes(labels(1))
    labels().file.out.unlink()

    def interrupt(done: int) -> None:
        if done == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        swept_bytes(labels(1), interrupt)
    assert not labels().file.out.exists()
    cut = labels(1)
    asked: list[int] = []

    def job_of(shard: int) -> object:
        asked.append(shard)
        return cut.job_of(shard)

    swept = sweep(cut.file, cut.make_shard, job_of, engine=HERE)
    assert (4, 3, [3]) == (swept.shards, swept.reused_shards, asked)
    finish(cut.file, swept, cut.metadata)
    assert expected == cut.file.out.read_bytes()
    assert 24 == read_table(cut.file.out, kind="demonstrations")[1]["figures"]["demands"]


def test_an_engine_is_known_by_its_name() -> None:
    """The command line lists the names; a mistake of our own is a bug."""
    with pytest.raises(KeyError):
        engine_named("cloud", workers=1)
    doubled = dict(engine_named("local", workers=2)(partial(pow, 2), [1, 2, 3]))
    assert {0: 2, 1: 4, 2: 8} == doubled
