"""Configuration, board file, policy: can they be read, and are they this machine's."""

import time
from collections.abc import Iterator, Sequence

from npu_runtime.errors import BackendUnavailable, PolicyFileError
from npu_runtime.isolation import IsolatedBackend
from npu_runtime.load import LoadedPolicy
from platforms.board import Board
from platforms.errors import InvalidInput
from platforms.linux.probe.board_match import cluster_differences, unused_frequencies
from platforms.linux.probe.place import find_places
from platforms.platform import Decision, Observation
from rm.doctor.finding import Finding, degraded, missing, ok
from rm.doctor.subject import Machine
from rm.policies.registry import PolicyContext, policy_factory

_READY_S = 5.0
"""How long an accelerator's start and trial are waited for (chosen)."""


def examine_configuration(machine: Machine) -> Iterator[Finding]:
    """The file itself."""
    if machine.configuration is not None:
        yield ok("configuration", str(machine.origin))
    elif machine.configuration_problem is not None:
        for line in machine.configuration_problem.splitlines():
            yield missing("configuration", line, "the daemon refuses to start", "correct the file")
    else:
        yield missing(
            "configuration",
            f"{machine.origin} is not there",
            "the daemon does not start without one; all else here is judged by the defaults",
            "write one; its manual is ilgov.example.toml, and 'board' must be given",
        )


def examine_board(machine: Machine) -> Iterator[Finding]:
    """The board file, and whether its clusters are this machine's; sensors are looked at apart."""
    board = machine.board_or_problem
    if not isinstance(board, Board):
        found = board if machine.configuration else "no shipped board has this machine's clusters"
        yield missing(
            "board",
            found,
            "ilgov does not know what it would govern",
            "'ilgov board probe --out FILE' describes this machine; name FILE as board",
        )
        return
    places = find_places(machine.root)
    for unused in unused_frequencies(board, places):
        yield degraded("board", f"{board.name}: {unused}", "ilgov never asks for them")
    unlike = list(cluster_differences(board, places))
    for difference in unlike:
        yield missing(
            "board",
            f"{board.name}: {difference}",
            "the board file is another machine's",
            "'ilgov board probe --out FILE' describes this one",
        )
    if not unlike:
        named = "" if machine.configuration else " (found among the shipped ones)"
        yield ok("board", f"{board.name}{named}: its clusters and frequencies are this machine's")


def examine_policy(machine: Machine) -> Iterator[Finding]:
    """Whether the policy can be made, with its network if it has one."""
    settings, board = machine.settings, machine.board
    if board is None:
        means = "a policy is for one board"
        yield degraded("policy", f"{settings.policy}: not judged, the board is unknown", means)
        return
    context = PolicyContext(
        board,
        _NoPlatform(board),
        policy_file=machine.at(settings.policy_file) if settings.policy_file else None,
        backend=settings.backend,
        deadline_s=settings.npu_deadline_s,
    )
    try:
        policy_factory(settings.policy)(context)
    except (InvalidInput, PolicyFileError, BackendUnavailable, ImportError, OSError) as error:
        yield missing(
            "policy",
            f"{settings.policy}: {error}",
            "there is nothing to decide",
            "train one for this board, or name a policy that needs no network (eas-schedutil ...)",
        )
    else:
        yield from _usable(settings.policy, board, context.networks)
    finally:
        for network in context.networks:
            network.close()


def _usable(policy: str, board: Board, networks: Sequence[LoadedPolicy]) -> Iterator[Finding]:
    """What the policy runs on."""
    if not networks:
        yield ok("policy", f"{policy} for {board.name}, without a network")
    for network in networks:
        problem = _problem_after_trial(network)
        able = network.capabilities
        found = (
            f"{policy} for {board.name}, {network.file.path} on {able.name}, {able.device} "
            f"({network.why})"
        )
        if problem is None:
            yield ok("policy", found)
        else:
            yield degraded("policy", found, problem, "'ilgov npu check' tells more")


def _problem_after_trial(network: LoadedPolicy) -> str | None:
    """Give a back end in its own process time to start and to prove itself; its fault, if any."""
    backend = network.backend
    if not isinstance(backend, IsolatedBackend):
        return None
    until_s = time.monotonic() + _READY_S
    while backend.degraded is None and time.monotonic() < until_s:
        if backend.wait_until_ready(0.1) or backend.given_up:
            break
    return backend.degraded


class _NoPlatform:
    """Stands where a policy is only made and never asked."""

    def __init__(self, board: Board) -> None:
        self.board = board

    def observe(self) -> Observation:
        """Nothing is observed here."""
        raise NotImplementedError

    def apply(self, decision: Decision) -> None:
        """Nothing is done here."""
