"""Tests of the drawn scenarios: what they may be, and that nothing but seed and number counts."""

from collections import Counter

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from oracle.scenarios import DrawParameters, draw_scenario
from oracle.whatif import Wanted
from platforms.application_file import find_applications
from platforms.board_file import load_board

PROFILES = find_applications(["cbench"])
DRAW = DrawParameters(most_applications=8)


def drawn(number: int, board: str = "hikey970", **changes: object) -> tuple[Wanted, ...]:
    """A scenario of the reference board, or of another."""
    parameters = msgspec.structs.replace(DRAW, **changes)
    return draw_scenario(load_board(board), PROFILES, parameters, number)


@given(
    number=st.integers(0, 2**31 - 1),
    seed=st.integers(0, 2**32 - 1),
    most=st.integers(1, 12),
    board=st.sampled_from(["hikey970", "rk3588"]),
)
def test_every_scenario_can_be_asked_of_the_board(
    number: int, seed: int, most: int, board: str
) -> None:
    """Whoever solves it need not check it again."""
    apps = drawn(number, board, seed=seed, most_applications=most)
    assert apps == drawn(number, board, seed=seed, most_applications=most)
    assert list(range(len(apps))) == [app.id for app in apps]
    assert 1 <= len(apps) <= most
    described = load_board(board)
    strongest = described.clusters[described.clusters_by_capacity[-1]]
    for app in apps:
        assert 0 <= app.phase < len(app.profile.cycle)
        assert 1 == app.threads == len(app.cores)
        assert 0 <= app.cores[0] < described.core_count
        best_ips = app.profile.ips(strongest, strongest.freqs_hz[-1])
        assert 0.1 * best_ips <= app.target_ips <= 0.4 * best_ips


def test_neighbours_and_other_seeds_draw_something_else() -> None:
    """A thousand times the same scenario is no sweep."""
    assert drawn(0) != drawn(1)
    assert drawn(0) != drawn(0, seed=1)


def test_all_numbers_of_applications_and_all_cores_come_up() -> None:
    """A thousand scenarios are enough to see each many times."""
    scenarios = [drawn(number) for number in range(1000)]
    counts = Counter(len(apps) for apps in scenarios)
    assert set(range(1, 9)) == set(counts)
    assert min(counts.values()) > 80
    cores = Counter(app.cores[0] for apps in scenarios for app in apps)
    assert set(range(8)) == set(cores)
    assert {profile.name for profile in PROFILES} == {
        app.profile.name for apps in scenarios for app in apps
    }
    assert any(len({app.cores for app in apps}) < len(apps) for apps in scenarios)


def test_profiles_are_as_published_where_nothing_varies() -> None:
    """And differ from them where something does."""
    published = set(map(str, PROFILES))
    for number in range(50):
        apps = drawn(number, variation=0.0)
        assert {str(app.profile) for app in apps} <= published
    for changes in ({"variation": 0.2}, {"variation": 0.0, "diversity": 0.3}):
        assert str(drawn(1, **changes)[0].profile) not in published
