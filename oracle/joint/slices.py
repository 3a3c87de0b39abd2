"""The search: all queues as one slice at first, then in as many as it takes.

A slice that takes more choices in vain than new tables are worth is cut in two: in each half all
bounds are tighter. The search ends when every slice was searched, or when the budget is spent; then
what is left bounds what could still be found.
"""

import math

from oracle.joint.best_first import Room, empty_room, search_slice
from oracle.joint.demand import Demand
from oracle.joint.group_costs import Slice
from oracle.joint.hardware import Hardware
from oracle.joint.measure import Measure
from oracle.joint.record import CAP, VAIN, Record
from oracle.joint.space import ROUNDING, queue_span

WATCH_ABOVE = 1e-6
"""Where more than this may be missed, missed targets are watched beside the objective; below it
every group that misses no more meets its targets, and there is nothing to add up."""

NARROWEST = 1e-7
"""A slice that is narrower, relative, is not cut any more."""

MORE_PATIENCE = 1.5
"""Each slice that was cut in two gives the others more patience: perhaps cutting does not help."""


def guess(board: Hardware, asked: Demand, free: Measure, record: Record) -> None:
    """Put a decision into the record that misses little; nothing is proven."""
    room = empty_room(board, len(asked.home), watch=False)
    low, high = queue_span(board, asked, math.inf)
    search_slice(board, asked, free, Slice(low, high, math.inf, True), room, math.inf, record)


def search(board: Hardware, asked: Demand, rated: Measure, record: Record) -> None:
    """Improve the record to the best decision that misses no more than it allows."""
    apps = len(asked.home)
    low, high = queue_span(board, asked, float(record.numbers[CAP]))
    patience = 300.0 + 3**apps // 50  # what the tables cost, counted in choices
    if record.numbers[CAP] < WATCH_ABOVE:
        room = empty_room(board, apps, watch=False)
        span = Slice(low, high, float(record.numbers[CAP]), False)
        if search_slice(board, asked, rated, span, room, patience, record):
            return
    _search_slices(board, asked, rated, (low, high), patience, record)


def _search_slices(
    board: Hardware,
    asked: Demand,
    rated: Measure,
    ends: tuple[float, float],
    patience: float,
    record: Record,
) -> None:
    """Search a slice, cut in two as often as it takes; missed targets and load are watched."""
    room: Room = empty_room(board, len(asked.home), watch=True)
    left = [ends]
    while left:
        low, high = left.pop()
        wide = (max(1.0, low * (1.0 - ROUNDING)), high * (1.0 + ROUNDING))
        span = Slice(*wide, float(record.numbers[CAP]), False)
        limit = record.counts[VAIN] + patience if high > low * (1.0 + NARROWEST) else math.inf
        if not search_slice(board, asked, rated, span, room, float(limit), record):
            middle = math.sqrt(low * high)
            left += [(middle, high), (low, middle)]
            patience *= MORE_PATIENCE
