"""Check every back end that is present: are its scores right, and what do their errors change?"""

import subprocess
import sys
from typing import Literal

from msgspec import Struct
from msgspec.structs import replace

from npu_runtime.accelerators import accelerators
from npu_runtime.errors import BackendUnavailable, MissingArtifact, PolicyFileError
from npu_runtime.isolated_process import child_environment
from npu_runtime.load import ISOLATED
from npu_runtime.measure.parity import Parity, compared, tolerance
from npu_runtime.measure.present import Subject, WrongBackend, known_names, opened
from npu_runtime.policy_file import PolicyFile
from rm.npu.choices import Choices, choices
from rm.npu.decided import decided
from rm.npu.held_out import HeldOut
from rm.npu.rows import Asked

Verdict = Literal["ok", "wrong", "absent"]

CONTRACT_S = 120.0
"""How long the contract's checks may take; a back end that hangs is found out by that."""


class Checked(Struct, frozen=True, kw_only=True):
    """A back end: whether it is there and right, and if not, why.

    `parity` and `choices` are over all rows that were asked for, `decisions` of simulated episodes
    (None: none could be lived), `violations` those of the contract (None: not checked).
    """

    name: str
    verdict: Verdict
    reason: str = ""
    device: str = ""
    precision: str = ""
    parity: Parity | None = None
    choices: Choices | None = None
    decisions: HeldOut | None = None
    violations: tuple[str, ...] | None = None


def names_of_all(file: PolicyFile) -> tuple[str, ...]:
    """All back ends that might be here: those with a name, and providers that were found."""
    found = (one.name for one in accelerators(file))
    return tuple(dict.fromkeys((*known_names(), *found)))


def check(file: PolicyFile, name: str, asked: Asked, *, episodes: int, contract: bool) -> Checked:
    """One back end, with the decisions of so many episodes; nothing of its own is raised."""
    try:
        subject = opened(file, name)
    except (BackendUnavailable, MissingArtifact) as error:
        return Checked(name=name, verdict="absent", reason=str(error))
    except (WrongBackend, PolicyFileError) as error:
        return Checked(name=name, verdict="wrong", reason=str(error))
    try:
        found = _measured(file, subject, asked)
        if found.verdict == "ok":
            found = _with_decisions(found, subject, episodes)
    finally:
        subject.close()
    return _with_contract(found, file) if contract and found.verdict == "ok" else found


def _measured(file: PolicyFile, subject: Subject, asked: Asked) -> Checked:
    able = subject.backend.capabilities
    known, expected = file.metadata.parity_rows()
    try:
        own, scores = compared(expected, subject.run(known)), subject.run(asked.rows)
    except Exception as error:  # noqa: BLE001 - whatever it raises is what was looked for
        return Checked(
            name=subject.name, verdict="wrong", reason=f"{type(error).__name__}: {error}"
        )
    failure = subject.failure()
    if failure is not None:
        return Checked(name=subject.name, verdict="wrong", reason=failure, device=able.device)
    parity = compared(asked.right, scores)
    reason = _problem(own, parity, tolerance(file, subject.backend))
    return Checked(
        name=subject.name,
        verdict="wrong" if reason else "ok",
        reason=reason,
        device=able.device,
        precision=able.precision,
        parity=parity,
        choices=choices(asked.right, scores, file.metadata.outputs),
    )


def _with_decisions(found: Checked, subject: Subject, count: int) -> Checked:
    """The same with decisions, unless the CPU had to help out meanwhile."""
    decisions = decided(subject.policy, count)
    failure = subject.failure()
    if failure is not None:
        return replace(found, verdict="wrong", reason=failure)
    return replace(found, decisions=decisions)


def _problem(own: Parity, parity: Parity, allowed: float) -> str:
    """What is wrong with the scores, if anything; NaN is."""
    if not own.largest_share <= allowed:
        return (
            f"scores of the policy's known rows must be within {allowed:g} of their range "
            f"(got {own.largest_share:.2g})"
        )
    if not parity.mean_share <= allowed:
        return (
            f"scores must be within {allowed:g} of their range on average "
            f"(got {parity.mean_share:.2g})"
        )
    return ""


def _with_contract(found: Checked, file: PolicyFile) -> Checked:
    """The same with the contract checked, in a process of its own, whatever happens there."""
    name = found.name.removeprefix(ISOLATED)
    command = [sys.executable, "-P", "-m", "npu_runtime.contract", name, str(file.path)]
    try:
        ended = subprocess.run(
            command,
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
            timeout=CONTRACT_S,
            env=child_environment(),
        )
        violations = _told(ended)
    except subprocess.TimeoutExpired:
        violations = (f"it must answer (the checks took more than {CONTRACT_S:g} s)",)
    if not violations:
        return replace(found, violations=())
    broken = f"it breaks {len(violations)} promises"
    reason = f"{found.reason}; {broken}" if found.reason else broken
    return replace(found, violations=violations, verdict="wrong", reason=reason)


def _told(ended: subprocess.CompletedProcess[str]) -> tuple[str, ...]:
    """The violations; a process that ends badly, and names none, is one."""
    if ended.returncode == 0:
        return ()
    if ended.returncode == 1 and ended.stdout:
        return tuple(ended.stdout.splitlines())
    last = (ended.stderr.strip() or "no word").splitlines()[-1]
    return (f"its process must not end with {ended.returncode} ({last})",)
