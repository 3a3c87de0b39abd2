"""Tests of docs/daemon.md: what it lists is what there is."""

import re
from pathlib import Path

import msgspec
import pytest
from msgspec import Struct

from rm.daemon.configuration.settings import Configuration
from rm.daemon.daemon import NEEDS_RESTART
from rm.daemon.decision_log import DecisionRecord

DOCS = Path(__file__).parents[3] / "docs"
TEXT = (DOCS / "daemon.md").read_text()


def section(title: str) -> str:
    """The text below a headline, up to the next one."""
    return re.split(r"^## ", TEXT.split(f"## {title}\n")[1], flags=re.MULTILINE)[0]


def keys(of: type[Struct], prefix: str = "") -> list[str]:
    """The configuration's keys, with their sections."""
    found: list[str] = []
    for field in msgspec.structs.fields(of):
        inner = field.type if isinstance(field.type, type) else None
        if inner is not None and issubclass(inner, Struct):
            found += keys(inner, f"{prefix}{field.name}.")
        else:
            found.append(prefix + field.name)
    return found


def rows(title: str) -> list[list[str]]:
    """The cells of the first table below a headline."""
    lines = [line for line in section(title).splitlines() if line.startswith("| `")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def test_every_key_of_the_configuration_is_listed() -> None:
    """In the order of the file, sections last."""
    listed = [cells[0].strip("`") for cells in rows("Configuration")]
    assert sorted(keys(Configuration)) == sorted(listed)


@pytest.mark.parametrize("cells", rows("Configuration"), ids=lambda cells: cells[0])
def test_the_listed_defaults_are_the_real_ones(cells: list[str]) -> None:
    """Where there is one that can be written in a cell."""
    *path, name = cells[0].strip("`").split(".")
    of: type[Struct] = Configuration
    for part in path:
        of = next(f.type for f in msgspec.structs.fields(of) if f.name == part)
    default = next(f.default for f in msgspec.structs.fields(of) if f.name == name)
    written = cells[1].strip("`")
    if written in {"must be given", "none", "the shipped one", "the board's", "same names"}:
        assert default in {msgspec.NODEFAULT, None, ()} or default is msgspec.NODEFAULT
    else:
        assert (str(default).lower() if isinstance(default, bool) else str(default)) == written


def test_what_a_reload_changes_is_told() -> None:
    """By key or by section."""
    told = {cells[0].strip("`"): cells[3] for cells in rows("Configuration")}
    wrong = {
        key: how
        for key, how in told.items()
        if bool({key, key.partition(".")[0]} & set(NEEDS_RESTART)) != (how == "restart")
    }
    assert {} == wrong


def test_every_field_of_the_decision_log_is_explained() -> None:
    """And none that does not exist."""
    listed = [
        name for cells in rows("The decision log") for name in re.findall(r"`(\w+)`", cells[0])
    ]
    assert sorted(DecisionRecord.__struct_fields__) == sorted(listed)


def test_the_way_of_a_board_owner_has_ten_steps() -> None:
    """Each with what to check."""
    text = (DOCS / "board-owner.md").read_text()
    steps = re.findall(r"^## (\d+)\. ", text, re.MULTILINE)
    assert [str(number) for number in range(1, 11)] == steps
    parts = re.split(r"^## \d+\. ", text, flags=re.MULTILINE)[1:]
    assert [] == [part.splitlines()[0] for part in parts if "\n**Check.**" not in part]
