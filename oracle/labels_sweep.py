"""The labels of a recording as a sweep: which runs a shard takes, what it makes of them."""

from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa
from msgspec import Struct, structs

from oracle.demonstrations import (
    OracleParameters,
    extract,
    metadata,
    scenarios,
    sorted_by_scenario,
    to_table,
)
from oracle.sweep import SweptFile
from platforms.board import Board
from traces.parts import Parts
from traces.schema import board_digest


class Runs(Struct, frozen=True):
    """The job of one shard: its number, and the runs of its scenarios as an Arrow stream."""

    shard: int
    stream: bytes


class LabelSweep:
    """The demonstrations of the recording `traces`, whose file has the digest `traces_sha256`."""

    def __init__(
        self,
        board: Board,
        traces: pa.Table,
        about: dict[str, Any],
        parameters: OracleParameters,
        *,
        traces_sha256: str,
        out: Path,
        shard_size: int,
    ) -> None:
        """Cut them; `about` are the recording's metadata."""
        self._traces, self._borders = sorted_by_scenario(traces)
        self.metadata = metadata(board, about["cooling"], parameters, pools=about.get("pools", ()))
        self.file = SweptFile(
            out=out,
            kind="demonstrations",
            content={
                "board_sha256": board_digest(board),
                "traces_sha256": traces_sha256,
                "parameters": structs.asdict(parameters),
            },
            scenarios=len(self._borders) - 1,
            shard_size=shard_size,
        )
        self.make_shard = partial(_make_shard, board, parameters, self.metadata, self.file.parts)

    def job_of(self, shard: int) -> Runs:
        """The runs of a shard's scenarios; this copies them."""
        numbers = self.file.shard(shard)
        start, end = int(self._borders[numbers.start]), int(self._borders[numbers.stop])
        runs = self._traces.slice(start, end - start)
        sink = pa.BufferOutputStream()
        with pa.ipc.new_stream(sink, runs.schema) as stream:
            stream.write_table(runs)
        return Runs(shard, sink.getvalue().to_pybytes())


def _make_shard(
    board: Board, parameters: OracleParameters, about: dict[str, Any], parts: Parts, runs: Runs
) -> bytes:
    with pa.ipc.open_stream(runs.stream) as stream:
        traces = stream.read_all()
    extracted = [extract(board, scenario, parameters) for scenario in scenarios(board, traces)]
    figures = {
        "scenarios": len(extracted),
        "demands": sum(one.demands for one in extracted),
        "infeasible_demands": sum(one.infeasible for one in extracted),
    }
    return parts.encode(runs.shard, to_table(board, extracted), about, figures)
