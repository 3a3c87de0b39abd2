"""Tests of comparing policies: many episodes in parallel, and what could have been served."""

from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from npu_runtime.errors import MissingPolicyFile
from platforms.application_file import find_applications
from platforms.board_file import load_board
from platforms.errors import InvalidInput
from rm.evaluation.comparison import check_policies, compare, mark_attainable
from rm.evaluation.episode import EpisodeSetup
from rm.evaluation.outcome import EpisodeOutcome
from rm.evaluation.results import read_results, write_results
from rm.evaluation.workload import WorkloadParameters
from rm.policies.registry import PolicyContext
from tests.rm import fake_outcomes

BOARD = load_board("hikey970")
BUSY = WorkloadParameters(arrivals=5, interarrival_s=1.0, lowest_target=0.3, highest_target=0.9)


def setups(*policies: str) -> list[EpisodeSetup]:
    """Short episodes: two cooling setups, two seeds."""
    return [
        EpisodeSetup(
            board=BOARD,
            cooling=cooling,
            policy=policy,
            seed=seed,
            profiles=find_applications(["parsec"]),
            workload=BUSY,
            duration_s=6.0,
        )
        for policy in policies
        for cooling in ("passive", "fan")
        for seed in (4, 3)
    ]


@pytest.fixture(scope="module")
def outcomes() -> tuple[EpisodeOutcome, ...]:
    """Two policies compared in this process."""
    return compare(setups("gts-powersave", "oracle"), workers=1)


def test_two_workers_give_the_same_outcomes_as_one(outcomes: tuple[EpisodeOutcome, ...]) -> None:
    """In the same order: that of the setups; every one is heard once."""
    heard: list[EpisodeOutcome] = []
    asked = setups("gts-powersave", "oracle")
    again = compare(asked, workers=2, on_done=heard.append)
    assert msgspec.json.encode(outcomes) == msgspec.json.encode(again)
    runs = [(outcome.policy, outcome.cooling, outcome.seed) for outcome in again]
    assert [(setup.policy, setup.cooling, setup.seed) for setup in asked] == runs
    assert sorted(runs) == sorted((o.policy, o.cooling, o.seed) for o in heard)


def test_outcomes_survive_the_disk(outcomes: tuple[EpisodeOutcome, ...], tmp_path: Path) -> None:
    """Reports are drawn from files too."""
    write_results(tmp_path, outcomes, board=BOARD)
    assert outcomes == read_results(tmp_path)


def test_a_target_is_attainable_where_the_oracle_met_it(
    outcomes: tuple[EpisodeOutcome, ...],
) -> None:
    """In the same episode: cooling and seed must be the same."""
    oracle = {(o.cooling, o.seed): o for o in outcomes if o.policy == "oracle"}
    for outcome in outcomes:
        met = {app.id: not app.missed for app in oracle[outcome.cooling, outcome.seed].applications}
        assert [met[app.id] for app in outcome.applications] == [
            app.attainable for app in outcome.applications
        ]
    assert any(app.missed and app.attainable for o in outcomes for app in o.applications)
    assert not any(app.missed and app.attainable for o in oracle.values() for app in o.applications)


def test_without_the_oracle_nobody_knows_what_was_attainable() -> None:
    """Neither where it ran under another cooling setup or seed only."""
    fakes = fake_outcomes.outcomes(policies=("topil", "oracle"), seeds=(1, 2))
    unknown = [
        msgspec.structs.replace(
            fake,
            applications=tuple(
                msgspec.structs.replace(app, attainable=None) for app in fake.applications
            ),
        )
        for fake in fakes
    ]
    some = [o for o in unknown if o.policy == "topil" or (o.cooling, o.seed) == ("fan", 1)]
    marked = mark_attainable(some)
    assert len(some) == len(marked)
    for outcome in marked:
        is_known = (outcome.cooling, outcome.seed) == ("fan", 1)
        assert {is_known} == {app.attainable is not None for app in outcome.applications}


def test_an_application_that_the_oracle_never_saw_is_not_marked() -> None:
    """Its episode ended before, in a runaway for example."""
    topil, oracle = fake_outcomes.outcomes(
        policies=("topil", "oracle"), coolings=("fan",), seeds=(1,)
    )
    shortened = msgspec.structs.replace(oracle, applications=oracle.applications[:2])
    marked, _ = mark_attainable([topil, shortened])
    assert [False, False, True] == [app.attainable is None for app in marked.applications][:3]


@pytest.mark.parametrize(
    ("policy", "error"), [("doom", InvalidInput), ("topil", MissingPolicyFile)]
)
def test_a_policy_that_cannot_be_made_is_told_before_any_episode(
    policy: str, error: type[Exception], tmp_path: Path
) -> None:
    """Hours of the other policies' episodes would be lost."""
    replace = msgspec.structs.replace
    asked = [replace(s, policy_file=tmp_path / "none.onnx") for s in setups("gts-ondemand", policy)]
    with pytest.raises(error):
        check_policies(asked)


def test_every_policy_is_tried_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Loading a network for each of hundreds of episodes would take long."""
    tried: list[str] = []

    def factory(name: str) -> Callable[[PolicyContext], None]:
        return lambda context: tried.append(f"{name} on {context.platform.board.name}")

    monkeypatch.setattr("rm.evaluation.comparison.policy_factory", factory)
    check_policies(setups("oracle", "topil"))
    assert ["oracle on hikey970", "topil on hikey970"] == tried
