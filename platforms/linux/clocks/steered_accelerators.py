"""The clocks of a board's accelerators, steered while a training job computes there.

Nothing is taken before a clock is asked for, and all is given back when no job trains any more: the
screen uses the GPU as well.
"""

import logging
from collections.abc import Sequence
from pathlib import Path

from platforms.board import Board
from platforms.linux.clocks.actuators import Actuator, Cap, SetSpeed
from platforms.linux.clocks.devfreq_domain import DevfreqDomain, domain_for, find_devfreq_domains
from platforms.linux.clocks.steered_clusters import Interference, SteeredClocks
from platforms.linux.knobs.knobs import KnobWriter

logger = logging.getLogger(__name__)


class SteeredAccelerators:
    """`Board.compute_accelerators`, in that order.

    `missing` are the names of those that have no devfreq clock here with the board's frequencies:
    they read as their highest operating point, and what is asked of them is refused.
    """

    def __init__(
        self,
        root: Path,
        board: Board,
        writer: KnobWriter,
        *,
        kind: str = "setspeed",
        on_interference: Interference = lambda _now_s, _path, _asked, _found: None,
    ) -> None:
        """`kind` as in `actuators_for`; without the governor userspace limits are used."""
        self._accelerators = board.compute_accelerators
        self._writer = writer
        domains = find_devfreq_domains(root) if self._accelerators else ()
        found = [domain_for(accelerator, domains) for accelerator in self._accelerators]
        pairs = [(a, d) for a, d in zip(self._accelerators, found, strict=True) if d is not None]
        self._highest = tuple([len(a.opps) - 1 for a in self._accelerators])
        self._is_found = [domain is not None for domain in found]
        self._actuators = [_actuator(domain, kind) for _, domain in pairs]
        self._clocks = SteeredClocks(
            [accelerator for accelerator, _ in pairs],
            self._actuators,
            writer,
            on_interference=on_interference,
        )
        self._is_taken = False
        self.missing = tuple(
            a.name for a, d in zip(self._accelerators, found, strict=True) if d is None
        )

    def read(self, now_s: float) -> tuple[int, ...]:
        """The operating point of each accelerator now."""
        if not self._actuators:  # mostly
            return self._highest
        readings = iter(self._clocks.read(now_s))
        pairs = zip(self._accelerators, self._is_found, strict=True)
        return tuple([next(readings).opp if is_found else len(a.opps) - 1 for a, is_found in pairs])

    def set(self, opps: Sequence[int | None]) -> tuple[str, ...]:
        """Ask for operating points (None: leave it); what was refused, in words."""
        asked = list(zip(self._accelerators, self._is_found, opps, strict=True))
        problems = tuple(
            f"{accelerator.name} must have a devfreq clock with the frequencies of the board file"
            for accelerator, is_found, opp in asked
            if opp is not None and not is_found
        )
        self._is_taken = self._is_taken or any(opp is not None for opp in opps)
        return problems + self._clocks.set([opp for _, is_found, opp in asked if is_found])

    def give_back(self) -> None:
        """Put the clocks back as they were, if they were steered."""
        if not self._is_taken:
            return
        paths = [
            f"{actuator.domain.path}/{name}"
            for actuator in self._actuators
            for name in (
                actuator.domain.knobs.governor,
                actuator.domain.knobs.lowest,
                actuator.domain.knobs.highest,
            )
        ]
        for problem in self._writer.restore_files(paths).problems:
            logger.warning("not restored yet: %s", problem)
        self.forget()

    def forget(self) -> None:
        """The knobs were given back."""
        self._is_taken = False
        self._clocks.forget()


def _actuator(domain: DevfreqDomain, kind: str) -> Actuator:
    if kind == "cap" or "userspace" not in domain.governors:
        return Cap(domain)
    return SetSpeed(domain)
