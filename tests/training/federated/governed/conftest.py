"""Fixtures for the tests of governed training."""

from collections.abc import Iterator

import pytest
import torch

from rm.training_client import Outlook
from tests.training.federated.governed.fake_trainer import FakeTrainer, grant
from training.federated import governed


@pytest.fixture(autouse=True)
def fake_trainer(monkeypatch: pytest.MonkeyPatch) -> Iterator[type[FakeTrainer]]:
    """In place of the real one; PyTorch has as many threads afterwards as before."""
    threads = torch.get_num_threads()
    FakeTrainer.script, FakeTrainer.made, FakeTrainer.foreseen = [grant()], [], Outlook()
    monkeypatch.setattr(governed, "Trainer", FakeTrainer)
    yield FakeTrainer
    torch.set_num_threads(threads)
