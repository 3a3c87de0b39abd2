"""The study's tables, as text that the terminal and the page show alike."""

import statistics
from collections import Counter
from math import inf

from training.federated.compare.words import multiple, percent
from training.federated.powercap.chosen import BATCH_FIRST, CAPPING, PLANNER
from training.federated.powercap.document import (
    MEDIAN_LIMIT,
    PAPER_GAIN,
    TAIL_LIMIT,
    Document,
    Gain,
    Group,
)
from training.federated.study import Table

_ALL = "all"
_PAPER = (
    f"up to {PAPER_GAIN[0]} (TMLR 2025) and {PAPER_GAIN[1]} times (arXiv 2502.18323v1), on Jetson "
    "boards, by the abstracts; that this is against frequency capping at a fixed large batch is "
    "recalled, not confirmed"
)


def verdict(document: Document) -> str:
    """Whether the planner is near enough to the optimum, and where it is not."""
    if not document.regrets:
        return "nothing to judge: no mode under any cap brings the target to its goal"
    whole = document.regrets[-1]
    text = (
        f"{'holds' if document.holds else 'DOES NOT HOLD'} over all {whole.n} cells: "
        f"{percent(whole.median)} % in the median (at most {percent(MEDIAN_LIMIT)} %), "
        f"{percent(whole.tail)} % at the 95th percentile (at most {percent(TAIL_LIMIT)} %)"
    )
    failing = [_words(one.group) for one in document.regrets[:-1] if not one.holds]
    return f"{text}; it does not hold for {', '.join(failing)}" if failing else (
        f"{text}; and for each board and rule"
    )  # fmt: skip


def all_tables(document: Document) -> tuple[Table, ...]:
    """Every table, in order."""
    return (
        regret_table(document),
        seeds_table(document),
        gain_table(document),
        network_table(document),
        batch_table(document),
        samples_table(document),
        cap_table(document),
    )


def regret_table(document: Document) -> Table:
    """How near the planner comes to the optimum."""
    return Table(
        title="Time to accuracy above the exhaustive optimum's, %: the planner's choice",
        columns=("board", "rule", "cells", "median", "95th", "most", "within 1 %", ""),
        rows=tuple(
            (
                *_names(one.group),
                str(one.n),
                percent(one.median),
                percent(one.tail),
                percent(one.most),
                f"{one.within_1:.0%}",
                "holds" if one.holds else "does not",
            )
            for one in document.regrets
        ),
        paper='"very close" to the exhaustive optimum (abstract; no figure known)',
        verdict=verdict(document),
    )


def seeds_table(document: Document) -> Table:
    """What the proxy has to be trained for."""
    return Table(
        title="The same where the proxy's curve is from fewer seeds, all boards and rules",
        columns=("proxy's seeds", "cells", "median", "95th", "most", "within 1 %", ""),
        rows=tuple(
            (
                str(one.proxy_seeds),
                str(one.regret.n),
                percent(one.regret.median),
                percent(one.regret.tail),
                percent(one.regret.most),
                f"{one.regret.within_1:.0%}",
                "holds" if one.regret.holds else "does not",
            )
            for one in document.few_seeds
        ),
        verdict=f"the target's samples are means over {document.seeds} seeds in every line",
    )


def gain_table(document: Document) -> Table:
    """Over capping the frequency at a fixed large batch."""
    return Table(
        title="Frequency capping at the largest batch: times as long as the planner's choice",
        columns=("board", "rule", "times [95 % over seeds]", "least", "most", "cells", "no mode"),
        rows=_gains(document, CAPPING),
        paper=_PAPER,
        verdict=(
            "geometric means over cells, on the simulated board; “no mode”: caps that leave the "
            "largest batch no place, and the planner one"
        ),
    )


def network_table(document: Document) -> Table:
    """The same gain by network: it is least where a GPU needs large batches to be filled."""
    return Table(
        title="The same by network, over all rules",
        columns=(
            "board",
            "network",
            "times [95 % over seeds]",
            "least",
            "most",
            "cells",
            "no mode",
        ),
        rows=tuple(
            (one.group.board, one.group.training, *_gain(one)[2:])
            for one in document.gains_by_network
        ),
    )


def batch_table(document: Document) -> Table:
    """What choosing together adds to a batch that is chosen without the cap."""
    return Table(
        title="The batch without a cap, then its fastest place: times as long as the planner's",
        columns=("board", "rule", "times [95 % over seeds]", "least", "most", "cells", "no mode"),
        rows=_gains(document, BATCH_FIRST),
        paper="not compared there, as far as is known",
        verdict="what is chosen together gains over the same curve used without knowing the cap",
    )


def samples_table(document: Document) -> Table:
    """Samples to the goal, target and proxy, and which batches were taken."""
    rows = []
    for rule in document.counted:
        taken = Counter(
            one.batch
            for cell in document.cells
            if cell.rule == rule.rule and (one := cell.taken[PLANNER])
        )
        for batch in sorted(rule.rates):
            proxy, target = (statistics.mean(half[batch]) for half in (rule.proxy, rule.target))
            rows.append(
                (
                    rule.rule,
                    str(batch),
                    f"{rule.rates[batch]:.3g}",
                    _samples(proxy),
                    _samples(target),
                    f"{target / proxy:.2f}" if max(proxy, target) < inf else None,
                    str(taken[batch]),
                )
            )
    return Table(
        title="Samples to 95 % of the digits, means over seeds",
        columns=("rule", "batch", "rate", "proxy", "target", "target / proxy", "cells taken"),
        rows=tuple(rows),
        verdict="the planner knows the proxy's alone; the target's seeds are others",
    )


def cap_table(document: Document) -> Table:
    """Whether the simulated board kept the cap with what the planner took."""
    return Table(
        title="The cap on the simulated board: mean power above idle",
        columns=("board", "cells", "above the cap", "nearest to it, W", "throttled"),
        rows=tuple(
            (one.board, str(one.n), str(one.over), f"{one.nearest_w:.2f}", str(one.throttled))
            for one in document.kept
        ),
        verdict="the choice holds the cap by modelled peak power; nothing here is measured",
    )


def _gains(document: Document, method: str) -> tuple[tuple[str, ...], ...]:
    return tuple(_gain(one) for one in document.gains if one.method == method)


def _gain(one: Gain) -> tuple[str, ...]:
    return (
        *_names(one.group),
        multiple(one.mean),
        f"{one.least:.2f}",
        f"{one.most:.2f}",
        str(one.n),
        str(one.alone),
    )


def _names(group: Group) -> tuple[str, str]:
    return group.board or _ALL, group.rule or _ALL


def _words(group: Group) -> str:
    """A group in words.

    >>> _words(Group(board="hikey970", rule=None))
    'hikey970 with all rules'
    """
    rule = f"the rule {group.rule}" if group.rule else "all rules"
    return f"{group.board or 'all boards'} with {rule}"


def _samples(value: float) -> str:
    return "never" if value == inf else f"{value:.0f}"
