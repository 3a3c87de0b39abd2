"""The daemon's configuration file: read it, check it, tell every problem at once."""

import os
import stat
import tomllib
from collections.abc import Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

from npu_runtime.artifact import artifacts_beside
from platforms.errors import InvalidInput
from rm.daemon.configuration.every_problem import Conversion
from rm.daemon.configuration.settings import (
    ApplicationRule,
    Configuration,
    LogSettings,
    MetricsSettings,
    SafetySettings,
    TrainingSettings,
)
from rm.daemon.configuration.settings_check import (
    criteria_problems,
    metrics_problems,
    rule_problems,
    top_problems,
)
from rm.daemon.configuration.trusted_file import untrusted

__all__ = [
    "ApplicationRule",
    "Configuration",
    "LogSettings",
    "MetricsSettings",
    "SafetySettings",
    "TrainingSettings",
    "check_document",
    "load_configuration",
    "parse_configuration",
]

MOST_BYTES = 256 * 1024
MOST_PROBLEMS = 50
_REAL_ROOT = Path("/")


def load_configuration(path: Path, *, root: Path = _REAL_ROOT) -> Configuration:
    """The configuration in the file at `path`, for the system at `root`.

    Raises InvalidInput with every problem of the file, one a line. Who runs as root on the real
    system must be the only one who can change the file, its folders, and the files that it names.
    """
    text = _read(path)
    trusted = os.geteuid() == 0 and root == _REAL_ROOT
    problems = list(untrusted(path)) if trusted else []
    raw = _parsed_toml(text, str(path), problems)
    if trusted:
        problems.extend(_untrusted_named(raw))
    return check_document(raw, origin=str(path), root=root, problems=problems)


def parse_configuration(
    text: str, *, origin: str = "configuration", root: Path = _REAL_ROOT
) -> Configuration:
    """The configuration that a TOML text describes; `origin` names the text in errors."""
    return check_document(_parsed_toml(text, origin, []), origin=origin, root=root)


def _read(path: Path) -> str:
    """The text of the file at `path`: a regular one of at most `MOST_BYTES`, in UTF-8."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except (OSError, ValueError) as error:
        hint = "; its manual is ilgov.example.toml" if isinstance(error, FileNotFoundError) else ""
        message = f"{path}: must be a file that can be read ({_reason(error)}){hint}"
        raise InvalidInput(message) from error
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise InvalidInput(f"{path}: must be a regular file")
    with open(descriptor, "rb") as file:  # noqa: PTH123 -- a descriptor
        data = file.read(MOST_BYTES + 1)
    if len(data) > MOST_BYTES:
        raise InvalidInput(f"{path}: must have at most {MOST_BYTES} bytes (has more)")
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise InvalidInput(f"{path}: must be text in UTF-8 ({error})") from error


def _reason(error: Exception) -> str:
    return (isinstance(error, OSError) and error.strerror) or str(error)


def check_document(
    raw: dict[str, Any],
    *,
    origin: str = "configuration",
    root: Path = _REAL_ROOT,
    problems: Iterable[str] = (),
) -> Configuration:
    """The configuration that a parsed file holds.

    Raises InvalidInput with every problem, those that are known already at first.
    """
    conversion = Conversion(
        {
            Configuration: top_problems,
            MetricsSettings: metrics_problems,
            ApplicationRule: partial(rule_problems, root),
        }
    )
    configuration = conversion.section(Configuration, raw)
    found = [*problems, *conversion.problems, *criteria_problems(raw)]
    if found or configuration is None:
        raise InvalidInput(_all_of(found, origin))
    return configuration


def _parsed_toml(text: str, origin: str, problems: list[str]) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except (ValueError, RecursionError) as error:  # ValueError: of TOML, or of a number's digits
        problem = f"must be a TOML file ({str(error) or type(error).__name__})"
        raise InvalidInput(_all_of([*problems, problem], origin)) from error


def _untrusted_named(raw: dict[str, Any]) -> Iterator[str]:
    """What lets others than root change the files that the configuration names."""
    for key in ("policy_file", "board"):
        path = raw.get(key)
        if isinstance(path, str) and path.startswith("/") and "\0" not in path:
            for named in (Path(path), *_run_with(key, Path(path))):
                yield from (f"{key}: {reason}" for reason in untrusted(named))


def _run_with(key: str, path: Path) -> Iterable[Path]:
    """What a vendor's library loads beside a policy: its digests lie beside it too."""
    return artifacts_beside(path) if key == "policy_file" else ()


def _all_of(problems: list[str], origin: str) -> str:
    """All problems, one a line, each with the file's name."""
    lines = [f"{origin}: {problem}" for problem in problems[:MOST_PROBLEMS]]
    if len(problems) > MOST_PROBLEMS:
        lines.append(f"{origin}: ... and {len(problems) - MOST_PROBLEMS} more problems")
    return "\n".join(lines)
