"""The policy that the configuration names, with the network that it rates mappings by."""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from npu_runtime.isolation import IsolatedBackend
from npu_runtime.load import LoadedPolicy
from platforms.board import Board
from platforms.linux.root_option import under
from platforms.platform import Platform
from rm.daemon.configuration.settings import Configuration
from rm.policies.registry import PolicyContext, policy_factory
from rm.policy import Policy
from rm.priorities import ByPriority, Ranked

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class PolicyWithNetwork:
    """A policy and its network, None for those that have none."""

    policy: Policy
    network: LoadedPolicy | None

    @property
    def isolated(self) -> IsolatedBackend | None:
        """The network's back end, where that is a process of its own."""
        backend = None if self.network is None else self.network.backend
        return backend if isinstance(backend, IsolatedBackend) else None

    @property
    def eased(self) -> Mapping[int, float]:
        """By id what counts of those targets of which not all does now."""
        eased: Mapping[int, float] = getattr(self.policy, "eased", {})
        return eased

    def tend(self) -> None:
        """Look after the back end's process; once in a migration period."""
        if self.isolated is not None:
            self.isolated.tend()

    def close(self) -> None:
        """Free what the network holds; the policy can decide no more."""
        if self.network is not None:
            self.network.close()


def load_policy_with_network(
    configuration: Configuration,
    board: Board,
    platform: Platform,
    root: Path,
    *,
    applications: Callable[[], Sequence[Ranked]] = lambda: (),
) -> PolicyWithNetwork:
    """The policy for `board`, its file below `root`; it heeds the priorities of `applications`.

    Raises InvalidInput, PolicyFileError, BackendUnavailable, and whatever a policy of others does.
    """
    file = configuration.policy_file
    context = PolicyContext(
        board,
        platform,
        policy_file=None if file is None else under(root, file),
        backend=configuration.backend,
        deadline_s=configuration.npu_deadline_s,
    )
    policy = ByPriority(policy_factory(configuration.policy)(context), board, applications)
    network = context.networks[-1] if context.networks else None
    if network is not None:
        device = network.capabilities.device
        logger.info("network %s on %s (%s)", network.file.path, device, network.why)
    return PolicyWithNetwork(policy, network)
