"""Tests of the Linux baselines: big cores first, and cpufreq governors that know no target."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from platforms.board_file import load_board
from platforms.nearest_opp import nearest_opp
from platforms.platform import Migration, Observation
from rm.policies.gts import (
    UP_THRESHOLD,
    Gts,
    make_ondemand,
    make_powersave,
    ondemand,
    powersave,
)
from rm.policies.registry import PolicyContext
from tests.platforms.programs import simulated
from tests.rm.readings import HIKEY, observation, reading

RK3588 = load_board("rk3588")


def _moves(seen: Observation, board: object = HIKEY) -> tuple[Migration, ...]:
    return Gts("gts", board, ondemand).migrate(seen)  # type: ignore[arg-type]


# --- migration ----------------------------------------------------------------------------------


def test_a_busy_application_moves_up_to_an_idle_big_core() -> None:
    """GTS up-migrates whoever keeps a LITTLE core busy."""
    assert (Migration(0, (4,)),) == _moves(observation(reading(0, cores=(2,))))


def test_nobody_moves_up_when_the_big_cores_are_taken() -> None:
    """They stay on LITTLE."""
    taken = [reading(n, cores=(4 + n,)) for n in range(4)]
    assert () == _moves(observation(*taken, reading(9, cores=(0,))))


def test_two_that_move_up_take_different_cores() -> None:
    """The second sees where the first went."""
    seen = observation(reading(0, cores=(0,)), reading(1, cores=(1,)), reading(2, cores=(4,)))
    assert (Migration(0, (5,)), Migration(1, (6,))) == _moves(seen)


def test_who_shares_a_core_spreads_onto_an_idle_one() -> None:
    """Onto a LITTLE one where no big one is left; one of the two stays."""
    big = [reading(n, cores=(4 + n,)) for n in range(4)]
    assert (Migration(0, (0,)),) == _moves(observation(*big, reading(4, cores=(4,))))
    shared = observation(reading(0, cores=(4,)), reading(1, cores=(4,)))
    assert (Migration(0, (5,)),) == _moves(shared)


def test_an_application_alone_on_a_big_core_stays() -> None:
    """Other idle big cores are no better."""
    assert () == _moves(observation(reading(0, cores=(6,))))


def test_equal_clusters_are_no_way_up() -> None:
    """An RK3588 has two clusters of the same A76: moving between them gains nothing."""
    assert () == _moves(observation(reading(0, cores=(4,)), board=RK3588), RK3588)
    up = _moves(observation(reading(0, cores=(0,)), board=RK3588), RK3588)
    assert (Migration(0, (4,)),) == up


def test_several_threads_on_the_strongest_cluster_stay_and_occupy_it() -> None:
    """As many of its cores as there are threads: the others are idle."""
    four = reading(0, cores=(4, 5, 6, 7), threads=4)
    assert () == _moves(observation(four, reading(1, cores=(0,))))
    two = reading(0, cores=(4, 5, 6, 7), threads=2)
    assert (Migration(1, (6,)),) == _moves(observation(two, reading(1, cores=(0,))))


def test_several_threads_move_up_together_once_there_is_an_idle_core_for_each() -> None:
    """The kernel would move those that it has a core for; a migration names one cluster."""
    three = reading(0, cores=(0, 1, 2, 3), threads=3)
    taken = [reading(4 + n, cores=(4 + n,)) for n in range(2)]
    assert (Migration(0, (4, 5, 6, 7)),) == _moves(observation(three, taken[0]))
    assert () == _moves(observation(three, *taken))


def test_several_threads_that_share_cores_move_to_a_cluster_where_each_has_one() -> None:
    """Down too, where nothing else is idle."""
    three = reading(0, cores=(4, 5, 6, 7), threads=3)
    taken = [reading(4 + n, cores=(4 + n,)) for n in range(2)]
    assert (Migration(0, (0, 1, 2, 3)),) == _moves(observation(three, *taken))
    little = [reading(1 + n, cores=(1 + n,)) for n in range(2)]
    moves = _moves(observation(three, *taken, *little))
    assert 0 not in {move.application_id for move in moves}


@given(st.lists(st.integers(0, 7), max_size=12))
def test_after_its_moves_nobody_wants_to_move_again(cores: list[int]) -> None:
    """Up and apart, and then it is at rest; nobody is put onto an occupied core."""
    placed = dict(enumerate(cores))
    for _ in range(len(cores) + 1):
        seen = observation(*(reading(n, cores=(core,)) for n, core in placed.items()))
        moves = _moves(seen)
        for move in moves:
            placed[move.application_id] = move.cores[0]
    assert () == moves
    assert len(set(placed.values())) == min(8, len(cores))
    assert len([core for core in set(placed.values()) if core >= 4]) == min(4, len(cores))


@given(
    st.lists(st.integers(0, 7), max_size=8),
    st.lists(st.tuples(st.integers(2, 6), st.booleans()), max_size=3),
)
def test_with_several_threads_about_it_comes_to_rest_as_well(
    cores: list[int], several: list[tuple[int, bool]]
) -> None:
    """Nobody goes to and fro."""
    clusters = [cluster.cores for cluster in HIKEY.clusters]
    singles = [reading(n, cores=(core,)) for n, core in enumerate(cores)]
    teams = [
        reading(10 + n, cores=clusters[big], threads=threads)
        for n, (threads, big) in enumerate(several)
    ]
    seen = observation(*teams, *singles)
    for _ in range(len(seen.applications) + 1):
        moves = {move.application_id: move.cores for move in _moves(seen)}
        placed = [replace(app, cores=moves.get(app.id, app.cores)) for app in seen.applications]
        seen = observation(*placed)
    assert {} == moves


# --- frequency ----------------------------------------------------------------------------------


def _with_utilisation(little: float, big: float) -> Observation:
    return observation(utilisation=(little, 0, 0, 0, 0, big, 0, 0), opp_index=(3, 3))


def test_ondemand_jumps_to_the_top_above_its_threshold() -> None:
    """Linux's rule, cluster by cluster, by the busiest core."""
    assert (0, 8) == ondemand(HIKEY, _with_utilisation(0.0, 1.0))
    assert (6, 0) == ondemand(HIKEY, _with_utilisation(UP_THRESHOLD + 0.01, 0.0))


@pytest.mark.parametrize("utilisation", [0.0, 0.2, 0.5, 0.8, UP_THRESHOLD])
def test_below_the_threshold_ondemand_picks_in_proportion(utilisation: float) -> None:
    """No point is nearer to min + utilisation x (max - min): not the next higher one."""
    for cluster, opp in zip(
        HIKEY.clusters,
        ondemand(HIKEY, _with_utilisation(utilisation, utilisation)),
        strict=True,
    ):
        low_hz, high_hz = cluster.freqs_hz[0], cluster.freqs_hz[-1]
        wanted_hz = low_hz + utilisation * (high_hz - low_hz)
        nearest_hz = min(abs(freq_hz - wanted_hz) for freq_hz in cluster.freqs_hz)
        assert nearest_hz == abs(cluster.freqs_hz[opp] - wanted_hz)


@pytest.mark.parametrize(
    ("wanted_hz", "expected"), [(0.0, 0), (1249.0, 1), (1251.0, 2), (1250.0, 1), (9e9, 2)]
)
def test_the_closest_point_is_taken_and_of_two_the_lower(wanted_hz: float, expected: int) -> None:
    """CPUFREQ_RELATION_C of a table in ascending order."""
    assert expected == nearest_opp((500, 1000, 1500), wanted_hz)


def test_ondemand_rounds_down_where_the_lower_point_is_nearer() -> None:
    """A load of 8 % on big: 682 + 0.08 x 1680 is 816 MHz, and the next point is 1018 MHz."""
    assert (0, 0) == ondemand(HIKEY, _with_utilisation(0.0, 0.08))


@given(st.lists(st.floats(0.0, 1.0), min_size=8, max_size=8))
def test_powersave_is_always_at_the_lowest_point(utilisation: list[float]) -> None:
    """Whatever happens."""
    assert (0, 0) == powersave(HIKEY, observation(utilisation=utilisation, opp_index=(6, 8)))


def test_the_factories_make_what_their_names_say() -> None:
    """The names are those of the comparison's tables."""
    context = PolicyContext(HIKEY, simulated())
    busy = observation(reading(0, cores=(4,)))
    assert "gts-ondemand" == make_ondemand(context).name
    assert (0, 8) == make_ondemand(context).scale(busy)
    assert "gts-powersave" == make_powersave(context).name
    assert (0, 0) == make_powersave(context).scale(busy)
