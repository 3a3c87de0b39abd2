"""Tests of the tables' text: what a reader sees of a study."""

import pytest

from rm.evaluation.summary import Interval
from tests.training.federated.compare.outcomes import runs
from training.federated.compare.document import headline
from training.federated.compare.markdown import table_markdown
from training.federated.compare.protocols import scenes
from training.federated.compare.report import table
from training.federated.compare.tables import judged, protocol_tables
from training.federated.study import Table

SCENE = scenes(
    [
        runs("own", [[0.2, 0.6, 0.8], [0.2, 0.7, 0.9]]),
        runs("slow", [[0.2, 0.6, 0.8], [0.2, 0.7, 0.9]], step=2.0),
        runs("poor", [[0.2, 0.2, 0.3], [0.2, 0.2, 0.9]]),
    ],
    own="own",
)[0]


@pytest.mark.parametrize(
    ("low", "high", "word"),
    [(0.1, 0.2, "better"), (-0.2, -0.1, "worse"), (-0.1, 0.1, "not shown"), (None, None, "")],
)
def test_an_interval_decides_only_where_it_leaves_equality_out(
    low: float | None, high: float | None, word: str
) -> None:
    """Three words, and none where there is one seed only."""
    assert word == judged(Interval(mean=0.0, low=low, high=high, n=2), 0.0)


def test_costs_are_told_with_units_and_multiples() -> None:
    """And where a target was missed, how often."""
    cost = protocol_tables(SCENE)[2]
    assert ("method", "virtual time", "bytes", "energy", "FLOPs") == cost.columns
    assert ("own", "2.00 s", "20.0 B", "2.00 J", "2.00 FLOP") == cost.rows[0]
    assert "4.00 s, 2.00× [2.00, 2.00]" == cost.rows[1][1]
    assert "reached in 1 of 2" == cost.rows[2][1]


def test_budgets_are_in_the_head_of_their_columns() -> None:
    """An accuracy under a budget means nothing without it."""
    quality = protocol_tables(SCENE)[1]
    assert ("method", "2.00 s", "20.0 B", "2.00 J", "2.00 FLOP") == quality.columns
    assert quality.rows[1][1].startswith("65.0, −20.0 [")  # type: ignore[union-attr]


def test_the_papers_figure_stands_beside_ours() -> None:
    """In both forms, whatever characters it has."""
    shown = Table(
        title="T <1>",
        columns=("a", "b"),
        rows=(("x|y", 0.5), ("<b>", None)),
        paper="1.6 × against K = 4 & more",
        verdict="not seen",
    )
    text = table_markdown(shown)
    assert "| x\\|y | 0.5 |" in text
    assert "| <b> | – |" in text
    assert text.index("Paper: 1.6") < text.index("Here: not seen")
    html = table(shown)
    assert "<h3>T &lt;1&gt;</h3>" in html
    assert '<td class="text">&lt;b&gt;</td>' in html
    assert "Paper: 1.6 × against K = 4 &amp; more" in html


def test_a_headline_of_one_seed_has_no_interval() -> None:
    """It is shown as what it is."""
    (scene,) = scenes([runs("own", [[0.2, 0.8]]), runs("base", [[0.2, 0.6]])], own="own")
    found = headline("s", scene)
    assert found.difference is not None
    assert (None, None, 1) == (found.difference.low, found.difference.high, found.difference.n)
