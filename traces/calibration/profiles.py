"""Application profiles from fits: a suite file that a calibrated board can run.

Speed is the fit of one instance with a board's two terms. Traffic to memory is not measured by
these counters: it is taken from the stalls, as if two misses overlapped.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from msgspec import structs

from platforms.application import ApplicationProfile, CoreProfile, Phase
from platforms.board import SCHEMA_VERSION, Board
from traces.calibration.cluster_study import ClusterStudy
from traces.calibration.speed import SpeedFit, fit_speed
from traces.calibration.speed_study import ProgramStudy

LINE_BYTES = 64
MISSES_AT_ONCE = 2

_ROUNDING = 1e-5
_L2D_USUAL = 0.0
_ACTIVITY_USUAL = 0.7


@dataclass(frozen=True)
class AssumedSpeed:
    """Programs run on cluster `name` as on `like`, with these factors on cycles and stalls."""

    name: str
    like: str
    cpi_scale: float
    stall_scale: float


@dataclass(frozen=True)
class _Told:
    """A speed on one core type, and where its two values come from."""

    speed: CoreProfile
    cpi_source: str
    stall_source: str


def profiles(
    studies: Sequence[ClusterStudy],
    board: Board,
    *,
    suite: str,
    data: str,
    assumed: Sequence[AssumedSpeed] = (),
    known: Mapping[str, ApplicationProfile] | None = None,
) -> tuple[tuple[ApplicationProfile, ...], tuple[str, ...]]:
    """Profiles of all programs that ran as one instance, and which were left out, with the reason.

    Where a program's power was not measured its activity is that of `known`'s of the same name.
    A program whose time does not fall with the clock has no cycles to speak of and is left out.
    """
    types = {cluster.name: cluster.core_type for cluster in board.clusters}
    told: dict[str, dict[str, _Told]] = {}
    seen: dict[str, tuple[ClusterStudy, ProgramStudy]] = {}
    left_out = []
    source = f"fitted: {data}, time against clock of one instance"
    for study in studies:
        for program in _single(study):
            name = program.program.application
            fit = fit_speed(program.program.speeds, terms=2)
            if fit.cpi.value <= 0:
                left_out.append(f"{name}: its time on {study.name} does not fall with the clock")
                continue
            speed = CoreProfile(
                cpi=_rounded(fit.cpi.value),
                stall_s=_rounded(_told_stall_s(fit, program.program.speeds.freq_hz.max())),
            )
            told.setdefault(name, {})[types[study.name]] = _Told(speed, source, source)
            if name not in seen or study.power:
                seen[name] = study, program
    for one in assumed:
        for own in told.values():
            like = own.get(types[one.like])
            if like and types[one.name] not in own:
                own[types[one.name]] = _scaled(like.speed, types[one.like], one)
    latency_s = board.memory.latency_s
    made = [
        _profile(name, suite, told[name], seen[name], latency_s, data, (known or {}).get(name))
        for name in sorted(told)
    ]
    return tuple(made), tuple(left_out)


def _told_stall_s(fit: SpeedFit, highest_hz: float) -> float:
    """The stall, s; what is rounding beside the cycles is none."""
    return fit.stall_s.value if fit.stall_share(highest_hz) > _ROUNDING else 0.0


def _scaled(like: CoreProfile, core_type: str, one: AssumedSpeed) -> _Told:
    speed = CoreProfile(
        cpi=_rounded(like.cpi * one.cpi_scale), stall_s=_rounded(like.stall_s * one.stall_scale)
    )
    cpi, stall = (
        f"assumed: as on {core_type}, x {scale:g}" for scale in (one.cpi_scale, one.stall_scale)
    )
    return _Told(speed, cpi, stall)


def _single(study: ClusterStudy) -> Iterator[ProgramStudy]:
    return (one for one in study.speeds.programs if one.program.instances == 1)


def _profile(
    name: str,
    suite: str,
    told: Mapping[str, _Told],
    seen: tuple[ClusterStudy, ProgramStudy],
    latency_s: float,
    data: str,
    known: ApplicationProfile | None,
) -> ApplicationProfile:
    study, program = seen
    activities = study.power.activity.activity if study.power else {}
    usual = known.activity if known else _ACTIVITY_USUAL
    stall_s = fit_speed(program.program.speeds, terms=2).stall_s.value
    l2d = _l2d_per_instruction(program)
    return ApplicationProfile(
        name=name,
        suite=suite,
        core_profiles={core_type: one.speed for core_type, one in told.items()},
        activity=_rounded(activities.get(name, usual)),
        l2d_per_instruction=_rounded(_L2D_USUAL if l2d is None else l2d),
        bytes_per_instruction=_rounded(stall_s / latency_s * LINE_BYTES * MISSES_AT_ONCE),
        sources={
            **_speed_sources(told),
            "activity": (
                f"fitted: {data}, on {study.name}"
                if name in activities
                else "assumed: as the shipped program of this name"
                if known
                else "assumed: nobody measured the power of this program alone"
            ),
            "l2d_per_instruction": (
                "assumed: nobody counted accesses to the L2 cache"
                if l2d is None
                else f"measured: {data}, accesses to the L2 cache over instructions, median of the "
                "clocks"
            ),
            "bytes_per_instruction": (
                f"assumed: {MISSES_AT_ONCE} misses overlap, stall / {latency_s * 1e9:g} ns x "
                f"{LINE_BYTES} bytes x {MISSES_AT_ONCE}"
            ),
        },
    )


def _l2d_per_instruction(program: ProgramStudy) -> float | None:
    """The median over the clocks; None where nobody counted."""
    names, events = program.program.events, program.program.events_per_cycle
    if not {"l2d_per_s", "instructions_per_s"} <= set(names):
        return None
    l2d, instructions = (
        events[:, names.index(name)] for name in ("l2d_per_s", "instructions_per_s")
    )
    return float(np.median(l2d / instructions))


def _speed_sources(told: Mapping[str, _Told]) -> dict[str, str]:
    found = {}
    for core_type, one in told.items():
        found[f"core_profiles.{core_type}.cpi"] = one.cpi_source
        found[f"core_profiles.{core_type}.stall_s"] = one.stall_source
    return found


def suite_text(applications: Sequence[ApplicationProfile], *, head: Sequence[str] = ()) -> str:
    """A suite file; sources that all applications share stand at its top, once."""
    shared = _shared_sources(applications)
    lines = [f"# {line}".rstrip() for line in head]
    lines += ["", f"schema = {SCHEMA_VERSION}", f"suite = {_text(applications[0].suite)}", ""]
    lines += ["[sources]", *(f"{_key(k)} = {_text(v)}" for k, v in shared.items())]
    for one in applications:
        lines += ["", "[[applications]]", f"name = {_text(one.name)}"]
        for key in ("activity", "l2d_per_instruction", "bytes_per_instruction"):
            lines.append(f"{key} = {getattr(one, key)!r}")
        if one.phases:
            lines += ["phases = [", *(f"    {_phase(phase)}," for phase in one.phases), "]"]
        lines.append("[applications.core_profiles]")
        for core_type, speed in one.core_profiles.items():
            lines.append(
                f"{_key(core_type)} = {{ cpi = {speed.cpi!r}, stall_s = {speed.stall_s!r} }}"
            )
        own = {k: v for k, v in one.sources.items() if shared.get(k) != v}
        if own:
            lines += [
                "[applications.sources]",
                *(f"{_key(k)} = {_text(v)}" for k, v in own.items()),
            ]
    return "\n".join(lines).lstrip("\n") + "\n"


def _phase(phase: Phase) -> str:
    values = ", ".join(f"{key} = {value!r}" for key, value in structs.asdict(phase).items())
    return f"{{ {values} }}"


def _shared_sources(applications: Sequence[ApplicationProfile]) -> dict[str, str]:
    every = [one.sources for one in applications]
    return {
        key: text
        for key, text in every[0].items()
        if all(sources.get(key) == text for sources in every)
    }


def _text(value: str) -> str:
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _key(key: str) -> str:
    return key if key.replace("_", "").replace("-", "").isalnum() else _text(key)


def _rounded(value: float) -> float:
    """To four digits: more would only look exact."""
    return float(f"{value:.4g}")
