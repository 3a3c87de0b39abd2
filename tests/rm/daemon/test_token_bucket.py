"""Tests of the limit of a rate, and of who may connect how often."""

from rm.daemon.clients.door import Door
from rm.daemon.clients.peer import Peer
from rm.daemon.clients.token_bucket import TokenBucket


def passed(bucket: TokenBucket, now_s: float) -> int:
    """How many may pass at a moment."""
    count = 0
    while bucket.take(now_s):
        count += 1
    return count


def test_a_burst_passes_and_then_the_rate() -> None:
    """However long the pause before."""
    bucket = TokenBucket(10.0, 5.0, 0.0)
    assert 5 == passed(bucket, 0.0)
    assert 0.1 == bucket.ready_s(0.0)
    assert 0.3 == bucket.ready_s(0.0, 3.0)
    assert 2 == passed(bucket, 0.2)
    assert 5 == passed(bucket, 1000.0)
    assert not bucket.is_full(1000.1)
    assert bucket.is_full(1000.5)


def test_what_is_dear_is_paid_for_afterwards() -> None:
    """It may pass while one token is there."""
    bucket = TokenBucket(10.0, 5.0, 0.0)
    assert bucket.take(0.0, 15.0)
    assert not bucket.take(1.0)
    assert bucket.take(1.2)


def test_a_clock_that_goes_back_gives_nothing() -> None:
    """Nor does it take."""
    bucket = TokenBucket(10.0, 5.0, 100.0)
    passed(bucket, 100.0)
    assert 0 == passed(bucket, 0.0)
    assert 1 == passed(bucket, 0.1)


def test_a_user_that_comes_and_goes_is_slowed_down_alone() -> None:
    """Root and other users are not."""
    door = Door(0.0)
    for _ in range(20):
        assert door.refusal(Peer(7, 1000), (), 0.0) is None
    assert "connections of a user must be at most 20 a second" == door.refusal(
        Peer(7, 1000), (), 0.0
    )
    assert door.refusal(Peer(8, 1001), (), 0.0) is None
    assert door.refusal(Peer(9, 0), (), 0.0) is None
    assert door.refusal(Peer(7, 1000), (), 0.1) is None


def test_all_together_wait_outside_when_they_are_too_many() -> None:
    """The kernel's queue holds them."""
    door = Door(0.0)
    for number in range(200):
        door.refusal(Peer(number, number), (), 0.0)
    assert 0.005 == door.opens_in_s(0.0)
    assert 0.0 >= door.opens_in_s(0.01)


def test_users_of_long_ago_are_forgotten() -> None:
    """The door must not grow with them."""
    door = Door(0.0)
    for number in range(1, 1001):
        door.refusal(Peer(1, number), (), float(number))
    assert 2 >= len(door._users)
