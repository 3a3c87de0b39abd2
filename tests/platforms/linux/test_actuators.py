"""Tests of the two ways to give a clock its frequency."""

from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from platforms.linux.clocks.actuators import Actuator, Cap, SetSpeed
from platforms.linux.clocks.frequency_domain import FrequencyDomain, find_domains
from platforms.linux.errors import WriteRefused
from tests.platforms.linux.fake_root import FakeRoot
from tests.platforms.linux.writing import BIG, journal_path, open_writer

Make = Callable[[FrequencyDomain], Actuator]
BOTH = pytest.mark.parametrize("make", [SetSpeed, Cap])


@pytest.fixture
def root(tmp_path: Path) -> FakeRoot:
    """A HiKey 970."""
    return FakeRoot(tmp_path)


def big(root: FakeRoot) -> FrequencyDomain:
    """The big cluster's clock."""
    return find_domains(root.path)[1]


def lines(root: FakeRoot) -> int:
    """How many entries the journal has."""
    return journal_path(root).read_text().count("\n") - 1


@BOTH
def test_taken_set_and_restored_nothing_is_left(root: FakeRoot, make: Make) -> None:
    """All knobs read as before."""
    before, writer, actuator = root.snapshot(), open_writer(root), make(big(root))
    actuator.take(writer)
    for freq_hz in (1_018_000_000, 682_000_000, 2_362_000_000, 1_364_000_000):
        actuator.set(writer, freq_hz)
        root.settle()
        assert actuator.holds(actuator.domain.read())
    assert before != root.snapshot()
    assert () == writer.restore_all().problems
    assert before == root.snapshot()


@BOTH
def test_the_clock_does_not_exceed_what_was_asked(root: FakeRoot, make: Make) -> None:
    """Under a load that takes what it gets."""
    writer, actuator = open_writer(root), make(big(root))
    actuator.take(writer)
    actuator.set(writer, 1_018_000_000)
    root.run_for(1.0, busy={4: 1.0})
    assert 1_018_000_000 == actuator.domain.read().freq_hz


@BOTH
def test_the_same_again_is_not_written(root: FakeRoot, make: Make) -> None:
    """Each write costs the kernel a change of clocks."""
    writer, actuator = open_writer(root), make(big(root))
    actuator.take(writer)
    assert 1_018_000_000 == actuator.set(writer, 1_018_000_000)
    assert None is actuator.set(writer, 1_018_000_000)
    actuator.forget()
    assert 1_018_000_000 == actuator.set(writer, 1_018_000_000)


@BOTH
def test_everything_is_journaled_with_one_wait_for_the_disk(
    root: FakeRoot, make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And no more of it while the governor runs."""
    writer, actuator = open_writer(root), make(big(root))
    waits = []
    monkeypatch.setattr("os.fdatasync", waits.append)
    actuator.take(writer)
    assert 1 == len(waits)
    assert 2 == lines(root)
    for freq_hz in actuator.domain.freqs_hz:
        actuator.set(writer, freq_hz)
    assert 1 == len(waits)


@BOTH
def test_taken_twice_the_first_values_count(root: FakeRoot, make: Make) -> None:
    """As after a reload."""
    before, writer, actuator = root.snapshot(), open_writer(root), make(big(root))
    actuator.take(writer)
    actuator.set(writer, 1_018_000_000)
    root.settle()
    make(big(root)).take(writer)
    writer.restore_all()
    assert before == root.snapshot()


@BOTH
def test_the_kernels_cap_is_told(root: FakeRoot, make: Make) -> None:
    """And its result is no interference."""
    writer, actuator = open_writer(root), make(big(root))
    actuator.take(writer)
    actuator.set(writer, 1_863_000_000)
    root.settle()
    assert 2_362_000_000 == actuator.allowed_hz(actuator.domain.read())
    root.cap(4, 1_018_000)
    reading = actuator.domain.read()
    assert 1_018_000_000 == actuator.allowed_hz(reading)
    assert actuator.holds(reading)


@BOTH
def test_restored_while_the_kernel_caps_nothing_of_it_stays(root: FakeRoot, make: Make) -> None:
    """The kernel takes its cap away later; the user's limit then is what it was."""
    before, writer, actuator = root.snapshot(), open_writer(root), make(big(root))
    actuator.take(writer)
    actuator.set(writer, 1_863_000_000)
    root.cap(4, 1_018_000)
    assert () == writer.restore_all().problems
    root.cap(4, None)
    assert before == root.snapshot()


@BOTH
def test_interference_is_seen(root: FakeRoot, make: Make) -> None:
    """Another program has turned the knob."""
    writer, actuator = open_writer(root), make(big(root))
    actuator.take(writer)
    actuator.set(writer, 1_863_000_000)
    knob = "scaling_setspeed" if make is SetSpeed else "scaling_max_freq"
    root.write(f"{BIG}/{knob}", "2093000")
    assert not actuator.holds(actuator.domain.read())


@BOTH
def test_without_cores_the_write_is_refused_or_lost_and_can_be_repeated(
    root: FakeRoot, make: Make
) -> None:
    """After all cores of a cluster were unplugged and plugged."""
    writer, actuator = open_writer(root), make(big(root))
    actuator.take(writer)
    actuator.set(writer, 1_863_000_000)
    root.settle()
    for core in range(4, 8):
        root.unplug(core)
    root.plug(4)
    actuator.forget()
    actuator.set(writer, 1_863_000_000)
    root.settle()
    assert actuator.holds(actuator.domain.read())


def test_under_setspeed_limits_are_not_touched(root: FakeRoot) -> None:
    """A limit that is not written need not be restored, and could be the kernel's own."""
    writer, actuator = open_writer(root), SetSpeed(big(root))
    root.cap(4, 1_018_000)
    actuator.take(writer)
    actuator.set(writer, 1_863_000_000)
    assert "scaling_max_freq" not in journal_path(root).read_text()


def test_a_speed_of_the_users_own_is_given_back(root: FakeRoot) -> None:
    """Where the governor was userspace before."""
    root.write(f"{BIG}/scaling_governor", "userspace")
    root.write(f"{BIG}/scaling_setspeed", "1364000")
    before, writer, actuator = root.snapshot(), open_writer(root), SetSpeed(big(root))
    actuator.take(writer)
    actuator.set(writer, 682_000_000)
    writer.restore_all()
    assert before == root.snapshot()


@pytest.mark.parametrize("governor", ["schedutil", "userspace"])
def test_a_value_that_the_kernel_has_lowered_is_never_taken_for_the_users(
    root: FakeRoot, governor: str
) -> None:
    """It would be restored as the user's own, and stay."""
    root.write(f"{BIG}/scaling_governor", governor)
    root.cap(4, 1_018_000)
    writer, make = open_writer(root), SetSpeed if governor == "userspace" else Cap
    with pytest.raises(WriteRefused, match=r"cooling state 7\); wait until it has cooled down"):
        make(big(root)).take(writer)
    assert 0 == lines(root)
    root.cap(4, None)
    make(big(root)).take(writer)


def test_a_cap_keeps_the_governor(root: FakeRoot) -> None:
    """And with it the kernel's energy-aware scheduling."""
    writer, actuator = open_writer(root), Cap(big(root))
    actuator.take(writer)
    actuator.set(writer, 682_000_000)
    assert "schedutil" == root.read(f"{BIG}/scaling_governor")


def test_a_cap_stays_within_the_users_own_limits(root: FakeRoot) -> None:
    """They may have a reason."""
    root.write(f"{BIG}/scaling_max_freq", "1863000")
    root.write(f"{BIG}/scaling_min_freq", "1018000")
    writer, actuator = open_writer(root), Cap(big(root))
    actuator.take(writer)
    actuator.set(writer, 2_362_000_000)
    assert "1863000" == root.read(f"{BIG}/scaling_max_freq")
    assert 1_863_000_000 == actuator.allowed_hz(actuator.domain.read())
    actuator.set(writer, 682_000_000)
    assert "682000" == root.read(f"{BIG}/scaling_min_freq")
    actuator.set(writer, 1_364_000_000)
    assert "1018000" == root.read(f"{BIG}/scaling_min_freq")


FREQS_HZ = st.sampled_from([682, 1018, 1210, 1364, 1863, 2362])


@pytest.fixture(scope="module")
def used_root(tmp_path_factory: pytest.TempPathFactory) -> FakeRoot:
    """One root for all examples: each leaves it as it was."""
    return FakeRoot(tmp_path_factory.mktemp("root"))


@settings(max_examples=40)
@given(user=st.tuples(FREQS_HZ, FREQS_HZ), asked=st.lists(FREQS_HZ, max_size=8))
def test_a_cap_never_writes_a_lower_limit_above_the_upper_one(
    used_root: FakeRoot, user: tuple[int, int], asked: list[int]
) -> None:
    """Older kernels refuse it; whatever the user's limits and the order of wishes are."""
    root = used_root
    root.write(f"{BIG}/scaling_min_freq", str(min(user) * 1000))
    root.write(f"{BIG}/scaling_max_freq", str(max(user) * 1000))
    before, writer, actuator = root.snapshot(), open_writer(root), Cap(big(root))
    limits = {"min": min(user), "max": max(user)}
    write = writer.write

    def checked(path: str, value: str) -> str:
        limits["min" if "min" in path else "max"] = int(value) // 1000
        assert limits["min"] <= limits["max"]
        return write(path, value)

    writer.write = checked  # type: ignore[method-assign]
    actuator.take(writer)
    for freq in asked:
        actuator.set(writer, freq * 1_000_000)
        root.settle()
    writer.restore_all()
    writer._journal.close()  # type: ignore[union-attr]
    assert before == root.snapshot()


def test_without_userspace_setspeed_says_what_to_do(root: FakeRoot) -> None:
    """It is a module of its own in some kernels."""
    root.write(f"{BIG}/scaling_available_governors", "performance schedutil")
    with pytest.raises(WriteRefused, match="modprobe cpufreq_userspace, or actuator = 'cap'"):
        SetSpeed(big(root)).take(open_writer(root))


def test_a_governor_that_does_not_stay_is_refused(
    root: FakeRoot, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Read back, it is another."""
    writer = open_writer(root)
    monkeypatch.setattr(writer, "write", lambda path, value: "schedutil")
    with pytest.raises(WriteRefused, match="must read 'userspace' after it was written"):
        SetSpeed(big(root)).take(writer)
