"""Write the study as one HTML page that needs nothing else."""

from importlib.metadata import version
from pathlib import Path

from platforms.atomic_file import replacing
from traces.calibration.report_page import (
    definitions_html,
    figure_html,
    page,
    paragraph,
    section_html,
)
from training.federated.compare.report import table
from training.federated.powercap.document import PAPER_GAIN, Document
from training.federated.powercap.figures import curve_figure, gain_figure, regret_figure
from training.federated.powercap.tables import (
    batch_table,
    cap_table,
    gain_table,
    network_table,
    regret_table,
    samples_table,
    seeds_table,
    verdict,
)

_TITLE = "One device under a power cap"
_WHAT = (
    "A cell is a board, a network, a learning-rate rule and a cap. The planner chooses batch, "
    "place and clock together, by the board's modelled times and peak powers and by the samples "
    "that the server's proxy (digits 0 to 4) takes to 95 %. What it chose runs on the simulated "
    "board; the time to accuracy is that, times the samples that the target (digits 5 to 9, other "
    "seeds) takes. The optimum is the least of all modes under the cap: each of them is run, and "
    "the target's own samples are known to it."
)
_LIMITS = (
    "The planner's tables and the simulated board rest on the same equations, so regret is what "
    "the proxy does not know of the target. Powers, speeds and voltages of the boards are declared "
    "models with their sources in the board files; samples are those of a perceptron on digits, "
    "times and powers those of a larger network. Nothing is measured on a board."
)


def write_report(path: Path, document: Document, *, command: str) -> None:
    """Write the page; equal arguments give equal bytes with the same versions of the libraries."""
    parts = [
        f"<h1>{_TITLE}</h1>",
        definitions_html(_what_was_run(document, command)),
        section_html("How to read this", *map(paragraph, (_WHAT, _LIMITS))),
        section_html(
            "Near the optimum",
            figure_html(regret_figure(document), "regret-figure", _REGRET),
            table(regret_table(document)),
            table(seeds_table(document)),
        ),
        section_html(
            "Gains",
            figure_html(gain_figure(document), "gain-figure", _GAIN),
            table(gain_table(document)),
            table(network_table(document)),
            table(batch_table(document)),
        ),
        section_html(
            "Samples to the goal",
            figure_html(curve_figure(document.counted), "curve-figure", _CURVE),
            table(samples_table(document)),
        ),
        section_html("The cap", table(cap_table(document))),
    ]
    with replacing(path) as temporary:
        temporary.write_text(page(title=_TITLE, body="\n".join(parts)), "utf-8")


def _what_was_run(document: Document, command: str) -> list[tuple[str, str]]:
    networks = dict.fromkeys(cell.training for cell in document.cells)
    return [
        ("verdict", verdict(document)),
        ("networks", ", ".join(networks)),
        ("seeds", f"{document.seeds} of the proxy, as many others of the target"),
        ("caps", f"{len(document.cap_shares)} from the least to the highest modelled peak power"),
        ("cooling", document.cooling),
        ("made by", command),
        ("versions", f"ilgov {version('ilgov')}, numpy {version('numpy')}"),
    ]


_REGRET = (
    "Figure 1. Share of cells in which the planner's choice takes at most so much longer than the "
    "exhaustive optimum. Where a line passes left of a cross, the limit holds."
)
_GAIN = (
    "Figure 2. How many times as long frequency capping at the largest batch takes, the geometric "
    "mean over the networks at each cap. Dotted: the paper's largest gains, "
    f"{PAPER_GAIN[0]} and {PAPER_GAIN[1]}."
)
_CURVE = (
    "Figure 3. Samples to the goal by batch, means over seeds with standard errors. The planner "
    "knows the proxy's line alone; only how it falls and rises matters, not its height."
)
