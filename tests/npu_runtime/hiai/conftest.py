"""The stub NPU as fixtures: built once, started for every test that wants it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from npu_runtime.policy_file import PolicyFile
from tests.npu_runtime.hiai.stub_npu import Programs, StubNpu, programs, with_artifact


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Programs:
    """The server and the stub."""
    return programs(tmp_path_factory.mktemp("hiai"))


@pytest.fixture
def npu(built: Programs, tmp_path: Path) -> Iterator[StubNpu]:
    """A server that runs, sound."""
    with StubNpu(built, tmp_path) as running:
        yield running


@pytest.fixture
def file(tmp_path: Path) -> PolicyFile:
    """The shipped policy, with an artifact that the stub can load."""
    return with_artifact(tmp_path)
