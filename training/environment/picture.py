"""An observation as text, for a terminal."""

from collections.abc import Iterator

from platforms.board import Board
from platforms.platform import ApplicationReading, Observation
from training.environment.slots import Slotted


def picture(board: Board, observation: Observation, slotted: Slotted) -> str:
    """Time, sensors and clocks, then one line per core with who runs there and how well."""
    sensors = ", ".join(f"{r.sensor} {r.temp_c:.1f} °C" for r in observation.temperatures)
    return "\n".join(
        [f"{observation.time_s:.2f} s  {sensors}", *_cores(board, slotted, observation)]
    )


def _cores(board: Board, slotted: Slotted, observation: Observation) -> Iterator[str]:
    freqs_hz = board.freqs_hz_at(observation.opp_index)
    for cluster, freq_hz in zip(board.clusters, freqs_hz, strict=True):
        yield f"{cluster.name} at {1e-9 * freq_hz:.3f} GHz"
        for core in cluster.cores:
            here = [
                _application(slot, app)
                for slot, app in enumerate(slotted)
                if app is not None and core in app.cores
            ]
            yield f"  {board.core_names[core]:7s}{', '.join(here) or '-'}"


def _application(slot: int, app: ApplicationReading) -> str:
    return f"[{slot}] {app.name} {app.rate_ips / app.target_ips:.0%} of its target"
