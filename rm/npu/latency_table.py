"""The measured latencies as text."""

from collections.abc import Iterator, Sequence

from npu_runtime.measure.latency import Latency
from rm.npu.benched import Benched
from rm.npu.text_table import table

SHOWN = (1, 2, 4, 8, 16, 64)
"""Batches that have a column."""

DETAILED = 8
"""The batch whose percentiles and processor time are shown: a row per core of a board of eight."""


def lines(found: Benched) -> Iterator[str]:
    """All of it: what was measured where, hot and cold by batch, details, who was left out."""
    yield f"policy  {found.policy}"
    yield f"machine {found.machine}, load {found.load:.1f}"
    yield ""
    yield "hot: one call after the other; median wall time, us, and times numpy's bare products"
    yield from _by_batch(found.hot)
    yield ""
    yield (
        f"cold: one call every {found.period_s:g} s, in between the thread {_DOES[found.gap]}; "
        "the same"
    )
    yield from _by_batch(found.cold)
    yield ""
    yield f"{DETAILED} rows: percentiles of wall time and mean processor time, us"
    yield from _details(found)
    for one in found.left_out:
        yield f"not timed  {one.name}: {one.reason}"


_DOES = {"sleep": "sleeps", "busy": "is busy"}


def _by_batch(latencies: Sequence[Latency]) -> Iterator[str]:
    header = ("", *(f"{batch} rows" for batch in SHOWN))
    cells = {(one.name, one.batch): _median(one) for one in latencies}
    names = dict.fromkeys(one.name for one in latencies)
    rows = [(name, *(cells.get((name, batch), "-") for batch in SHOWN)) for name in names]
    yield from table([header, *rows], left=(0,))


def _median(one: Latency) -> str:
    return f"{one.p50_us:.1f} ({one.ratio:.1f}x)"


def _details(found: Benched) -> Iterator[str]:
    header = ("", "calls", "p50", "p90", "p99", "cpu", "cpu ratio")
    rows = [
        (
            f"{one.name}, {how}",
            str(one.calls),
            *(f"{value:.1f}" for value in (one.p50_us, one.p90_us, one.p99_us, one.cpu_us)),
            f"{one.cpu_ratio:.1f}x",
        )
        for how, latencies in (("hot", found.hot), ("cold", found.cold))
        for one in latencies
        if one.batch == DETAILED
    ]
    yield from table([header, *rows], left=(0,))
