"""The clusters' part of the view: clock, what was asked for, the kernel's cap, each core's load."""

from collections.abc import Iterator, Sequence

from rm.daemon.status import ClusterStatus, CoreStatus, Status
from rm.quantities import megahertz, printable
from rm.top.glyphs import Glyphs, bar
from rm.top.line import Line, Piece, line

_NAME = 10
_NUMBER = 6
_LEFT = 1 + _NAME + 3 * _NUMBER
_CORE_TEXT = 9
"""Columns of a core beside its bar: a gap, its number, its load in percent."""

_CORES_A_LINE = 4
_LONGEST_BAR = 14
_SHORTEST_BAR = 3
_PERCENT = 100
_BUSY = 0.9


def cluster_lines(status: Status, glyphs: Glyphs, width: int) -> Iterator[Line]:
    """A line or more for each cluster, four cores a line; fewer in a narrow terminal."""
    head = f" {'CLUSTER':{_NAME}}{'MHz':>{_NUMBER}}{'asked':>{_NUMBER}}{'cap':>{_NUMBER}}"
    yield line(Piece(f"{head}   cores, busy %", "head"))
    room = max(width - _LEFT, 0)
    a_line = min(max(room // (_CORE_TEXT + _SHORTEST_BAR), 1), _CORES_A_LINE)
    bar_width = min(max(room // a_line - _CORE_TEXT, 0), _LONGEST_BAR)
    cores = {core.core: core for core in status.cores}
    for cluster in status.clusters:
        loads = [cores[number] for number in cluster.cores if number in cores]
        yield from _cluster(cluster, loads, glyphs, bar_width=bar_width, a_line=a_line)


def _cluster(
    cluster: ClusterStatus,
    cores: Sequence[CoreStatus],
    glyphs: Glyphs,
    *,
    bar_width: int,
    a_line: int,
) -> Iterator[Line]:
    rows = [cores[start : start + a_line] for start in range(0, len(cores), a_line)] or [()]
    for number, row in enumerate(rows):
        start = _clocks(cluster) if number == 0 else line(" " * _LEFT)
        loads = (piece for core in row for piece in _core(core, glyphs, bar_width))
        yield (*start, *loads)


def _clocks(cluster: ClusterStatus) -> Line:
    name = printable(cluster.name)[: _NAME - 1]
    capped = cluster.asked_hz is not None and cluster.cap_hz < cluster.asked_hz
    return line(
        f" {name:{_NAME}}",
        Piece(f"{megahertz(cluster.freq_hz):>{_NUMBER}}", "value"),
        f"{megahertz(cluster.asked_hz):>{_NUMBER}}",
        Piece(f"{megahertz(cluster.cap_hz):>{_NUMBER}}", "bad" if capped else "plain"),
    )


def _core(core: CoreStatus, glyphs: Glyphs, bar_width: int) -> Line:
    if not core.online:
        return line(Piece(f"  {core.core:>2} {'off':>{bar_width + 4}}", "faint"))
    share = core.utilisation
    return line(
        Piece(f"  {core.core:>2} ", "faint"),
        Piece(bar(share, bar_width, glyphs), "warn" if share > _BUSY else "good"),
        f"{_PERCENT * share:>4.0f}",
    )
