"""Tests of text that is gathered from packages."""

from pathlib import Path

from training.federated.tasks.machine_text import as_it_is, code, documentation, windows

PYTHON = '''"""A module whose docstring is longer than sixty characters, so that it counts."""

# a comment
def f(x):
    """Short."""
    return x + 1  # more


class Empty:
    """The docstring of a class, which is long enough as well, with room to spare for a word."""
'''


def test_documentation_is_the_longer_docstrings(tmp_path: Path) -> None:
    """From the module inward."""
    (tmp_path / "m.py").write_text(PYTHON)
    found = documentation(tmp_path / "m.py")
    assert found.startswith("A module whose docstring")
    assert "The docstring of a class" in found
    assert "Short" not in found
    assert "return" not in found


def test_code_is_without_docstrings_and_comments(tmp_path: Path) -> None:
    """A class that had nothing else keeps a body."""
    (tmp_path / "m.py").write_text(PYTHON)
    expected = "def f(x):\n    return x + 1\n\nclass Empty:\n    pass"
    assert expected == code(tmp_path / "m.py")


def test_a_file_that_is_no_python_of_ours_says_nothing(tmp_path: Path) -> None:
    """Packages ship templates and files for other versions."""
    (tmp_path / "m.py").write_text("def (")
    assert "" == documentation(tmp_path / "m.py") == code(tmp_path / "m.py")
    assert "def (" == as_it_is(tmp_path / "m.py")


def test_windows_are_cut_between_words() -> None:
    """Each at least so wide; the rest is left out."""
    pieces = list(windows("aa bb\n\ncc  dd ee", 4))
    assert ["aa bb", "cc dd"] == pieces
