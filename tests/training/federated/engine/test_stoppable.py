"""Tests of Ctrl-C in a simulation: the server's thread ends, and no round is played without it."""

import signal
import threading

import pytest

from tests.training.federated.engine.local_grid import LocalGrid
from tests.training.federated.engine.test_flower_exchange import NAMES, order, told
from training.federated.engine.flower.exchange import FlowerCarrier
from training.federated.engine.flower.stoppable import Stoppable, stopped_by_ctrl_c


def test_an_exchange_that_waits_for_a_device_ends_once_the_run_is_stopped() -> None:
    """Not after its timeout, with a round in which nobody answered."""
    stopped = threading.Event()
    grid = Stoppable(LocalGrid(NAMES, told(), dict.fromkeys(NAMES, lambda answer: None)), stopped)
    carrier = FlowerCarrier(grid, timeout_s=60.0)  # type: ignore[arg-type]
    threading.Timer(0.3, stopped.set).start()
    with pytest.raises(SystemExit):
        carrier(order())
    assert [] == carrier.failures


def test_a_grid_that_nobody_stops_is_what_it_was() -> None:
    """All devices answer."""
    grid = Stoppable(LocalGrid(NAMES, told()), threading.Event())
    carrier = FlowerCarrier(grid, timeout_s=1.0)  # type: ignore[arg-type]
    assert list(NAMES) == list(carrier(order()))


def test_ctrl_c_is_heard_at_once_and_told_at_the_end() -> None:
    """Threads can end in between; the handler of before is back."""
    before = signal.getsignal(signal.SIGINT)
    in_time: list[bool] = []
    with pytest.raises(KeyboardInterrupt):
        hears_ctrl_c(in_time)
    assert [True] == in_time
    assert before is signal.getsignal(signal.SIGINT)


def hears_ctrl_c(in_time: list[bool]) -> None:
    """Go on after Ctrl-C."""
    with stopped_by_ctrl_c() as stopped:
        signal.raise_signal(signal.SIGINT)
        in_time.append(stopped.is_set())


def test_without_ctrl_c_nothing_happens() -> None:
    """The block is left as any other."""
    with stopped_by_ctrl_c() as stopped:
        pass
    assert not stopped.is_set()
