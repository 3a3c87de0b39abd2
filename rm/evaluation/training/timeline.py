"""The report's figure of one seed: temperatures of all policies; clocks, mapping, training of one.

It is that of applications alone (`rm.evaluation.timeline_figure`), with the training's cores drawn
onto the mapping, the rounds below it and the limit across the temperatures.
"""

from collections.abc import Iterator, Mapping, Sequence

import plotly.graph_objects as go

from platforms.board import Board
from rm.evaluation.figure_style import PolicyStyle
from rm.evaluation.outcome import EpisodeOutcome, Moment
from rm.evaluation.thinning import Stretch, stretches
from rm.evaluation.timeline_figure import Timelines, timeline_figure
from rm.evaluation.training.outcome import RoundOutcome, TrainingOutcome
from traces.report_frame import INK, QUIET

_MOST_STRETCHES = 2_000
_TRAINING = "#333333"
_MET, _MISSED = "#009E73", "#D55E00"
_SHOWN_FIRST = "ilgov"
_ROUNDS_LINE = -1.2


class TrainingTimelines(Timelines):
    """One seed's episodes under one cooling setup, one per policy."""

    def __init__(
        self, outcomes: Sequence[TrainingOutcome], *, cooling: str, policies: Sequence[str]
    ):
        super().__init__([_episode(o) for o in outcomes], cooling=cooling, policies=policies)
        self.of_policy = {
            o.policy: o for o in outcomes if (o.cooling, o.seed) == (cooling, self.seed)
        }

    @property
    def first_shown(self) -> str:
        """The policy to show first: ilgov, where it ran."""
        return _SHOWN_FIRST if _SHOWN_FIRST in self.of_policy else super().first_shown


def training_timeline_figure(
    timelines: TrainingTimelines,
    *,
    board: Board,
    styles: Mapping[str, PolicyStyle],
    panels: int,
) -> go.Figure:
    """The figure; `panels` is the number of episodes that the whole page draws."""
    figure = timeline_figure(timelines, board=board, styles=styles, panels=panels)
    for policy, outcome in timelines.of_policy.items():
        shown = policy == timelines.first_shown
        for trace in (_training_bars(outcome), *_rounds(outcome)):
            figure.add_trace(trace.update(meta=policy, visible=shown), row=3, col=1)
    limit_c = next(iter(timelines.of_policy.values())).limit_c
    figure.add_hline(y=limit_c, line={"color": INK, "width": 1, "dash": "dot"}, row=1, col=1)
    names = list(figure.layout.yaxis3.ticktext)
    figure.update_yaxes(
        tickvals=[_ROUNDS_LINE, *range(board.core_count)],
        ticktext=["rounds", *names],
        range=[_ROUNDS_LINE - 0.6, board.core_count - 0.5],
        row=3,
    )
    return figure


def _episode(outcome: TrainingOutcome) -> EpisodeOutcome:
    """The part of an outcome that episodes without training have."""
    return EpisodeOutcome(
        policy=outcome.policy,
        cooling=outcome.cooling,
        seed=outcome.seed,
        duration_s=outcome.duration_s,
        mean_temp_c=outcome.mean_temp_c,
        mean_hottest_c=outcome.mean_hottest_c,
        peak_temp_c=outcome.peak_temp_c,
        energy_j=outcome.energy_j,
        instructions=outcome.instructions,
        migrations=outcome.migrations,
        opp_changes=outcome.opp_changes,
        throttled_s=outcome.throttled_s,
        runaway_s=outcome.runaway_s,
        applications=outcome.applications,
        timeline=tuple([moment.board for moment in outcome.timeline]),
    )


def _training_bars(outcome: TrainingOutcome) -> go.Bar:
    """Where and with which setting it trained: narrow dark bars on the cores."""
    parts = _training_stretches(outcome)
    return go.Bar(
        base=[part.start_s for part in parts],
        x=[part.end_s - part.start_s for part in parts],
        y=[part.core for part in parts],
        width=0.3,
        orientation="h",
        marker={"color": _TRAINING, "line": {"width": 0}},
        customdata=[part.application_id for part in parts],
        name="training",
        showlegend=False,
        hovertemplate="training, setting %{customdata}, from %{base:.1f} s<extra></extra>",
    )


def _training_stretches(outcome: TrainingOutcome) -> tuple[Stretch, ...]:
    """Stretches of one setting on one core."""
    cores = len(outcome.timeline[0].application_on_core) if outcome.timeline else 0
    moments = [
        Moment(
            moment.time_s,
            moment.sensor_temp_c,
            moment.peak_temp_c,
            moment.power_w,
            moment.freqs_hz,
            tuple([moment.setting if core in moment.cores else -1 for core in range(cores)]),
        )
        for moment in outcome.timeline
    ]
    found, _ = stretches(moments, end_s=outcome.duration_s, most=_MOST_STRETCHES)
    return found


def _rounds(outcome: TrainingOutcome) -> Iterator[go.Bar]:
    """A pale bar for the time that a round had, a solid one for what it took."""
    yield _round_bars(
        outcome.rounds,
        [item.deadline_s for item in outcome.rounds],
        ["#E3E3E3"] * len(outcome.rounds),
        width=0.8,
    )
    yield _round_bars(
        outcome.rounds,
        [item.start_s + item.time_s for item in outcome.rounds],
        [_MISSED if item.missed else _MET for item in outcome.rounds],
        width=0.45,
    )


def _round_bars(
    rounds: Sequence[RoundOutcome], ends_s: Sequence[float], colours: list[str], *, width: float
) -> go.Bar:
    return go.Bar(
        base=[item.start_s for item in rounds],
        x=[end_s - item.start_s for item, end_s in zip(rounds, ends_s, strict=True)],
        y=[_ROUNDS_LINE] * len(rounds),
        width=width,
        orientation="h",
        marker={"color": colours, "line": {"color": QUIET, "width": 0.5}},
        hovertext=[_round_text(item) for item in rounds],
        hovertemplate="%{hovertext}<extra></extra>",
        showlegend=False,
    )


def _round_text(item: RoundOutcome) -> str:
    ended = (
        f"missed with {item.done_samples / item.samples:.0%} done"
        if item.missed
        else f"done after {item.time_s:.1f} s"
    )
    return (
        f"round {item.number}: {item.samples:.0f} reference samples in "
        f"{item.deadline_s - item.start_s:.1f} s, {ended}"
    )
