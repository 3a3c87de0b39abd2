"""What settings must fulfil beyond their types: looked at together, and against what there is."""

import functools
import re
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from msgspec import structs

from npu_runtime.errors import BackendUnavailable
from npu_runtime.load import check_backend_name
from platforms.errors import InvalidInput
from rm.daemon.configuration.board_check import board_problems
from rm.daemon.configuration.every_problem import shown
from rm.daemon.configuration.path_glob import glob_problem
from rm.daemon.configuration.repetition import repeats_a_repetition
from rm.daemon.configuration.settings import (
    LONGEST_SOCKET_PATH,
    Configuration,
    SafetySettings,
    TrainingSettings,
)
from rm.daemon.configuration.users import user_id
from rm.governor import Periods
from rm.policies.registry import policy_names

_OWN_ADDRESSES = ("localhost", "127.0.0.1", "[::1]")

CRITERIA = ("executable", "command_line", "cgroup", "unit", "user")

_installed_policies = functools.cache(policy_names)


def top_problems(fields: Mapping[str, Any], _key: str = "") -> Iterator[str]:
    """Problems of the settings that stand in no section; `fields` are those with a right type."""
    yield from _period_problems({**_DEFAULT_TIMES, **fields})
    known = _installed_policies()
    if "policy" in fields and fields["policy"] not in known:
        yield f"policy must be one of {', '.join(known)} (got {fields['policy']!r})"
    if "backend" in fields:
        yield from _backend_problems(fields["backend"])
    if "board" in fields:
        yield from board_problems(fields["board"], fields.get("sensors", ()))
    if "socket" in fields:
        yield from _socket_path_problems("socket", str(fields["socket"]))
    yield from _limit_problems(fields.get("training"), fields.get("safety"))


def _limit_problems(
    training: TrainingSettings | None, safety: SafetySettings | None
) -> Iterator[str]:
    limit_c = None if training is None else training.temp_limit_c
    critical_c = None if safety is None else safety.critical_c
    if limit_c is not None and critical_c is not None and limit_c >= critical_c:
        yield (
            f"training.temp_limit_c must be below safety.critical_c, {critical_c:g} "
            f"(got {limit_c:g})"
        )


_DEFAULT_TIMES = {
    name: value
    for name, value in structs.asdict(Configuration(board="-")).items()
    if name in ("dvfs_period_s", "migration_period_s", "npu_deadline_s")
}


def _backend_problems(backend: str) -> Iterator[str]:
    try:
        check_backend_name(backend)
    except BackendUnavailable as error:
        yield str(error)


def _period_problems(times: Mapping[str, Any]) -> Iterator[str]:
    dvfs_s, migration_s = times["dvfs_period_s"], times["migration_period_s"]
    try:
        Periods(dvfs_s=dvfs_s, migration_s=migration_s)
    except InvalidInput:
        yield (
            f"migration_period_s must be a whole multiple of dvfs_period_s, {dvfs_s} "
            f"(got {migration_s})"
        )
    if times["npu_deadline_s"] >= dvfs_s:
        yield (
            f"npu_deadline_s must be below dvfs_period_s, {dvfs_s} (got {times['npu_deadline_s']})"
        )


def _socket_path_problems(key: str, path: str) -> Iterator[str]:
    length = len(path.encode("utf-8", "surrogateescape"))
    if length > LONGEST_SOCKET_PATH or not path.startswith("/") or "\0" in path:
        yield (
            f"{key} must be an absolute path of at most {LONGEST_SOCKET_PATH} bytes, "
            f"as the kernel wants it for a socket (got {path[:80]!r}, {length} bytes)"
        )


def metrics_problems(fields: Mapping[str, Any], key: str) -> Iterator[str]:
    """Problems of where metrics are served."""
    listen = fields.get("listen")
    if listen is None:
        return
    where, _, port = listen.rpartition(":")
    if listen.startswith("unix:"):
        yield from _socket_path_problems(f"{key}.listen", listen.removeprefix("unix:"))
    elif where not in _OWN_ADDRESSES or not _is_port(port):
        yield (
            f"{key}.listen must be 'unix:' and an absolute path, or 'localhost:' and a port from "
            f"1 to 65535 (got {shown(listen)})"
        )


def _is_port(text: str) -> bool:
    return re.fullmatch("[1-9][0-9]{0,4}", text) is not None and int(text) < 65536


def rule_problems(root: Path, fields: Mapping[str, Any], key: str) -> Iterator[str]:
    """Problems of one application's rule; names of users are those of the system at `root`."""
    if not fields.get("name", "-").isprintable():
        yield f"{key}.name must be printable (got {shown(fields['name'])})"
    if "user" in fields and user_id(fields["user"], root) is None:
        yield (
            f"{key}.user must be a user of this system, or a number (got {shown(fields['user'])})"
        )
    for criterion, problem_of in _PATTERNS.items():
        problem = problem_of(fields[criterion]) if criterion in fields else None
        if problem:
            yield f"{key}.{criterion} must {problem} (got {shown(fields[criterion])})"


def criteria_problems(raw: Mapping[str, Any]) -> Iterator[str]:
    """Complain about rules that would fit every process."""
    rules = raw.get("applications")
    for index, rule in enumerate(rules if isinstance(rules, list) else ()):
        if isinstance(rule, dict) and not any(criterion in rule for criterion in CRITERIA):
            yield f"applications[{index}] must have one of {', '.join(CRITERIA)} (got none)"


def _executable_problem(pattern: str) -> str | None:
    if not pattern.startswith(("/", "*")):
        return "start with '/' or '*', as executables are known by their absolute paths"
    return glob_problem(pattern)


def regex_problem(pattern: str) -> str | None:
    """Why a text is no regular expression that can be trusted with what users type."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            re.compile(pattern)
    except (re.error, OverflowError, RecursionError, Warning) as error:
        return f"be a regular expression of Python's ({str(error) or type(error).__name__})"
    if repeats_a_repetition(pattern):
        return (
            "not repeat what is itself repeated, as '(a+)+' does: a command line could be made "
            "that takes for ever"
        )
    return None


_PATTERNS = {
    "executable": _executable_problem,
    "command_line": regex_problem,
    "cgroup": glob_problem,
    "unit": glob_problem,
}
