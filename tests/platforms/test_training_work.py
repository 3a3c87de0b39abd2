"""Tests of what training asks of a processor: profiles, places, and the files that say so."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from platforms.board_file import load_board, shipped_boards
from platforms.errors import InvalidInput
from platforms.training_point import core_point
from platforms.training_work import (
    GAP_CYCLES,
    SUSTAINED,
    Efficiency,
    TrainingWork,
    check_training,
    load_training,
    parse_training,
    shipped_trainings,
    training_profile,
)
from tests.platforms.programs import BIG, HIKEY, LITTLE
from tests.platforms.training_boards import IN_CACHE, WORKS

FILE = """
schema = 1
name = "net"
title = "A network"
[[works]]
knobs = { batch = 4, depth = 2 }
flops = 1e6
sample_bytes = 1e3
step_bytes = 1e4
kernels = 10
memory_bytes = 1000
[curve]
batches = [4, 8]
samples = [100.0, 150.0]
[sources]
"works.knobs" = "assumed: made up"
"works.flops" = "assumed: made up"
"works.sample_bytes" = "assumed: made up"
"works.step_bytes" = "assumed: made up"
"works.kernels" = "assumed: made up"
"works.memory_bytes" = "assumed: made up"
"works.samples_factor" = "assumed: made up"
"curve.batches" = "assumed: made up"
"curve.samples" = "assumed: made up"
"""


# --- profiles -----------------------------------------------------------------------------------


def test_a_thread_does_its_part_of_the_batch_and_waits_for_the_dispatch() -> None:
    """16 samples on 3 cores: the fullest has 6; a sample of a thread is a third of the job's."""
    profile = training_profile(IN_CACHE, HIKEY, 3)
    cycles = 160 * GAP_CYCLES + 6 * 30e6 / (SUSTAINED * 8)
    assert 3 * cycles / 16 == pytest.approx(profile.core_profiles["cortex-a73"].cpi)
    assert 0.0 == profile.core_profiles["cortex-a73"].stall_s


def test_traffic_is_what_stalls() -> None:
    """At the board's bandwidth, per sample: activations, and its part of the weights."""
    work = WORKS[1]
    profile = training_profile(work, HIKEY, 2)
    per_sample = 1.6e6 + 5.5e6 / 16
    assert per_sample == profile.bytes_per_instruction
    assert per_sample / 10e9 == pytest.approx(profile.core_profiles["cortex-a53"].stall_s)


@pytest.mark.parametrize("name", shipped_boards())
def test_every_shipped_board_trains(name: str) -> None:
    """Whatever its cores."""
    board = load_board(name)
    for index, cluster in enumerate(board.clusters):
        for cores in range(1, len(cluster.cores) + 1):
            point = core_point(board, WORKS[0], index, len(cluster.opps) - 1, cores)
            assert 0.0 < point.mean_w <= point.peak_w
            assert 0.0 < point.sample_s < 1.0


@given(st.integers(0, 1), st.integers(0, 5), st.integers(1, 3), st.integers(0, 2))
def test_more_cores_and_a_faster_clock_are_no_slower_and_take_more_power(
    cluster: int, opp: int, cores: int, setting: int
) -> None:
    """Every core more takes samples off the fullest: batches are 8 and more."""
    here = core_point(HIKEY, WORKS[setting], cluster, opp, cores)
    faster = core_point(HIKEY, WORKS[setting], cluster, opp + 1, cores)
    wider = core_point(HIKEY, WORKS[setting], cluster, opp, cores + 1)
    assert faster.sample_s < here.sample_s
    assert faster.peak_w > here.peak_w
    assert wider.sample_s < here.sample_s
    assert wider.peak_w > here.peak_w


def test_threads_of_one_job_queue_for_the_memory() -> None:
    """Four threads that wait for memory are less than four times as fast as one."""
    heavy = replace(IN_CACHE, sample_bytes=5e7)
    one, four = (core_point(HIKEY, heavy, BIG, 8, cores) for cores in (1, 4))
    assert one.sample_s / four.sample_s < 2.5
    alone = training_profile(heavy, HIKEY, 1)
    cluster = HIKEY.clusters[BIG]
    assert 1.0 / alone.ips(cluster, cluster.freqs_hz[8]) == pytest.approx(one.sample_s)


def test_power_of_a_place_is_the_board_files() -> None:
    """Without a stall: so many cores' busy power and their cluster's."""
    opp = HIKEY.clusters[LITTLE].opps[3]
    point = core_point(HIKEY, IN_CACHE, LITTLE, 3, 2)
    busy_w = 2 * opp.core_busy_w + opp.cluster_busy_w
    assert [busy_w, busy_w] == pytest.approx([point.peak_w, point.mean_w])


def test_a_core_type_without_a_known_speed_is_refused() -> None:
    """No guess for a core that nobody described."""
    little, big = HIKEY.clusters
    board = replace(HIKEY, clusters=(little, replace(big, core_type="cortex-x9")))
    with pytest.raises(InvalidInput, match=r"training needs a core type out of .*'cortex-x9'"):
        training_profile(IN_CACHE, board, 1)


@pytest.mark.parametrize("cores", [0, 5])
def test_a_place_that_the_board_does_not_have_is_refused(cores: int) -> None:
    """Four cores in each cluster."""
    with pytest.raises(InvalidInput, match=rf"cores must be 1 \.\.\. 4 on big \(got {cores}\)"):
        core_point(HIKEY, IN_CACHE, BIG, 0, cores)


# --- the curve ----------------------------------------------------------------------------------


def test_between_two_batches_samples_lie_on_a_line_in_logarithms() -> None:
    """And beyond the ends they stay what they are there: nothing is known of them."""
    curve = Efficiency((8, 32, 128), (1000.0, 4000.0, 4000.0))
    goals = [curve.to_goal(batch) for batch in (1, 8, 16, 32, 64, 128, 512)]
    assert [1000.0, 1000.0, 2000.0, 4000.0, 4000.0, 4000.0, 4000.0] == pytest.approx(goals)


# --- files --------------------------------------------------------------------------------------


def test_a_file_is_read_back_as_it_was_written(tmp_path: Path) -> None:
    """By its path, with its numbers."""
    path = tmp_path / "net.toml"
    path.write_text(FILE, "utf-8")
    training = load_training(str(path))
    work = TrainingWork(
        knobs={"batch": 4, "depth": 2},
        flops=1e6,
        sample_bytes=1e3,
        step_bytes=1e4,
        kernels=10,
        memory_bytes=1000,
    )
    assert (work,) == training.works
    assert Efficiency((4, 8), (100.0, 150.0)) == training.curve


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("schema = 1", "schema = 2", "schema must be 1 (got 2)"),
        ("batch = 4,", "batch = 4.5,", "works[0].knobs must hold a whole batch of at least 1"),
        ("batch = 4, ", "", "works[0].knobs must hold a whole batch of at least 1"),
        ("flops = 1e6", "flops = 0.0", "works[0].flops must be positive (got 0.0)"),
        ("step_bytes = 1e4", "step_bytes = -1.0", "works[0].step_bytes must not be negative"),
        ("flops = 1e6", "flops = inf", "works[0].flops must be a finite number"),
        ("[4, 8]", "[8, 4]", "curve.batches must be positive and rise (got [8, 4])"),
        ("[4, 8]", "[4]", "curve.batches and samples must be as many, at least one (got 1 and 2)"),
        ("150.0", "0.0", "curve.samples must be positive and finite"),
        ('"works.flops" = "assumed: made up"', "", "(missing: ['works.flops'])"),
        ("kernels = 10", "kernel = 10", "works[0].kernel is not a known key"),
    ],
)
def test_a_wrong_value_is_named_with_file_key_and_value(old: str, new: str, message: str) -> None:
    """Who measures a network of his own must be able to repair its file from the message."""
    assert old in FILE
    with pytest.raises(InvalidInput) as error:
        parse_training(FILE.replace(old, new, 1), origin="net.toml")
    assert str(error.value).startswith("net.toml: ")
    assert message in str(error.value)


def test_a_setting_that_stands_there_twice_is_refused() -> None:
    """A grant names a setting by its index: two that are one are a mistake."""
    start, end = FILE.index("[[works]]"), FILE.index("[curve]")
    with pytest.raises(InvalidInput, match=r"works\.knobs must differ from setting to setting"):
        parse_training(FILE[:end] + FILE[start:end] + FILE[end:], origin="net.toml")


def test_an_unknown_name_is_answered_with_what_is_known() -> None:
    """As with boards."""
    with pytest.raises(InvalidInput, match=r"training must be one of .*tiny-4"):
        load_training("tiny-5")


def test_every_shipped_training_passes_its_own_check() -> None:
    """What ilgov ships has to satisfy what it asks of others, under its own name."""
    assert {"resnet18", "tiny-4", "transformer-6x256"} <= set(shipped_trainings())
    for name in shipped_trainings():
        training = load_training(name)
        assert name == training.name
        assert [] == list(check_training(training))
