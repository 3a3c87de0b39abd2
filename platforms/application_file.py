"""Read the applications' profiles: one TOML file per suite of programs.

A file holds ``schema``, ``suite``, ``sources`` that hold for all its programs, and a list
``applications`` of profiles (`application.ApplicationProfile`). An application's own ``sources``
come before the file's.
"""

import math
from collections.abc import Iterable, Iterator, Mapping
from importlib import resources
from pathlib import Path
from typing import Any

from msgspec import Struct

from platforms.application import ApplicationProfile
from platforms.board import SCHEMA_VERSION
from platforms.described_file import (
    check_finite,
    check_not_negative,
    check_positive,
    check_sources,
    convert_toml,
    read_text,
)
from platforms.errors import InvalidInput

_APPLICATIONS = resources.files("platforms") / "applications"
_MEAN_TOLERANCE = 1e-3


class _Suite(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An application file as it is written."""

    schema: int
    suite: str
    sources: dict[str, str] = {}
    applications: tuple[ApplicationProfile, ...]


def shipped_applications() -> dict[str, ApplicationProfile]:
    """The applications that come with ilgov, by name."""
    found: list[ApplicationProfile] = []
    for entry in sorted(_APPLICATIONS.iterdir(), key=lambda entry: entry.name):
        if entry.name.endswith(".toml"):
            found += parse_suite(entry.read_text("utf-8"), origin=entry.name).values()
    return _by_name(found, origin="shipped applications")


def load_suite(path: Path) -> dict[str, ApplicationProfile]:
    """The applications of a TOML file, by name.

    Raises InvalidInput naming file, key, requirement and value.
    """
    return parse_suite(read_text(path), origin=str(path))


def parse_suite(text: str, *, origin: str) -> dict[str, ApplicationProfile]:
    """The applications that a TOML text describes; `origin` names the text in errors."""
    suite = convert_toml(text, _Suite, origin=origin, prepare=_with_shared)
    for problem in _check_suite(suite):
        raise InvalidInput(f"{origin}: {problem}")
    return _by_name(suite.applications, origin=origin)


def find_applications(
    names_or_suites: Iterable[str], *, known: Mapping[str, ApplicationProfile] | None = None
) -> tuple[ApplicationProfile, ...]:
    """The profiles that are named by their own name or by their suite's, each once, in that order.

    Looks among the shipped applications unless `known` gives others; a name that ends in ``.toml``
    is a suite file of the user's. Raises InvalidInput, naming what is known, for any other.
    """
    among = shipped_applications() if known is None else known
    found: dict[str, ApplicationProfile] = {}
    for name in names_or_suites:
        if name.endswith(".toml"):
            found |= load_suite(Path(name))
            continue
        matches = [p for p in among.values() if name in (p.name, p.suite)]
        if not matches:
            suites = ", ".join(sorted({profile.suite for profile in among.values()}))
            raise InvalidInput(
                f"application must be a suite ({suites}), a suite file (.toml) or one of "
                f"{', '.join(sorted(among))} "
                f"(got {name!r})"
            )
        found |= {profile.name: profile for profile in matches}
    return tuple(found.values())


def _with_shared(raw: dict[str, Any]) -> dict[str, Any]:
    """Copy the file's suite and sources into its applications; wrong shapes stay as they are."""
    applications, shared = raw.get("applications"), raw.get("sources", {})
    if not isinstance(applications, list) or not isinstance(shared, dict):
        return raw
    return raw | {"applications": [_with_defaults(part, raw, shared) for part in applications]}


def _with_defaults(part: Any, raw: dict[str, Any], shared: dict[str, Any]) -> Any:
    own = part.get("sources", {}) if isinstance(part, dict) else None
    if not isinstance(own, dict):
        return part
    suite = {"suite": raw["suite"]} if "suite" in raw else {}
    return suite | part | {"sources": shared | own}


def _by_name(
    profiles: Iterable[ApplicationProfile], *, origin: str
) -> dict[str, ApplicationProfile]:
    """The profiles sorted by name; InvalidInput where two share one, or where one is a suite's."""
    ordered = sorted(profiles, key=lambda profile: profile.name)
    names = [profile.name for profile in ordered]
    suites = {profile.suite for profile in ordered}
    for name in names:
        if names.count(name) > 1 or name in suites:
            raise InvalidInput(
                f"{origin}: applications.name must be unique and no suite's name (got {name!r})"
            )
    return dict(zip(names, ordered, strict=True))


def _check_suite(suite: _Suite) -> Iterator[str]:
    if suite.schema != SCHEMA_VERSION:
        yield f"schema must be {SCHEMA_VERSION} (got {suite.schema})"
    if not suite.applications:
        yield "applications must hold at least one application (got none)"
    for profile in suite.applications:
        yield from check(profile)


def check(profile: ApplicationProfile) -> Iterator[str]:
    """Every contradiction inside a profile, as ``key requirement (got value)``."""
    where = f"applications.{profile.name}"
    yield from check_finite(profile, where)
    if not profile.core_profiles:
        yield f"{where}.core_profiles must hold at least one core type (got none)"
    for core_type, speed in profile.core_profiles.items():
        below = f"{where}.core_profiles.{core_type}"
        yield from check_positive(below, speed, "cpi")
        yield from check_not_negative(below, speed, "stall_s")
    if not 0 < profile.activity <= 1:
        yield f"{where}.activity must lie above 0 and up to 1 (got {profile.activity})"
    yield from check_not_negative(where, profile, "l2d_per_instruction", "bytes_per_instruction")
    yield from _check_phases(profile, where)
    yield from check_sources(where, profile)


def _check_phases(profile: ApplicationProfile, where: str) -> Iterator[str]:
    keys = ("instructions", "cpi_scale", "stall_scale", "activity_scale")
    for index, phase in enumerate(profile.phases):
        yield from check_positive(f"{where}.phases[{index}]", phase, *keys)
        if profile.activity * phase.activity_scale > 1:
            yield (
                f"{where}.phases[{index}].activity_scale must not raise activity = "
                f"{profile.activity} above 1 (got {phase.activity_scale})"
            )
    work = [phase.instructions for phase in profile.phases]
    time = [phase.instructions * phase.cpi_scale for phase in profile.phases]
    for key, weights, over in (
        ("cpi_scale", work, "instructions"),
        ("stall_scale", work, "instructions"),
        ("activity_scale", time, "time (instructions x cpi_scale)"),
    ):
        scales = [getattr(phase, key) for phase in profile.phases]
        total = math.fsum(weights)
        mean = (
            math.fsum(w * s for w, s in zip(weights, scales, strict=True)) / total
            if total > 0
            else 1.0
        )
        if abs(mean - 1) > _MEAN_TOLERANCE:
            yield (
                f"{where}.phases.{key} must be 1 in the mean over the phases' {over}, "
                f"so that the profile holds in the mean (got {mean:.4f})"
            )
