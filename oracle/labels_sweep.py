"""The labels of a recording as a sweep: which runs a shard takes, what it makes of them."""

from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa
from msgspec import Struct, structs

from oracle.coverage import Axes
from oracle.demonstrations import (
    OracleParameters,
    extract,
    metadata,
    scenarios,
    sorted_by_scenario,
    to_table,
)
from oracle.filling import fill
from oracle.sweep import SweptFile
from platforms.board import Board
from traces.fill_model import Doubt
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
        fill_axes: Axes | None = None,
        closed: tuple[int, ...] = (),
    ) -> None:
        """Cut them; `about` are the recording's metadata.

        The cores in `closed` are left out: the application never goes there. With `fill_axes` the
        runs that are missing of that grid are filled in by a model.
        """
        self._traces, self._borders = sorted_by_scenario(traces)
        self.metadata = metadata(
            board,
            about["cooling"],
            parameters,
            pools=about.get("pools", ()),
            fill="none" if fill_axes is None else "model",
        )
        self.file = SweptFile(
            out=out,
            kind="demonstrations",
            content={
                "board_sha256": board_digest(board),
                "traces_sha256": traces_sha256,
                "parameters": structs.asdict(parameters),
                "fill_axes": fill_axes,
                "closed": closed,
            },
            scenarios=len(self._borders) - 1,
            shard_size=shard_size,
        )
        make = partial(_make_shard, board, parameters, self.metadata, self.file.parts)
        self.make_shard = partial(make, fill_axes, closed)

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
    board: Board,
    parameters: OracleParameters,
    about: dict[str, Any],
    parts: Parts,
    fill_axes: Axes | None,
    closed: tuple[int, ...],
    runs: Runs,
) -> bytes:
    with pa.ipc.open_stream(runs.stream) as stream:
        traces = stream.read_all()
    swept = [scenario.without(closed) for scenario in scenarios(board, traces)]
    doubts: list[Doubt] = []
    if fill_axes is not None:
        filled = [fill(board, scenario, fill_axes) for scenario in swept]
        swept, doubts = [one for one, _ in filled], [doubt for _, doubt in filled]
    extracted = [extract(board, scenario, parameters) for scenario in swept]
    figures = {
        "scenarios": len(extracted),
        "demands": sum(one.demands for one in extracted),
        "infeasible_demands": sum(one.infeasible for one in extracted),
        "measured_runs": sum(scenario.runs for scenario in swept),
        "modelled_runs": sum(int(scenario.modelled.sum()) for scenario in swept),
        "filled_scenarios": sum(bool(scenario.modelled.any()) for scenario in swept),
        "left_out_square_uk2": sum(round(1e6 * doubt.temp_rms_k**2) for doubt in doubts),
    }
    return parts.encode(runs.shard, to_table(board, extracted), about, figures)
