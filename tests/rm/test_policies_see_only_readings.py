"""No policy sees what a board would not show.

Two simulated boards differ in everything hidden: the programs' profiles and activities, the
temperatures inside, the cooling. Two policies of a kind, one made for each board, are fed the same
recorded observations while their boards go their own ways; they must decide alike. `oracle` reads
the truth, on purpose: it alone may, and must, be found out.
"""

from functools import cache
from importlib.metadata import entry_points
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from msgspec.structs import replace

from npu_runtime.policy_file import graph_sha256
from platforms.application import ApplicationProfile, Job
from platforms.application_file import shipped_applications
from platforms.platform import Decision, Observation
from platforms.simulated.simulated_board import SimulatedBoard
from rm.features import table
from rm.governor import Governor
from rm.policies.gts import make_qos
from rm.policies.registry import GROUP, PolicyContext, policy_factory
from tests.npu_runtime.conftest import described, network
from tests.platforms.programs import HIKEY, MEMORY, simulated
from traces.schema import board_digest

SIGHTED = {"oracle"}
"""Policies that are allowed to see the truth."""

RECORDED_S = 40.0
ROUNDS_PER_MIGRATION = 10

BLIND = sorted(
    {
        point.name
        for point in entry_points(group=GROUP)
        if point.name not in SIGHTED and find_spec(point.module) is not None
    }
)


def _jobs(profiles: list[ApplicationProfile], *, instructions: float) -> list[Job]:
    """A dozen applications that come every three seconds, the first three at once."""
    return [
        Job(
            id=number,
            profile=profiles[number % len(profiles)],
            target_ips=(0.2 + 0.1 * (number % 5)) * 1e9,
            arrival_s=3.0 * max(0, number - 2),
            instructions=instructions,
            threads=3 if number == 5 else 1,
        )
        for number in range(12)
    ]


def _measured() -> list[ApplicationProfile]:
    shipped = shipped_applications()
    return [shipped[name] for name in sorted(shipped)[:6]]


@cache
def _recorded() -> tuple[Observation, ...]:
    """What a board showed: arrivals and ends, several threads, a hot sensor and lowered caps."""
    jobs = _jobs(_measured(), instructions=2e10)
    board = simulated(*jobs, cooling="passive-35", start_temp_c=84.0)
    seen: list[Observation] = []
    governor = Governor(
        board,
        make_qos(PolicyContext(HIKEY, board)),
        board.clock,
        listener=lambda observation, _: seen.append(observation),
    )
    governor.run(RECORDED_S)
    return tuple(seen)


def _one_truth() -> SimulatedBoard:
    """A cool board with a fan and the programs that were recorded."""
    return simulated(*_jobs(_measured(), instructions=2e10), cooling="fan")


def _another_truth() -> SimulatedBoard:
    """A hot one without, on which the same jobs are programs that wait for memory."""
    still = replace(MEMORY, activity=0.1)
    jobs = _jobs([still], instructions=1e15)
    return simulated(*jobs, cooling="passive-35", start_temp_c=60.0, seed=9)


def _decisions(name: str, board: SimulatedBoard, policy_file: Path | None) -> list[Decision]:
    """What a policy made for `board` makes of the recorded observations."""
    policy = policy_factory(name)(PolicyContext(HIKEY, board, policy_file))
    decisions = []
    for number, observation in enumerate(_recorded()):
        board.advance_to(observation.time_s)
        due = number % ROUNDS_PER_MIGRATION == 0
        migrations = policy.migrate(observation) if due else ()
        decisions.append(Decision(migrations, policy.scale(observation)))
    return decisions


@pytest.fixture(scope="module")
def tiny_network(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A network of one random layer, for the policy that has none of its own."""
    features = table(HIKEY)
    rng = np.random.default_rng(5)
    weights = rng.normal(size=(len(features), HIKEY.core_count)).astype(np.float32)
    weights /= np.array([[feature.high] for feature in features], np.float32)
    rows = np.array([[feature.high / 2 for feature in features]], np.float32)
    model = network(weights)
    content = described(
        model,
        board=HIKEY.name,
        board_sha256=board_digest(HIKEY),
        outputs=HIKEY.core_names,
        features=features,
        parity_inputs=tuple(map(tuple, rows.tolist())),
        parity_outputs=tuple(map(tuple, (rows @ weights).tolist())),
        graph_sha256=graph_sha256(model.SerializeToString()),
    )
    path = tmp_path_factory.mktemp("network") / "policy.onnx"
    path.write_bytes(content)
    return path


def test_the_recording_shows_what_policies_react_to() -> None:
    """Otherwise deciding alike would be easy."""
    seen = _recorded()
    assert {3, 4} & {len(o.applications) for o in seen}
    assert len({app.id for o in seen for app in o.applications}) > 10
    assert any(app.id == 0 for app in seen[0].applications)
    assert not any(app.id == 0 for app in seen[-1].applications)
    assert any(o.opp_cap != HIKEY.highest_opps for o in seen)
    assert any(o.temperatures[0].temp_c > 84.0 for o in seen)


def test_the_two_boards_differ_in_what_they_hide() -> None:
    """In heat, in speed and in power, from the same jobs."""
    one, another = _one_truth(), _another_truth()
    for board in (one, another):
        board.advance_to(10.0)
    assert {app.job.id for app in one.running} <= {app.job.id for app in another.running}
    assert np.all(another.temperatures_c > one.temperatures_c + 10.0)
    assert one.running[0].rate_ips != another.running[0].rate_ips


@pytest.mark.parametrize("name", BLIND)
def test_a_policy_decides_by_its_observations_alone(name: str, tiny_network: Path) -> None:
    """The same readings, the same decisions, whatever is true of the board."""
    policy_file = tiny_network if name == "topil" else None
    one = _decisions(name, _one_truth(), policy_file)
    another = _decisions(name, _another_truth(), policy_file)
    assert one == another


def test_the_oracle_is_found_out() -> None:
    """Or this test could not fail."""
    assert _decisions("oracle", _one_truth(), None) != _decisions("oracle", _another_truth(), None)


def test_every_policy_of_the_comparison_is_among_those_tested() -> None:
    """Those of the project; a third party's are tested as well where they are installed."""
    ours = {"gts-ondemand", "gts-powersave", "gts-performance", "gts-qos", "little-first"}
    ours |= {"eas-schedutil", "eas-schedutil-ipa", "toprl", "topil", "ilgov"}
    assert ours <= set(BLIND)
