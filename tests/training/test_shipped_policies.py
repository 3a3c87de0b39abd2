"""Tests of the policies that come in the package: sound, small, and made by their commands."""

import argparse
import json
from dataclasses import asdict
from itertools import pairwise
from pathlib import Path

import msgspec
import numpy as np
import onnx
import pytest
from msgspec import structs

from benchmarks.shipped_policies import COMMANDS, shipped_of
from npu_runtime.load import LoadedPolicy, load_policy
from oracle.demonstrations import OracleParameters
from platforms.application_file import find_applications
from platforms.board_file import load_board, shipped_boards
from rm.checker import check_policy
from rm.features import table as topil_table
from rm.mapping.rows import OUTPUTS
from rm.mapping.rows import table as ilgov_table
from rm.policies.registry import PolicyContext, policy_factory
from rm.policies.shipped_files import FOLDER, shipped
from rm.speed_priors import SpeedPriors
from tests.platforms.programs import simulated
from traces.plan import split_pools
from traces.schema import board_digest
from training.imitation.fit_data import FitOptions
from training.joint.command import configure, options_of, task_of
from training.joint.priors import measured_priors
from training.joint.task import HELD_OUT_SHARE

SHIPPED = sorted(FOLDER.glob("*.onnx"))
OF_TOPIL = [path for path in SHIPPED if path.name.startswith("topil-")]
NAMES = ("ilgov-hikey970.onnx", "topil-hikey970.onnx")

KNOWN_TO_NPUS = {"Sub", "Div", "Gemm", "Relu"}
"""Normalisation, fully connected layers and ReLU: what all of the back ends have."""

LARGEST_BYTES = 200_000


def loaded(path: Path) -> LoadedPolicy:
    """The policy of a file called POLICY-BOARD.onnx, after every check that there is at load.

    Board and digest, feature table, outputs, the graph's hash and its parity with torch are
    compared there.
    """
    policy, _, name = path.stem.partition("-")
    board = load_board(name)
    features = {"ilgov": ilgov_table, "topil": topil_table}[policy](board)
    outputs = {"ilgov": OUTPUTS, "topil": board.core_names}[policy]
    return load_policy(
        path, features=features, board=name, board_sha256=board_digest(board), outputs=outputs
    )


@pytest.mark.parametrize("name", NAMES)
def test_the_reference_board_has_its_policies(name: str) -> None:
    """``ilgov evaluate`` works without any training."""
    assert shipped(name) is not None, f"{name} is missing in {FOLDER}"


every_network = pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.name)


@every_network
def test_a_shipped_network_is_for_a_board_as_that_is_described_now(path: Path) -> None:
    """And computes what the training computed."""
    metadata = loaded(path).metadata
    assert metadata.board in shipped_boards()
    assert len(metadata.parity_inputs) > 1
    assert metadata.cooling in {c.name for c in load_board(metadata.board).cooling}


@every_network
def test_a_shipped_graph_holds_nothing_but_what_npus_know(path: Path) -> None:
    """With any number of rows, and no notes of the machine that made it."""
    model = onnx.load(path)
    assert KNOWN_TO_NPUS >= {node.op_type for node in model.graph.node}
    assert loaded(path).capabilities.dynamic_batch
    assert ["ilgov"] == [entry.key for entry in model.metadata_props]
    assert LARGEST_BYTES > path.stat().st_size


@every_network
def test_a_shipped_network_scores_whatever_the_table_allows(path: Path) -> None:
    """Finite scores at the ends of all ranges and between."""
    policy = loaded(path)
    high = np.array([feature.high for feature in policy.metadata.features], np.float32)
    shares = np.random.default_rng(0).uniform(size=(64, len(high))).astype(np.float32)
    shares[:2] = [[0.0], [1.0]]
    assert np.isfinite(policy.run(shares * high)).all()


@every_network
def test_the_policy_of_a_shipped_network_keeps_the_contract(path: Path) -> None:
    """Found without a file being named."""
    policy, _, name = path.stem.partition("-")
    board = load_board(name)
    idle = simulated(board=board)
    check_policy(lambda: policy_factory(policy)(PolicyContext(board, idle)), board)


def test_every_shipped_file_is_one_that_can_be_made_again_by_one_command() -> None:
    """``python -m benchmarks.shipped_policies`` compares the bytes, in minutes."""
    makeable = {name for policy in COMMANDS for name in shipped_of(policy)}
    assert {path.name for path in FOLDER.iterdir()} == makeable
    written = {words[words.index("--out") + 1] for c in COMMANDS.values() for words in c[-1:]}
    assert {f"{{out}}/{name}" for name in makeable if not name.endswith(".json")} == written


@pytest.mark.parametrize("path", OF_TOPIL, ids=lambda path: path.name)
def test_topils_network_is_what_its_commands_make(path: Path) -> None:
    """``ilgov trace record``, ``oracle labels`` and ``train`` with their defaults, says the report.

    The programs that teach are those that the recorder does not hold out.
    """
    metadata = loaded(path).metadata
    report = json.loads(path.with_name(f"{path.stem}.training.json").read_text("utf-8"))
    assert structs.asdict(OracleParameters()) == report["oracle"] == metadata.oracle
    assert "recorded apart" == report["validation_chosen"]
    assert json.loads(json.dumps(asdict(FitOptions()))) == report["options"]
    record, _, _ = COMMANDS["topil"]
    assert not {"--seed", "--scenarios", "--cooling", "--applications"} & set(record)
    names = [profile.name for profile in find_applications(["cbench"])]
    rng = np.random.default_rng(0)
    known, held_out = split_pools(names, held_out_share=HELD_OUT_SHARE, rng=rng)
    assert sorted(known) == report["training_applications"]
    assert sorted(held_out) == report["validation"]["applications"]


@pytest.mark.parametrize(
    "path", [path for path in SHIPPED if path.name.startswith("ilgov-")], ids=lambda path: path.name
)
def test_ilgovs_network_is_what_its_command_makes(path: Path) -> None:
    """``ilgov train-ilgov --board BOARD --out FILE`` with its defaults, says the report."""
    metadata = loaded(path).metadata
    parser = argparse.ArgumentParser()
    configure(parser)
    args = parser.parse_args(["--board", metadata.board, "--out", str(path)])
    options, task = options_of(args), task_of(args)
    report = json.loads(path.with_name(f"{path.stem}.training.json").read_text("utf-8"))
    assert report["options"] == msgspec.json.decode(msgspec.json.encode(options))
    assert (report["board"], report["cooling"]) == (metadata.board, args.cooling)
    assert [profile.name for profile in task.known] == report["training_applications"]
    assert [profile.name for profile in task.held_out] == report["validation_applications"]
    assert 1 + options.dagger_rounds == len(report["rounds"])
    assert (args.cooling, options.seed) == (metadata.cooling, metadata.seed)
    assert {
        "question": options.question,
        "labels": options.labels,
        "stall_aware": int(options.stall_aware),
        "objective": "peak",
        "alpha_per_k": options.alpha_per_k,
    } == metadata.oracle
    priors = SpeedPriors.of_constants(task.board, metadata.constants)
    assert measured_priors(task.board, task.known) == priors
    weights = {entry.name: list(entry.dims) for entry in onnx.load(path).graph.initializer}
    widths = [len(metadata.features), *options.hidden, 1]
    layers = [dims for name, dims in weights.items() if name.endswith(".weight")]
    assert [[outputs, inputs] for inputs, outputs in pairwise(widths)] == layers
