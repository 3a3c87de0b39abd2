"""The policies that come with ilgov, as files."""

from pathlib import Path

FOLDER = Path(__file__).parent / "shipped"


def shipped(name: str) -> Path | None:
    """The shipped file of this name, None where there is none."""
    path = FOLDER / name
    return path if path.is_file() else None
