"""Tests of the kernel's lists of cores."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from platforms.linux.files.cpu_list import format_cpu_list, parse_cpu_list


@pytest.mark.parametrize(
    ("text", "cores"),
    [("", ()), ("0", (0,)), ("0-3\n", (0, 1, 2, 3)), ("0-1,4,6-7", (0, 1, 4, 6, 7))],
)
def test_a_list_is_read(text: str, cores: tuple[int, ...]) -> None:
    """As ``online`` and ``cpuset.cpus`` show it."""
    assert cores == parse_cpu_list(text)


@pytest.mark.parametrize("text", ["a", "1-", "1-x", "0,,a"])
def test_anything_else_is_an_error(text: str) -> None:
    """Guessed cores would be written to."""
    with pytest.raises(ValueError, match="invalid literal"):
        parse_cpu_list(text)


@given(st.frozensets(st.integers(0, 300)))
def test_what_is_written_is_read_back(cores: frozenset[int]) -> None:
    """Both ways."""
    assert tuple(sorted(cores)) == parse_cpu_list(format_cpu_list(cores))
