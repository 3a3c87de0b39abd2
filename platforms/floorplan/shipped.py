"""Floorplans that come with ilgov, each with its package."""

from importlib import resources
from pathlib import Path

_DATA = Path(str(resources.files("platforms.floorplan") / "data"))


def shipped_floorplans() -> tuple[str, ...]:
    """Their names."""
    return tuple(sorted(path.stem for path in _DATA.glob("*.flp")))


def flp_path(name_or_path: str) -> Path:
    """The floorplan file of a shipped name or of a path."""
    return (
        _DATA / f"{name_or_path}.flp"
        if name_or_path in shipped_floorplans()
        else Path(name_or_path)
    )


def config_path(name_or_path: str) -> Path | None:
    """The package file that comes with a shipped floorplan; None where it is no shipped one."""
    return _DATA / f"{name_or_path}.config" if name_or_path in shipped_floorplans() else None
