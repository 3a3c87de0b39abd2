"""What the benchmarks share: the board, its applications, a policy from a short recording."""

from pathlib import Path

import pytest

from platforms.application import ApplicationProfile
from platforms.application_file import find_applications
from platforms.board import Board
from platforms.board_file import load_board
from rm.main import main


@pytest.fixture(scope="session")
def board() -> Board:
    """The reference board."""
    return load_board("hikey970")


@pytest.fixture(scope="session")
def profiles() -> tuple[ApplicationProfile, ...]:
    """The applications that the evaluation draws from."""
    return find_applications(["parsec"])


@pytest.fixture(scope="session")
def traces_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Traces of a few scenarios over all operating points."""
    path = tmp_path_factory.mktemp("bench") / "traces.parquet"
    assert main(["trace", "record", "--scenarios", "16", "--jobs", "2", "--out", str(path)]) == 0
    return path


@pytest.fixture(scope="session")
def policy_file(traces_file: Path) -> Path:
    """A network of TOP-IL's shape, trained briefly: its speed is that of any other."""
    demonstrations = traces_file.with_name("demonstrations.parquet")
    policy = traces_file.with_name("policy.onnx")
    out = ["--traces", str(traces_file), "--out", str(demonstrations)]
    assert main(["oracle", "labels", *out]) == 0
    train = ["--demonstrations", str(demonstrations), "--out", str(policy)]
    assert main(["train", *train, "--seeds", "1", "--epochs", "5"]) == 0
    return policy
