"""The report's figure of one seed: temperatures, and operating points and mapping of one policy.

Traces that belong to one policy carry its name as ``meta``; the page shows those of the chosen one.
"""

from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from platforms.board import Board
from rm.evaluation.figure_style import PolicyStyle, make_room_for_legend, template
from rm.evaluation.outcome import ORACLE, EpisodeOutcome, Moment
from rm.evaluation.summary import missed_share
from rm.evaluation.thinning import Stretch, stretches, thinned
from traces.report_frame import INK, QUIET

_CLUSTER_COLOURS = ("#01665E", "#8C510A", "#542788", "#444444")
# Paul Tol's light scheme, then more tints that bear dark type.
_APPLICATION_COLOURS = (
    *("#77AADD", "#EE8866", "#EEDD88", "#FFAABB", "#99DDFF", "#44BB99", "#BBCC33", "#C9B3DD"),
    *("#AAAA00", "#DDDDDD", "#C8A27A", "#A8C7C9", "#F6C48C", "#9FBF8F", "#D6A3C0", "#B0B8E0"),
)
_FEW_MISSES = 0.05
_MOST_MOMENTS = 600
_MOMENTS_OF_ALL_PANELS = 20_000
_STRETCHES_OF_ALL_PANELS = 24_000


class Timelines:
    """One seed's episodes under one cooling setup, one per policy, in the order of `policies`."""

    def __init__(
        self, outcomes: Sequence[EpisodeOutcome], *, cooling: str, policies: Sequence[str]
    ):
        drawn = [o for o in outcomes if o.cooling == cooling and o.timeline]
        counts = Counter(outcome.seed for outcome in drawn)
        self.cooling = cooling
        self.seed = min(counts, key=lambda seed: (-counts[seed], seed), default=None)
        self.episodes = tuple(
            sorted(
                (outcome for outcome in drawn if outcome.seed == self.seed),
                key=lambda outcome: policies.index(outcome.policy),
            )
        )

    @property
    def first_shown(self) -> str:
        """The policy to show first: the coolest without more than 5 % misses, the oracle last."""

        def rank(outcome: EpisodeOutcome) -> tuple[bool, bool, float]:
            return (
                outcome.policy == ORACLE,
                missed_share(outcome) > _FEW_MISSES,
                outcome.mean_temp_c,
            )

        return min(self.episodes, key=rank).policy


def timeline_figure(
    timelines: Timelines, *, board: Board, styles: Mapping[str, PolicyStyle], panels: int
) -> go.Figure:
    """Temperature of all policies over time; below it the clocks and the mapping of one policy.

    `panels` is the number of episodes that the whole page draws: the more, the coarser each.
    """
    figure = _frame(board, timelines)
    moments = max(100, min(_MOST_MOMENTS, _MOMENTS_OF_ALL_PANELS // panels))
    colours = _application_colours(timelines.episodes)
    for episode in timelines.episodes:
        shown = episode.policy == timelines.first_shown
        timeline = thinned(episode.timeline, most=moments)
        style = styles[episode.policy]
        figure.add_trace(_temperature(episode, timeline, style, shown), row=1, col=1)
        for trace in _frequencies(timeline, episode, board):
            figure.add_trace(trace.update(visible=shown), row=2, col=1)
        bars = _mapping(episode, colours, most=max(200, _STRETCHES_OF_ALL_PANELS // panels))
        figure.add_trace(bars.update(visible=shown), row=3, col=1)
    _mark_protection(figure, board, timelines.episodes)
    make_room_for_legend(figure, [episode.policy for episode in timelines.episodes])
    return figure


def _frame(board: Board, timelines: Timelines) -> go.Figure:
    figure = make_subplots(
        rows=3, cols=1, shared_xaxes=True, vertical_spacing=0.055, row_heights=[0.38, 0.2, 0.42]
    )
    figure.update_layout(
        template=template(),
        height=760,
        margin={"l": 95, "r": 36, "t": 36, "b": 50},
        barmode="overlay",
        bargap=0,
        uniformtext={"minsize": 9, "mode": "hide"},
        legend2={
            "x": 1,
            "xanchor": "right",
            "y": figure.layout.yaxis2.domain[1],
            "yanchor": "bottom",
            "orientation": "h",
            "bgcolor": "rgba(255, 255, 255, 0)",
        },
        hovermode="closest",
    )
    end_s = max(episode.duration_s for episode in timelines.episodes)
    figure.update_xaxes(range=[0, end_s])
    figure.update_xaxes(title_text="time (s)", row=3)
    figure.update_yaxes(title_text="simulated<br>temperature (°C)", row=1)
    top_hz = max(cluster.freqs_hz[-1] for cluster in board.clusters)
    figure.update_yaxes(title_text="clock (GHz)", range=[0, 1.08e-9 * top_hz], row=2)
    figure.update_yaxes(
        tickvals=list(range(board.core_count)),
        ticktext=_core_labels(board),
        range=[-0.5, board.core_count - 0.5],
        showgrid=False,
        ticks="",
        row=3,
    )
    for first_core in sorted(cluster.cores[0] for cluster in board.clusters)[1:]:
        line = {"color": INK, "width": 1}
        figure.add_hline(y=first_core - 0.5, line=line, row=3, col=1, exclude_empty_subplots=False)
    return figure


def _core_labels(board: Board) -> list[str]:
    names = [board.clusters[index].name for index in board.cluster_of_core]
    return [f"{core} {cluster}" for core, cluster in zip(board.core_names, names, strict=True)]


def _temperature(
    episode: EpisodeOutcome, timeline: Sequence[Moment], style: PolicyStyle, shown: bool
) -> go.Scatter:
    return go.Scatter(
        x=_times_s(timeline),
        y=np.array([moment.sensor_temp_c for moment in timeline], dtype=np.float32),
        mode="lines",
        name=episode.policy,
        line={"color": style.colour, "width": 3 if shown else 1.5, "dash": style.dash},
        hovertemplate=f"{episode.policy}: %{{y:.1f}} °C<extra></extra>",
    )


def _frequencies(
    timeline: Sequence[Moment], episode: EpisodeOutcome, board: Board
) -> list[go.Scatter]:
    found = []
    for index, cluster in enumerate(board.clusters):
        freqs_hz = [moment.freqs_hz[index] for moment in timeline]
        volts = {opp.freq_hz: opp.volt_v for opp in cluster.opps}
        trace = go.Scatter(
            x=_times_s(timeline),
            y=np.array(freqs_hz, dtype=np.float32) / np.float32(1e9),
            customdata=np.array([volts.get(freq, np.nan) for freq in freqs_hz], dtype=np.float32),
            mode="lines",
            name=cluster.name,
            legend="legend2",
            meta=episode.policy,
            line={
                "color": _CLUSTER_COLOURS[index % len(_CLUSTER_COLOURS)],
                "width": 1.6,
                "shape": "hv",
            },
            hovertemplate=f"{cluster.name}: %{{y:.3f}} GHz at %{{customdata:.3f}} V<extra></extra>",
        )
        found.append(trace)
    return found


def _times_s(timeline: Sequence[Moment]) -> np.ndarray:
    return np.array([moment.time_s for moment in timeline], dtype=np.float32)


def _application_colours(episodes: Sequence[EpisodeOutcome]) -> dict[str, str]:
    names = sorted({app.name for episode in episodes for app in episode.applications})
    return {
        name: _APPLICATION_COLOURS[i % len(_APPLICATION_COLOURS)] for i, name in enumerate(names)
    }


def _mapping(episode: EpisodeOutcome, colours: Mapping[str, str], *, most: int) -> go.Bar:
    parts, step = stretches(episode.timeline, end_s=episode.duration_s, most=most)
    names = {app.id: app.name for app in episode.applications}
    coarse = f", every {step}th moment" if step > 1 else ""
    return go.Bar(
        base=np.array([part.start_s for part in parts], dtype=np.float32),
        x=np.array([part.end_s - part.start_s for part in parts], dtype=np.float32),
        y=np.array([part.core for part in parts], dtype=np.int8),
        width=0.86,
        orientation="h",
        marker={
            "color": [colours.get(names.get(part.application_id, ""), "#DDDDDD") for part in parts],
            "line": {"color": "white", "width": 0.5},
        },
        text=[_label(part, names) for part in parts],
        textposition="inside",
        insidetextanchor="start",
        textangle=0,
        textfont={"color": INK, "size": 10},
        meta=episode.policy,
        name="mapping",
        showlegend=False,
        hovertemplate=f"%{{text}}, from %{{base:.1f}} s to %{{x:.1f}} s{coarse}<extra></extra>",
    )


def _label(part: Stretch, names: Mapping[int, str]) -> str:
    return f"{names.get(part.application_id, 'application')} {part.application_id}"


def _mark_protection(figure: go.Figure, board: Board, episodes: Sequence[EpisodeOutcome]) -> None:
    """Draw the temperature that the kernel's own protection aims at, where it comes into view."""
    highest_c = max(moment.sensor_temp_c for e in episodes for moment in e.timeline)
    if board.protection is None or highest_c < board.protection.switch_on_c:
        return
    figure.add_hline(
        y=board.protection.target_c,
        line={"color": QUIET, "width": 1, "dash": "dot"},
        annotation={
            "text": "the kernel throttles to hold this",
            "font": {"size": 11, "color": QUIET},
            "xanchor": "left",
        },
        annotation_position="top left",
        row=1,
        col=1,
    )
