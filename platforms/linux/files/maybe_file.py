"""Read, once, a kernel file that may not be there: the probe asks for much that a kernel lacks."""

from pathlib import Path

from platforms.linux.files.cpu_list import parse_cpu_list


def text_at(path: Path) -> str | None:
    """The text of a file without blanks and zero bytes around it; None where it cannot be read.

    A file that the kernel refuses to read (permission, I/O error) counts as one that is not there.
    """
    try:
        return path.read_bytes().decode("utf-8", "replace").strip("\0 \t\n")
    except (OSError, ValueError):  # ValueError: a path that cannot be one
        return None


def number_at(path: Path) -> int | None:
    """The whole number in a file, None where there is none."""
    text = text_at(path)
    try:
        return None if text is None else int(text, 0)
    except ValueError:
        return None


def numbers_at(path: Path) -> tuple[int, ...]:
    """All whole numbers of a file in their order, other words passed over."""
    words = (text_at(path) or "").split()
    return tuple(int(word) for word in words if word.isdecimal())


def cores_at(path: Path) -> tuple[int, ...]:
    """The cores of a list such as ``0-3,5``; none where the file is missing or says no list."""
    try:
        return parse_cpu_list(text_at(path) or "")
    except ValueError:
        return ()


def folders_at(path: Path, pattern: str) -> tuple[Path, ...]:
    """The folders (links to folders too) that match `pattern`, ``cpu2`` before ``cpu10``."""
    try:
        found = [entry for entry in path.glob(pattern) if entry.is_dir()]
    except OSError:
        return ()
    return tuple(sorted(found, key=lambda entry: (_number_in(entry.name), entry.name)))


def is_there(path: Path) -> bool:
    """Whether there is something at `path`; False where one may not look."""
    try:
        return path.exists()
    except OSError:
        return False


def _number_in(name: str) -> int:
    """The number at the end of a name, -1 where there is none.

    >>> _number_in("policy12")
    12
    """
    digits = name[len(name.rstrip("0123456789")) :]
    return int(digits) if digits else -1
